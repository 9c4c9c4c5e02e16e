/* SPDX-License-Identifier: MIT */
#include "skinkd/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/host.h"

enum kind { KIND_TEXT, KIND_NUMBER };

static const struct key {
	const char *name;
	enum kind kind;
	size_t at, bytes;
	const char *text;		/* default */
	uint64_t number;
} keys[] = {
#define TEXT(name, value)	{ #name, KIND_TEXT, offsetof(struct conf, name), sizeof(((struct conf *)0)->name), value, 0 }
#define NUMBER(name, value)	{ #name, KIND_NUMBER, offsetof(struct conf, name), 8, NULL, value }
	TEXT(socket, "/run/skink/skinkd.sock"),
	TEXT(socket_group, "skink"),
	TEXT(metrics_socket, "/run/skink/metrics.sock"),
	TEXT(metrics_address, "127.0.0.1"),
	NUMBER(metrics_port, 0),
	TEXT(state_dir, "/var/lib/skink"),
	TEXT(log_dir, "/var/log/skink"),
	TEXT(console_dir, "/var/log/skink/consoles"),
	TEXT(domains_dir, "/etc/skink/domains"),
	TEXT(system_dir, "/etc/skink/system"),
	TEXT(own_devices, "/etc/skink/domain-0.xml"),
	TEXT(prepare_kernels, "/boot/vmlinuz* /var/lib/skink/images/vmlinuz*"),
	NUMBER(kernel_cache_kib, 65536),
	NUMBER(cores_kib_max, 1048576),
	NUMBER(memory_reserve_kib, 8192),
	NUMBER(events_kept, 1000),
	NUMBER(post_mortems_kept, 64),
	NUMBER(shutdown_timeout_s, 60),
	NUMBER(quick_death_s, 30),
#undef TEXT
#undef NUMBER
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static bool set(struct conf *conf, const struct key *key, const char *value)
{
	char *at = (char *)conf + key->at, *end;
	uint64_t number;

	if (key->kind == KIND_TEXT) {
		if (strlen(value) >= key->bytes)
			return false;
		memcpy(at, value, strlen(value) + 1);
		return true;
	}
	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || end == value || *end || *value == '-')
		return false;
	memcpy(at, &number, sizeof(number));
	return true;
}

void conf_defaults(struct conf *conf)
{
	for (size_t i = 0; i < KEYS; i++) {
		if (keys[i].kind == KIND_TEXT)
			strcpy((char *)conf + keys[i].at, keys[i].text);
		else
			memcpy((char *)conf + keys[i].at, &keys[i].number, sizeof(keys[i].number));
	}
}

struct reading {
	struct conf *conf;
	const char *file;
	bool failed;
};

static int take(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;

	for (size_t i = 0; i < KEYS; i++) {
		if (*section || strcmp(keys[i].name, name))
			continue;
		if (set(reading->conf, &keys[i], value))
			return 1;
		say("%s: %s = %s: write %s", reading->file, name, value,
		    keys[i].kind == KIND_TEXT ? "something shorter" : "a number");
		reading->failed = true;
		return 0;
	}
	say("%s: '%s' is no key of ours: skinkd.conf(5) has them all", reading->file, name);
	reading->failed = true;
	return 0;
}

bool conf_read(struct conf *conf, const char *file, bool may_be_absent)
{
	struct reading reading = { conf, file, false };
	int result;

	errno = 0;
	result = ini_parse(file, take, &reading);
	if (result == -1 && errno == ENOENT && may_be_absent)
		return true;
	if (result == -1)
		say("%s: %s", file, strerror(errno));
	else if (result > 0 && !reading.failed)
		say("%s:%d: not a line 'key = value' that can be used", file, result);
	return result == 0 && !reading.failed;
}
