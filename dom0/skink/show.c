/* SPDX-License-Identifier: MIT */
/* What there is: domains, the host, versions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "lib/need.h"
#include "message.h"
#include "show.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

enum colour state_colour(const char *state)
{
	if (strcmp(state, "crashed") == 0)
		return RED;
	if (strcmp(state, "running") == 0 || strcmp(state, "blocked") == 0)
		return GREEN;
	return YELLOW;
}

/* "crashed (watchdog)" */
static void state_cell(struct table *table, const json_t *domain)
{
	const char *state = text_of(domain, "state"), *reason = text_of(domain, "reason");

	if (*reason)
		table_cell(table, "%s (%s)", state, reason);
	else
		table_cell(table, "%s", state);
	table_paint(table, state_colour(state));
}

/* "net driver, serves 3, unprotected" */
static void driver_note(const json_t *domain, char *text, size_t room)
{
	const char *state = text_of(domain, "driver_state");
	uint64_t count = count_of(domain, "front_ends");

	snprintf(text, room, "%s driver", text_of(domain, "role"));
	if (*state && strcmp(state, "serving"))
		snprintf(text + strlen(text), room - strlen(text), ", %s", state);
	if (count)
		snprintf(text + strlen(text), room - strlen(text), ", serves %lu", count);
	if (flag_of(domain, "unprotected"))
		snprintf(text + strlen(text), room - strlen(text), ", unprotected");
}

/* What somebody should know who sees it in a list. */
static void note_cell(struct table *table, const json_t *domain)
{
	uint64_t restarts = count_of(domain, "restarts");
	const char *role = text_of(domain, "role");
	bool is_driver = strcmp(role, "net") == 0 || strcmp(role, "blk") == 0;

	char text[96] = "";

	if (is_driver)
		driver_note(domain, text, sizeof(text));
	else if (!flag_of(domain, "managed") && number_of(domain, "id") != 0)
		snprintf(text, sizeof(text), "not built by skinkd");
	if (restarts)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%srestarted %lu %s", *text ? ", " : "",
			 restarts, restarts == 1 ? "time" : "times");
	table_cell(table, "%s", text);
}

static void print_domains(const json_t *domains)
{
	static const char *const columns[] = {"Name", ">ID", ">Mem", ">VCPUs", "State", ">Time(s)", "", NULL};
	struct table *table = table_new(columns);
	const json_t *domain;
	char size[UNITS_TEXT];
	size_t index;

	json_array_foreach(domains, index, domain) {
		table_cell(table, "%s", text_of(domain, "name"));
		table_cell(table, "%.0f", number_of(domain, "id"));
		table_cell(table, "%s", format_size(size, kib_of(domain, "memory_kib")));
		table_cell(table, "%.0f", number_of(domain, "vcpus"));
		state_cell(table, domain);
		table_cell(table, "%.1f", number_of(domain, "cpu_seconds"));
		note_cell(table, domain);
	}
	table_print(table);
}

/* Those that were named, in that order. */
static int list_some(const struct invocation *invocation, json_t *domains)
{
	for (int i = 0; i < invocation->operand_count; i++) {
		const struct call call = {.method = "info", .what = "list",
					  .params = json_pack("{s:s}", "domain", invocation->operands[i])};
		json_t *result;
		int code = ask(invocation, &call, &result);

		if (code)
			return code;
		json_array_append(domains, json_object_get(result, "domain"));
		json_decref(result);
	}
	return EXIT_DONE;
}

static int list_all(const struct invocation *invocation, json_t *domains)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "list"};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	json_array_extend(domains, json_object_get(result, "domains"));
	json_decref(result);
	return EXIT_DONE;
}

int verb_list(const struct invocation *invocation)
{
	json_t *domains = json_array();
	int code = invocation->operand_count ? list_some(invocation, domains) : list_all(invocation, domains);

	if (code == EXIT_DONE && invocation->given[OPTION_JSON])
		print_json(domains);
	else if (code == EXIT_DONE)
		print_domains(domains);
	json_decref(domains);
	return code;
}

