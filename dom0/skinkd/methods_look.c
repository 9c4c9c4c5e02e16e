/* SPDX-License-Identifier: MIT */
/* What only looks: nothing here changes anything. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "skinkd/attach.h"
#include "skinkd/check.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/functions.h"
#include "skinkd/methods.h"
#include "skinkd/text.h"

#define LOG_BYTES	(64 * 1024)
#define LINES_MAX	100000
#define VERSION		"0.3"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000UL + (uint64_t)now.tv_nsec;
}

void method_list(struct request *request)
{
	json_t *domains = json_array();
	struct target *list;
	size_t count;

	if (!rpc_unpack(request, "{}")) {
		json_decref(domains);
		return;
	}
	count = target_list(&list);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(domains, target_json(&list[i]));
	free(list);
	rpc_answer(request, json_pack("{s:o}", "domains", domains));
}

/* ---- counts ---- */

json_t *account_json(const uint64_t counts[])
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}",
			 "hypercalls", (json_int_t)counts[SKINK_ACCOUNT_HYPERCALLS],
			 "events", (json_int_t)counts[SKINK_ACCOUNT_EVENTS_SENT],
			 "grant_maps", (json_int_t)counts[SKINK_ACCOUNT_GRANT_MAPS],
			 "grant_copies", (json_int_t)counts[SKINK_ACCOUNT_GRANT_COPIES],
			 "page_table_updates", (json_int_t)counts[SKINK_ACCOUNT_PAGE_TABLE_UPDATES]);
}

static void add_counts(json_t *json, const struct target *target)
{
	struct skink_domctl_account account = { 0 };

	if (target->has_id)
		core_account(&host.core, target->id, &account);
	json_object_set_new(json, "used", account_json(account.used));
	json_object_set_new(json, "limit", account_json(account.limit));
}

static json_t *top_one(const struct target *target)
{
	json_t *all = target_json(target), *json = json_object();
	static const char *const same[] = { "name", "id", "state", "vcpus", "memory_kib", "memory_max_kib" };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		json_object_set(json, same[i], json_object_get(all, same[i]));
	json_decref(all);
	json_object_set_new(json, "cpu_ns", json_integer(target->has_id ? (json_int_t)target->info.cpu_time : 0));
	add_counts(json, target);
	json_object_set_new(json, "net", target->has_id ? attach_sums(target->id, ATTACH_VIF) : json_null());
	json_object_set_new(json, "disk", target->has_id ? attach_sums(target->id, ATTACH_VBD) : json_null());
	return json;
}

void method_top(struct request *request)
{
	struct xen_sysctl_physinfo machine = { 0 };
	json_t *domains;
	struct target *list;
	size_t count;

	if (!rpc_unpack(request, "{}"))
		return;
	domains = json_array();
	core_machine(&host.core, &machine);
	count = target_list(&list);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(domains, top_one(&list[i]));
	free(list);
	rpc_answer(request, json_pack("{s:I, s:i, s:I, s:I, s:o}", "time_ns", (json_int_t)now_ns(), "cpus", machine.nr_cpus,
				      "memory_kib", (json_int_t)(machine.total_pages << 2),
				      "memory_free_kib", (json_int_t)(machine.free_pages << 2), "domains", domains));
}

/* ---- info ---- */

