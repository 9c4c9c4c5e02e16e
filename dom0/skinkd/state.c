/* SPDX-License-Identifier: MIT */
#include "skinkd/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/manifest.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/life.h"
#include "skinkd/monitor.h"

#define STATE_VERSION	2
#define BOOT_ID_FILE	"/proc/sys/kernel/random/boot_id"

static const char *const phase_names[] = { "building", "running", "ended", "dumping", "ending" };

static int write_whole(int file, const char *text)
{
	size_t bytes = strlen(text);

	while (bytes) {
		ssize_t put = write(file, text, bytes);

		if (put < 0 && errno != EINTR)
			return -errno;
		if (put > 0) {
			text += put;
			bytes -= (size_t)put;
		}
	}
	return fsync(file) ? -errno : 0;
}

int file_replace(const char *path, const char *text)
{
	char beside[CONF_TEXT + 300];
	int file, result;

	snprintf(beside, sizeof(beside), "%s.new", path);
	file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return -errno;
	result = write_whole(file, text);
	close(file);
	if (!result && rename(beside, path))
		result = -errno;
	if (result)
		unlink(beside);
	return result;
}

/* ST2: Dom0's kernel is started anew exactly when the machine is. */
static void boot_id(char text[64])
{
	FILE *file = fopen(BOOT_ID_FILE, "re");

	*text = 0;
	if (file && fgets(text, 64, file))
		text[strcspn(text, "\n")] = 0;
	if (file)
		fclose(file);
}

static void state_path(char path[CONF_TEXT + 32])
{
	snprintf(path, CONF_TEXT + 32, "%s/state.json", host.conf.state_dir);
}

/* ---- out ---- */

static json_t *gone_out(const struct domain *domain)
{
	json_t *list = json_array();

	for (size_t i = 0; i < 2 * ATTACH_SUMS; i++)
		json_array_append_new(list, json_integer((json_int_t)domain->gone[i / ATTACH_SUMS][i % ATTACH_SUMS]));
	return list;
}

static json_t *domain_out(const struct domain *domain)
{
	char uuid[UUID_TEXT], *xml = need_memory(manifest_write(domain->manifest));
	json_t *json;

	uuid_text(domain->uuid, uuid);
	json = json_pack("{s:s, s:s, s:i, s:s, s:f, s:i, s:I, s:i, s:b, s:b, s:b, s:s, s:s}", "name", domain->manifest->name, "uuid", uuid,
			 "id", domain->id, "phase", phase_names[domain->phase], "started", domain->started,
			 "restarts", domain->restarts, "memory_target_kib", (json_int_t)domain->memory_target_kib,
			 "vcpus_target", domain->vcpus_target, "doomed", domain->is_doomed, "stays_down", domain->stays_down, "restarting",
			 domain->phase == PHASE_ENDING && domain->is_restarting, "file", domain->manifest->file,
			 "xml", xml);
	free(xml);
	json_object_set_new(json, "paused", json_boolean(domain->is_paused));
	json_object_set_new(json, "new", json_boolean(domain->is_new));
	if (domain->phase == PHASE_DUMPING) {
		json_object_set_new(json, "dumped_in", json_string(phase_names[domain->dumped_in]));
		json_object_set_new(json, "dump_paused", json_boolean(domain->is_dump_paused));
	}
	json_object_set_new(json, "gone", gone_out(domain));
	json_object_set_new(json, "monitor", monitor_out(domain));
	json_object_set_new(json, "driver", domain->driver ? driver_out(domain->driver) : json_null());
	return json;
}

void state_save(void)
{
	json_t *list = json_array(), *state;
	char path[CONF_TEXT + 32], boot[64], *text, *own = need_memory(manifest_write(host.own));
	int result;

	for (struct domain *domain = host.domains; domain; domain = domain->next)
		json_array_append_new(list, domain_out(domain));
	boot_id(boot);
	state = json_pack("{s:i, s:s, s:o, s:s, s:o}", "version", STATE_VERSION, "boot", boot, "domains", list, "own", own,
			  "attachments", attach_out());
	free(own);
	text = need_memory(json_dumps(state, JSON_INDENT(1)));
	json_decref(state);
	state_path(path);
	result = file_replace(path, text);
	if (result)
		say("%s: %s: if skinkd is started again now, it does not know all of its domains", path, strerror(-result));
	free(text);
}

/* ---- in ---- */

static bool phase_parse(const char *name, enum phase *phase)
{
	for (size_t i = 0; i < sizeof(phase_names) / sizeof(phase_names[0]); i++)
		if (!strcmp(phase_names[i], name)) {
			*phase = (enum phase)i;
			return true;
		}
	return false;
}

