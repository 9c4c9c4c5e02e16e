/* SPDX-License-Identifier: MIT */
#include "skinkd/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"

#define LOG		"usage.log"	/* in LOG_DIR, a line of JSON for each domain that has ended */
#define SAVE_MS		60000

/* What is counted, as the list names it. */
enum { USAGE_CPU_NS, USAGE_RX_BYTES, USAGE_TX_BYTES, USAGE_READ_BYTES, USAGE_WRITE_BYTES, USAGE_TOTALS };
static const char *const total_names[USAGE_TOTALS] = { "cpu_ns", "net_rx_bytes", "net_tx_bytes", "disk_read_bytes", "disk_write_bytes" };

/* US1 */
struct total {
	uint64_t before, now;		/* the sum; `now` counts since its domain was built last */
};

struct usage {
	struct usage *next;
	char uuid[40], name[64], role[16];
	double started, seen;		/* seconds since 1970; when it was last looked at */
	double looked;			/* the same in seconds since the machine began, which nobody sets; 0: not known */
	uint64_t restarts;
	double memory_kib_s;
	struct total total[USAGE_TOTALS];
};

static struct usage *usages;
static uint64_t saved_ms;

static double now_s(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void path_now(char path[CONF_TEXT + 32])
{
	snprintf(path, CONF_TEXT + 32, "%.*s/usage.json", CONF_TEXT - 1, host.conf.state_dir);
}

static struct usage *usage_find(const char *uuid)
{
	struct usage *usage = usages;

	while (usage && strcmp(usage->uuid, uuid))
		usage = usage->next;
	return usage;
}

static struct usage *usage_add(const char *uuid)
{
	struct usage *usage = need_memory(calloc(1, sizeof(*usage))), **at = &usages;

	while (*at)
		at = &(*at)->next;
	snprintf(usage->uuid, sizeof(usage->uuid), "%s", uuid);
	*at = usage;
	return usage;
}

static void usage_remove(struct usage *usage)
{
	struct usage **at = &usages;

	while (*at != usage)
		at = &(*at)->next;
	*at = usage->next;
	free(usage);
}

/* As much as a JSON number holds: a driver may say anything (DR1). */
static uint64_t sum_of(const struct total *total)
{
	uint64_t sum = total->before + total->now;

	return sum < INT64_MAX ? sum : INT64_MAX;
}

/* ---- as JSON ---- */

static json_t *usage_json(const struct usage *usage, bool has_ended)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:f, s:o, s:I, s:f}", "domain", usage->name, "uuid", usage->uuid, "role", usage->role, "started",
				 usage->started, "ended", has_ended ? json_real(usage->seen) : json_null(), "restarts",
				 (json_int_t)usage->restarts, "memory_kib_seconds", usage->memory_kib_s);

	need_memory(json);
	for (int i = 0; i < USAGE_TOTALS; i++)
		json_object_set_new(json, total_names[i], json_integer((json_int_t)sum_of(&usage->total[i])));
	return json;
}

static json_t *usage_out(const struct usage *usage)
{
	json_t *json = usage_json(usage, true), *last = json_array();

	for (int i = 0; i < USAGE_TOTALS; i++)
		json_array_append_new(last, json_integer((json_int_t)usage->total[i].now));
	json_object_set_new(json, "last", last);
	json_object_set_new(json, "looked", json_real(usage->looked));
	return json;
}