json_t *sched_json(const struct skink_domctl_sched *sched)
{
	return json_pack("{s:i, s:i, s:i, s:i}", "weight", sched->weight, "cap", sched->cap_percent, "warp_us", sched->warp_us,
			 "warp_limit_us", sched->warp_limit_us);
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *tty_json(const struct target *target)
{
	char *tty = target->has_id && host.store.handle ? store_read(&host.store, target->id, "console/tty") : NULL;
	json_t *json = text_or_null(tty);

	free(tty);
	return json ? json : json_null();
}

static json_t *domain_info(const struct target *target)
{
	const struct manifest *manifest = target->record ? target->record->manifest : NULL;
	struct skink_domctl_sched sched = { 0 };
	json_t *json = target_json(target);

	if (target->has_id)
		core_sched(&host.core, target->id, &sched);
	pay_hide(target->record, &sched);
	json_object_set_new(json, "on_poweroff", text_or_null(manifest ? manifest_action_name(manifest->on_poweroff) : NULL));
	json_object_set_new(json, "on_reboot", text_or_null(manifest ? manifest_action_name(manifest->on_reboot) : NULL));
	json_object_set_new(json, "on_crash", text_or_null(manifest ? manifest_action_name(manifest->on_crash) : NULL));
	json_object_set_new(json, "manifest", text_or_null(manifest ? manifest->file : NULL));
	json_object_set_new(json, "kernel", text_or_null(manifest ? manifest->kernel : NULL));
	json_object_set_new(json, "initrd", text_or_null(manifest ? manifest->initrd : NULL));
	json_object_set_new(json, "cmdline", text_or_null(manifest ? manifest->cmdline : NULL));
	json_object_set_new(json, "console", tty_json(target));
	json_object_set_new(json, "sched", sched_json(&sched));
	json_object_set_new(json, "vcpu_list", vcpus_json(target));
	add_counts(json, target);
	json_object_set_new(json, "driver", target->record && target->record->driver ? driver_json(target->record->driver) : json_null());
	json_object_set_new(json, "attachments", target->record && target->record->driver ?
			    attachments_of_driver(target->record->driver) : target->has_id ? attachments_of_domain(target->id) :
			    json_array());
	return json;
}

static json_t *host_info(void)
{
	struct xen_sysctl_physinfo machine = { 0 };
	char version[64] = "";
	struct target *list;
	size_t count = target_list(&list);

	free(list);
	core_machine(&host.core, &machine);
	core_version(&host.core, version, sizeof(version));
	uv_update_time(host.loop);
	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:f, s:s, s:s, s:I, s:o}", "version", VERSION, "xen_version", version,
			 "cpus", machine.nr_cpus, "memory_kib", (json_int_t)(machine.total_pages << 2),
			 "memory_free_kib", (json_int_t)(machine.free_pages << 2), "domains", (json_int_t)count,
			 "uptime_seconds", (double)(uv_now(host.loop) - host.started_ms) / 1000, "socket_group",
			 host.conf.socket_group, "scheduler", "bvt", "shutdown_timeout_s",
			 (json_int_t)host.conf.shutdown_timeout_s, "pci", functions_json());
}

void method_info(struct request *request)
{
	json_t *named = NULL;
	struct target target;

	if (!rpc_unpack(request, "{s?o}", "domain", &named))
		return;
	if (!named)
		rpc_answer(request, host_info());
	else if (method_target(request, named, &target))
		rpc_answer(request, json_pack("{s:o}", "domain", domain_info(&target)));
}

void method_version(struct request *request)
{
	char version[64] = "";

	if (!rpc_unpack(request, "{}"))
		return;
	core_version(&host.core, version, sizeof(version));
	rpc_answer(request, json_pack("{s:s, s:s, s:i}", "skinkd", VERSION, "core", version, "protocol", 1));
}

/* ---- vcpus ---- */

static const char *vcpu_state(const struct target *target, const struct xen_domctl_getvcpuinfo *info)
{
	if (!info->online)
		return "offline";
	if (info->running)
		return "running";
	/* Of a domain that is stopped none waits for a CPU. */
	if (target->info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown | XEN_DOMINF_paused))
		return state_name(target);
	return info->blocked ? "blocked" : "ready";
}

static json_t *vcpu_json(const struct target *target, uint32_t vcpu, uint32_t cpus)
{
	struct xen_domctl_getvcpuinfo info;
	char affinity[CPUS_TEXT];
	uint64_t mask = UINT64_MAX;

	if (core_vcpu_info(&host.core, target->id, vcpu, &info))
		return NULL;
	core_vcpu_affinity_get(&host.core, target->id, vcpu, &mask);
	cpus_print(mask, cpus, affinity);
	return json_pack("{s:s, s:i, s:i, s:o, s:s, s:f, s:s}", "name", target->name, "id", target->id, "vcpu", vcpu,
			 "cpu", info.cpu_time ? json_integer(info.cpu) : json_null(), "state", vcpu_state(target, &info),
			 "cpu_seconds", (double)info.cpu_time / 1e9, "affinity", affinity);
}