static void print_field(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print_field(const char *name, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = need_vtext(format, arguments);
	va_end(arguments);
	printf("%-20s: ", name);
	print_text(stdout, text);
	putchar('\n');
	free(text);
}

static void print_text_field(const json_t *object, const char *key, const char *name)
{
	if (json_is_string(json_object_get(object, key)))
		print_field(name, "%s", text_of(object, key));
}

static void print_size_field(const json_t *object, const char *key, const char *name)
{
	char size[UNITS_TEXT];

	if (json_is_number(json_object_get(object, key)))
		print_field(name, "%s", format_size(size, kib_of(object, key)));
}

static void print_started(const json_t *domain)
{
	time_t started = (time_t)count_of(domain, "started");
	char text[64], ago[UNITS_TEXT];
	struct tm local;

	if (!json_is_number(json_object_get(domain, "started")))
		return;
	if (!localtime_r(&started, &local))
		return;
	strftime(text, sizeof(text), "%F %T", &local);
	print_field("started", "%s, %s ago", text, format_duration(ago, difftime(time(NULL), started)));
}

/* "12345 (at most 100 in 10 ms)" */
static void print_accounts(const json_t *domain)
{
	json_t *used = json_object_get(domain, "used");
	const json_t *limits = json_object_get(domain, "limit");
	const json_t *count;
	const char *kind;
	char name[64];

	json_object_foreach(used, kind, count) {
		snprintf(name, sizeof(name), "%s", kind);
		for (char *c = name; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (number_of(limits, kind) > 0)
			print_field(name, "%.0f (at most %.0f in 10 ms)", json_number_value(count),
				    number_of(limits, kind));
		else
			print_field(name, "%.0f", json_number_value(count));
	}
}

static void print_sched_fields(const json_t *domain)
{
	const json_t *sched = json_object_get(domain, "sched");

	if (!json_is_object(sched))
		return;
	print_field("weight", "%.0f", number_of(sched, "weight"));
	if (number_of(sched, "cap") > 0)
		print_field("cap", "%.0f %% of one CPU", number_of(sched, "cap"));
	else
		print_field("cap", "none");
	print_field("warp", "%.0f us", number_of(sched, "warp_us"));
	print_field("warp limit", "%.0f us", number_of(sched, "warp_limit_us"));
}

/* "2 crash, 1 hang" */
static void print_causes(json_t *causes)
{
	const json_t *count;
	const char *cause;
	char text[160] = "";

	json_object_foreach(causes, cause, count) {
		size_t length = strlen(text);

		if (json_integer_value(count))
			snprintf(text + length, sizeof(text) - length, "%s%.0f %s", length ? ", " : "", json_number_value(count), cause);
	}
	print_field("deaths", "%s", *text ? text : "none");
}

static void print_restarts(const json_t *restart)
{
	const json_t *last = json_object_get(restart, "last");
	uint64_t recovered_us = count_of(last, "recovered_us");

	if (!json_is_object(restart))
		return;
	print_field("if it crashes", "%s", flag_of(restart, "armed") ? "the core resets it at once" : "skinkd decides");
	print_causes(json_object_get(restart, "causes"));
	if (!json_is_object(last))
		return;
	print_field("last death", "%s: %s", text_of(last, "cause"), text_of(last, "text"));
	if (recovered_us)
		print_field("recovered", "it had its rings again after %lu us", recovered_us);
}

static void print_driver(const json_t *driver)
{
	if (!json_is_object(driver))
		return;
	print_text_field(driver, "state", "driver");
	print_text_field(driver, "device", "device");
	/* What its predecessor said at last stands there still: it is told as the last death. */
	if (*text_of(driver, "text") && strcmp(text_of(driver, "state"), "serving"))
		print_text_field(driver, "text", "it says");
	print_field("memory guarded", "%s", flag_of(driver, "protected") ? "by the IOMMU: its device reaches its DMA pool alone" :
		    "no: its device can reach all memory of the machine");
	print_field("generation", "%.0f", number_of(driver, "generation"));
	if (*text_of(json_object_get(driver, "restart"), "image"))
		print_field("image", "%s, in place of its manifest's", text_of(json_object_get(driver, "restart"), "image"));
	print_restarts(json_object_get(driver, "restart"));
	if (json_is_number(json_object_get(driver, "sectors")))
		print_field("disk", "%.0f MiB, sectors of %.0f bytes", number_of(driver, "sectors") / 2048,
			    number_of(driver, "sector_bytes"));
	else
		print_field("link", "%s", flag_of(driver, "link_up") ? "up" : "down");
}

static void print_domain(const json_t *domain)
{
	char duration[UNITS_TEXT];
	const char *reason = text_of(domain, "reason");

	print_text_field(domain, "name", "name");
	print_field("id", "%.0f", number_of(domain, "id"));
	print_text_field(domain, "uuid", "uuid");
	print_text_field(domain, "title", "title");
	print_field("state", "%s%s%s%s", text_of(domain, "state"), *reason ? " (" : "", reason, *reason ? ")" : "");
	print_text_field(domain, "role", "role");
	print_field("vcpus", "%.0f of %.0f", number_of(domain, "vcpus"), number_of(domain, "vcpus_max"));
	print_field("cpu time", "%s", format_duration(duration, number_of(domain, "cpu_seconds")));
	print_size_field(domain, "memory_kib", "memory");
	print_size_field(domain, "memory_target_kib", "memory target");
	print_size_field(domain, "memory_max_kib", "memory at most");
	print_started(domain);
	print_field("restarts", "%.0f", number_of(domain, "restarts"));
	print_field("autostart", "%s", flag_of(domain, "autostart") ? "yes" : "no");
	print_field("built by skinkd", "%s", flag_of(domain, "managed") ? "yes" : "no");
	print_text_field(domain, "on_poweroff", "on poweroff");
	print_text_field(domain, "on_reboot", "on reboot");
	print_text_field(domain, "on_crash", "on crash");
	print_text_field(domain, "manifest", "manifest");
	print_text_field(domain, "kernel", "kernel");
	print_text_field(domain, "initrd", "initrd");
	print_text_field(domain, "cmdline", "command line");
	print_text_field(domain, "console", "console");
	print_sched_fields(domain);
	print_accounts(domain);
	print_driver(json_object_get(domain, "driver"));
	print_attachments(json_object_get(domain, "attachments"));
}

static void print_functions(const json_t *functions)
{
	static const char *const columns[] = {"PCI device", "Kind", "Vendor:Device", "Owner", "", NULL};
	struct table *table;
	const json_t *function;
	size_t index;

	if (!json_array_size(functions))
		return;
	putchar('\n');
	table = table_new(columns);
	json_array_foreach(functions, index, function) {
		table_cell(table, "%s", text_of(function, "at"));
		table_cell(table, "%s", text_of(function, "kind"));
		table_cell(table, "%04lx:%04lx", count_of(function, "vendor"), count_of(function, "device"));
		table_cell(table, "%s", *text_of(function, "owner") ? text_of(function, "owner") : "-");
		if (count_of(function, "faults"))
			table_cell(table, "%lu accesses refused", count_of(function, "faults"));
		else
			table_cell(table, "%s", flag_of(function, "assignable") ? "" : "cannot be given away");
	}
	table_print(table);
}

static void print_host(const json_t *host)
{
	char duration[UNITS_TEXT];

	print_text_field(host, "version", "skinkd");
	print_text_field(host, "xen_version", "xen version");
	print_text_field(host, "scheduler", "scheduler");
	print_field("cpus", "%.0f", number_of(host, "cpus"));
	print_size_field(host, "memory_kib", "memory");
	print_size_field(host, "memory_free_kib", "memory free");
	print_field("domains", "%.0f", number_of(host, "domains"));
	print_field("skinkd has run for", "%s", format_duration(duration, number_of(host, "uptime_seconds")));
	print_text_field(host, "socket_group", "socket group");
	print_functions(json_object_get(host, "pci"));
}

int verb_info(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0];
	const struct call call = {.method = "info", .what = "info",
				  .params = domain ? json_pack("{s:s}", "domain", domain) : json_object()};
	json_t *result;
	const json_t *fact;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	fact = domain ? json_object_get(result, "domain") : result;
	if (invocation->given[OPTION_JSON])
		print_json(fact);
	else if (domain)
		print_domain(fact);
	else
		print_host(fact);
	json_decref(result);
	return EXIT_DONE;
}

int verb_version(const struct invocation *invocation)
{
	const struct call call = {.method = "version", .params = json_object(), .what = "version"};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text_field(result, "core", "core");
		print_text_field(result, "skinkd", "skinkd");
		print_field("protocol", "%.0f", number_of(result, "protocol"));
	}
	json_decref(result);
	return EXIT_DONE;
}