static void usage_in(json_t *json)
{
	const char *uuid = NULL, *name = NULL, *role = NULL;
	json_t *last = json_object_get(json, "last");
	json_int_t restarts = 0;
	struct usage *usage;

	if (json_unpack(json, "{s:s, s:s, s:s, s:I}", "uuid", &uuid, "domain", &name, "role", &role, "restarts", &restarts))
		return;
	usage = usage_add(uuid);
	snprintf(usage->name, sizeof(usage->name), "%s", name);
	snprintf(usage->role, sizeof(usage->role), "%s", role);
	usage->started = json_number_value(json_object_get(json, "started"));
	usage->seen = json_number_value(json_object_get(json, "ended"));
	usage->looked = json_number_value(json_object_get(json, "looked"));
	usage->restarts = (uint64_t)restarts;
	usage->memory_kib_s = json_number_value(json_object_get(json, "memory_kib_seconds"));
	for (size_t i = 0; i < USAGE_TOTALS; i++) {
		uint64_t sum = (uint64_t)json_integer_value(json_object_get(json, total_names[i]));
		uint64_t now = (uint64_t)json_integer_value(json_array_get(last, i));

		usage->total[i] = now <= sum ? (struct total){ sum - now, now } : (struct total){ sum, 0 };
	}
}

static void save(void)
{
	json_t *list = json_array();
	char path[CONF_TEXT + 32], *text;

	for (const struct usage *usage = usages; usage; usage = usage->next)
		json_array_append_new(list, usage_out(usage));
	text = need_memory(json_dumps(list, JSON_COMPACT));
	path_now(path);
	if (file_replace(path, text))
		say("%s cannot be written: what domains have used since %lu s would be lost with skinkd", path, SAVE_MS / 1000UL);
	free(text);
	json_decref(list);
	saved_ms = uv_now(host.loop);
}

static void leave_line(struct usage *usage)
{
	json_t *json = usage_json(usage, true);
	char *line = need_memory(json_dumps(json, JSON_COMPACT));

	line = need_memory(realloc(line, strlen(line) + 2));
	strcat(line, "\n");
	log_append(LOG, line, strlen(line));
	free(line);
	json_decref(json);
	usage_remove(usage);
	save();
}

/* ---- looking ---- */

static void count(struct total *total, uint64_t now)
{
	if (now < total->now)
		total->before = sum_of(total) - now;
	total->now = now;
}

static void count_devices(struct usage *usage, domid_t id)
{
	static const struct { enum attach_kind kind; const char *key; int total; } counted[] = {
		{ ATTACH_VIF, "rx_bytes", USAGE_RX_BYTES }, { ATTACH_VIF, "tx_bytes", USAGE_TX_BYTES },
		{ ATTACH_VBD, "read_bytes", USAGE_READ_BYTES }, { ATTACH_VBD, "write_bytes", USAGE_WRITE_BYTES },
	};
	json_t *sums[] = { [ATTACH_VIF] = attach_sums(id, ATTACH_VIF), [ATTACH_VBD] = attach_sums(id, ATTACH_VBD) };

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++)
		count(&usage->total[counted[i].total], (uint64_t)json_integer_value(json_object_get(sums[counted[i].kind], counted[i].key)));
	json_decref(sums[ATTACH_VIF]);
	json_decref(sums[ATTACH_VBD]);
}

/* US3: when it began; of one that began before skinkd did nobody knows more than the date. */
static double began(const struct domain *domain, double now)
{
	double ago = domain->started_ms ? (double)(uv_now(host.loop) - domain->started_ms) / 1000 : now_s(CLOCK_REALTIME) - domain->started;

	return ago < 0 ? now : ago < now ? now - ago : 0;
}

static void count_memory(struct usage *usage, uint64_t kib)
{
	double now = now_s(CLOCK_BOOTTIME);

	usage->memory_kib_s += usage->looked > 0 && now > usage->looked ? (now - usage->looked) * (double)kib : 0;
	usage->looked = now;
	usage->seen = now_s(CLOCK_REALTIME);
}

static struct usage *usage_of(const json_t *shown)
{
	const char *uuid = json_string_value(json_object_get(shown, "uuid"));

	return usage_find(uuid ? uuid : "");
}

void usage_anew(const struct domain *domain)
{
	json_t *shown = domain_json(domain);
	struct usage *usage = usage_of(shown);

	for (int i = 0; usage && i < USAGE_TOTALS; i++)
		usage->total[i] = (struct total){ .before = sum_of(&usage->total[i]) };
	if (usage)
		usage->looked = now_s(CLOCK_BOOTTIME);
	json_decref(shown);
}