static void gone_in(struct domain *domain, const json_t *list)
{
	for (size_t i = 0; i < 2 * ATTACH_SUMS; i++)
		domain->gone[i / ATTACH_SUMS][i % ATTACH_SUMS] = (uint64_t)json_integer_value(json_array_get(list, i));
}

/* A skinkd that did not write these paused whatever it dumped. */
static void dump_in(struct domain *domain, const json_t *json)
{
	const char *in = json_string_value(json_object_get(json, "dumped_in"));

	if (!in || !phase_parse(in, &domain->dumped_in))
		domain->dumped_in = PHASE_RUNNING;
	domain->is_dump_paused = !json_is_false(json_object_get(json, "dump_paused"));
}

static void domain_in(json_t *json)
{
	const char *uuid, *phase, *file, *xml;
	int id, restarts, vcpus, doomed, stays_down = 0, restarting;
	struct manifest *manifest;
	struct report report = { 0 };
	struct driver_shared shared;
	struct domain *domain;
	json_int_t memory;
	double started;

	if (json_unpack(json, "{s:s, s:i, s:s, s:F, s:i, s:I, s:i, s:b, s?b, s:b, s:s, s:s}", "uuid", &uuid, "id", &id, "phase", &phase,
			"started", &started, "restarts", &restarts, "memory_target_kib", &memory, "vcpus_target", &vcpus,
			"doomed", &doomed, "stays_down", &stays_down, "restarting", &restarting, "file", &file, "xml", &xml) ||
	    !manifest_parse(xml, strlen(xml), file, &manifest, &report)) {
		say("state.json: an entry that cannot be read is left out");
		report_print(&report, stderr);
		report_free(&report);
		return;
	}
	report_free(&report);
	domain = domain_add(manifest);
	domain->id = (domid_t)id;
	domain->started = started;
	domain->restarts = (uint32_t)restarts;
	domain->memory_target_kib = (uint64_t)memory;
	domain->vcpus_target = (uint32_t)vcpus;
	domain->is_doomed = doomed;
	domain->stays_down = stays_down;
	domain->is_restarting = restarting;
	domain->is_paused = json_is_true(json_object_get(json, "paused"));
	domain->is_new = json_is_true(json_object_get(json, "new"));
	if (!uuid_parse(uuid, domain->uuid) || !phase_parse(phase, &domain->phase)) {
		domain_remove(domain);
		return;
	}
	gone_in(domain, json_object_get(json, "gone"));
	monitor_in(domain, json_object_get(json, "monitor"));
	dump_in(domain, json);
	/* Before its driver is opened: one that it finds paused has been stopped by a skinkd that was ended then. */
	if (domain->phase == PHASE_DUMPING)
		life_dump_is_cut_off(domain);
	if (driver_in(json_object_get(json, "driver"), &shared) && (domain->phase == PHASE_RUNNING || domain->phase == PHASE_ENDED))
		driver_open(domain, &shared);
}

static void own_in(const char *xml)
{
	struct report report = { 0 };
	struct manifest *manifest;

	if (manifest_parse(xml, strlen(xml), "Domain-0", &manifest, &report)) {
		manifest_free(host.own);
		host.own = manifest;
	}
	report_free(&report);
}

/* It may be all that is known of domains that run: the next state_save() must not write over it. */
static void put_aside(const char *path, const char *why)
{
	char aside[CONF_TEXT + 40];

	snprintf(aside, sizeof(aside), "%s.bad", path);
	if (rename(path, aside))
		event("failed", NULL, 0, "%s: %s: no domain is known, and it cannot be kept: %s", path, why, strerror(errno));
	else
		event("failed", NULL, 0, "%s: %s: no domain is known; it is kept as %s", path, why, aside);
}

bool state_load(void)
{
	char path[CONF_TEXT + 32], boot[64], why[200];
	const char *was = NULL, *own = NULL;
	json_error_t error;
	json_t *state, *list = NULL, *one;
	int version = 0;
	size_t i;

	state_path(path);
	if (access(path, F_OK))
		return false;
	state = json_load_file(path, 0, &error);
	if (!state || json_unpack_ex(state, &error, 0, "{s:i, s:s, s:o, s:s}", "version", &version, "boot", &was, "domains", &list,
				     "own", &own) || version != STATE_VERSION) {
		snprintf(why, sizeof(why), "line %d: %.150s", error.line, error.text);
		if (version && version != STATE_VERSION)
			snprintf(why, sizeof(why), "it is of version %d, not %d", version, STATE_VERSION);
		put_aside(path, why);
		json_decref(state);
		return false;
	}
	boot_id(boot);
	if (strcmp(was, boot)) {
		json_decref(state);
		return false;
	}
	json_array_foreach(list, i, one)
		domain_in(one);
	own_in(own);
	attach_in(json_object_get(state, "attachments"));
	json_decref(state);
	return true;
}