json_t *vcpus_json(const struct target *target)
{
	struct xen_sysctl_physinfo machine = { 0 };
	json_t *list = json_array();

	core_machine(&host.core, &machine);
	for (uint32_t i = 0; target->has_id && i <= target->info.max_vcpu_id; i++) {
		json_t *one = vcpu_json(target, i, machine.nr_cpus);

		if (one)
			json_array_append_new(list, one);
	}
	return list;
}

void method_vcpu_list(struct request *request)
{
	json_t *named = NULL, *all, *some;
	struct target target, *list;
	size_t count;

	if (!rpc_unpack(request, "{s?o}", "domain", &named))
		return;
	if (named) {
		if (method_target(request, named, &target))
			rpc_answer(request, json_pack("{s:o}", "vcpus", vcpus_json(&target)));
		return;
	}
	all = json_array();
	count = target_list(&list);
	for (size_t i = 0; i < count; i++) {
		some = vcpus_json(&list[i]);
		json_array_extend(all, some);
		json_decref(some);
	}
	free(list);
	rpc_answer(request, json_pack("{s:o}", "vcpus", all));
}

/* ---- texts ---- */

void method_dmesg(struct request *request)
{
	char *text;
	int got;

	if (!rpc_unpack(request, "{}"))
		return;
	text = need_memory(malloc(LOG_BYTES + 1));
	got = core_log(&host.core, text, LOG_BYTES);
	if (got < 0) {
		rpc_fail(request, CODE_FAILED, "the core does not give its log: %s", strerror(-got));
	} else {
		for (int i = 0; i < got; i++)
			if (!text[i])
				text[i] = '?';
		text[got] = 0;
		text_make_utf8(text);
		rpc_answer(request, json_pack("{s:s}", "text", text));
	}
	free(text);
}

void method_events(struct request *request)
{
	json_int_t count = (json_int_t)host.conf.events_kept;
	int follow = 0;

	if (!rpc_unpack(request, "{s?b, s?I}", "follow", &follow, "count", &count))
		return;
	if (follow)
		rpc_follow(request);
	rpc_answer(request, json_pack("{s:o}", "events", events_last(count < 0 ? 0 : (size_t)count)));
}

void method_logs(struct request *request)
{
	json_int_t lines = 100;
	char *text, *file;
	struct target target;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s?I}", "domain", &named, "lines", &lines))
		return;
	/* A domain that is gone has left its log. */
	if (target_find(named, &target))
		text = console_tail(target.name, lines < 0 ? 0 : lines > LINES_MAX ? LINES_MAX : (size_t)lines, &file);
	else if (json_is_string(named) && !strchr(json_string_value(named), '/'))
		text = console_tail(json_string_value(named), lines < 0 ? 0 : lines > LINES_MAX ? LINES_MAX : (size_t)lines, &file);
	else
		text = file = NULL;
	if (text || target_find(named, &target))
		rpc_answer(request, json_pack("{s:s, s:s?}", "text", text ? text : "", "file", file));
	else
		method_target(request, named, &target);
	free(text);
	free(file);
}

void method_dumpxml(struct request *request)
{
	struct target target;
	json_t *named;
	char *xml;

	if (!rpc_unpack(request, "{s:o}", "domain", &named) || !method_target(request, named, &target))
		return;
	if (!target.record) {
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' was not created from a manifest", target.name);
		return;
	}
	xml = need_memory(manifest_write(target.record->manifest));
	rpc_answer(request, json_pack("{s:s}", "xml", xml));
	free(xml);
}

void method_console(struct request *request)
{
	struct target target;
	json_t *named, *tty;

	if (!rpc_unpack(request, "{s:o}", "domain", &named) || !method_guest(request, named, true, &target))
		return;
	tty = tty_json(&target);
	if (json_is_null(tty)) {
		json_decref(tty);
		rpc_fail(request, CODE_FAILED, "'%s' has no console yet: xenconsoled has not made one (does it run?)", target.name);
		return;
	}
	rpc_answer(request, json_pack("{s:o}", "tty", tty));
}