void usage_sample(const struct domain *domain)
{
	struct xen_domctl_getdomaininfo info;
	json_t *shown = domain_json(domain);
	const char *uuid = json_string_value(json_object_get(shown, "uuid")), *role = json_string_value(json_object_get(shown, "role"));
	struct usage *usage = usage_of(shown);

	if (uuid && !core_domain_info(&host.core, domain->id, &info)) {
		if (!usage) {
			usage = usage_add(uuid);
			usage->started = domain->started;
			usage->looked = began(domain, now_s(CLOCK_BOOTTIME));
		}
		snprintf(usage->name, sizeof(usage->name), "%s", domain->manifest->name);
		snprintf(usage->role, sizeof(usage->role), "%s", role ? role : "");
		usage->restarts = (uint64_t)json_integer_value(json_object_get(shown, "restarts"));
		count_memory(usage, info.tot_pages << 2);
		count(&usage->total[USAGE_CPU_NS], info.cpu_time);
		count_devices(usage, domain->id);
	}
	json_decref(shown);
}

void usage_look(void)
{
	for (const struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->phase == PHASE_RUNNING)
			usage_sample(domain);
	if (usages && uv_now(host.loop) - saved_ms >= SAVE_MS)
		save();
}

void usage_end(const struct domain *domain)
{
	json_t *shown = domain_json(domain);
	struct usage *usage = usage_of(shown);

	json_decref(shown);
	if (usage)
		leave_line(usage);
}

/* US2: what was running when the machine was switched off, or ended while nobody looked, has no record any more. */
static void end_those_that_are_gone(void)
{
	struct usage *next;

	for (struct usage *usage = usages; usage; usage = next) {
		uint8_t uuid[16];

		next = usage->next;
		if (!uuid_parse(usage->uuid, uuid) || !domain_by_uuid(uuid))
			leave_line(usage);
	}
}

void usage_open(void)
{
	char path[CONF_TEXT + 32];
	json_t *list, *one;
	size_t i;

	path_now(path);
	list = json_load_file(path, 0, NULL);
	json_array_foreach(list, i, one)
		usage_in(one);
	json_decref(list);
	end_those_that_are_gone();
}

/* ---- what is shown ---- */

static void add_ended(json_t *list, const char *suffix)
{
	char path[CONF_TEXT + 48], *line = NULL;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.*s/" LOG "%s", CONF_TEXT - 1, host.conf.log_dir, suffix);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0) {
		json_t *one = json_loads(line, 0, NULL);

		if (json_is_string(json_object_get(one, "domain")) && json_is_string(json_object_get(one, "uuid")))
			json_array_append(list, one);
		json_decref(one);
	}
	free(line);
	if (file)
		fclose(file);
}

json_t *usage_list(void)
{
	json_t *list = json_array();

	usage_look();
	add_ended(list, ".1");
	add_ended(list, "");
	for (const struct usage *usage = usages; usage; usage = usage->next)
		json_array_append_new(list, usage_json(usage, false));
	return list;
}

void method_usage(struct request *request)
{
	const char *domain = NULL;
	json_t *all, *some, *one;
	size_t i;

	if (!rpc_unpack(request, "{s?s}", "domain", &domain))
		return;
	all = usage_list();
	some = json_array();
	json_array_foreach(all, i, one)
		if (!domain || !strcmp(json_string_value(json_object_get(one, "domain")), domain) ||
		    !strcmp(json_string_value(json_object_get(one, "uuid")), domain))
			json_array_append(some, one);
	json_decref(all);
	if (domain && !json_array_size(some)) {
		json_decref(some);
		rpc_fail(request, CODE_NO_DOMAIN, "nothing is known of what a domain '%.64s' used: 'skink usage' lists all", domain);
		return;
	}
	rpc_answer(request, json_pack("{s:o}", "usage", some));
}
