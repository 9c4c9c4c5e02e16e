/* SPDX-License-Identifier: MIT */
/* CPUs, memory and turns of a domain, while it runs. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "message.h"
#include "show.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

#define WAIT_S	   60.0
#define VCPUS_MAX  32
#define WEIGHT_MAX 65535
#define CAP_MAX	   (100 * VCPUS_MAX)
#define US_MAX	   10000000

static const char goes_on[] = "skinkd goes on with it: see 'skink info'";

static void print_vcpus(const json_t *vcpus)
{
	static const char *const columns[] = {"Name", ">ID", ">VCPU", ">CPU", "State", ">Time(s)", "Affinity", NULL};
	struct table *table = table_new(columns);
	const json_t *vcpu;
	size_t index;

	json_array_foreach(vcpus, index, vcpu) {
		table_cell(table, "%s", text_of(vcpu, "name"));
		table_cell(table, "%.0f", number_of(vcpu, "id"));
		table_cell(table, "%.0f", number_of(vcpu, "vcpu"));
		if (json_is_number(json_object_get(vcpu, "cpu")))
			table_cell(table, "%.0f", number_of(vcpu, "cpu"));
		else
			table_cell(table, "-");
		table_cell(table, "%s", text_of(vcpu, "state"));
		table_cell(table, "%.1f", number_of(vcpu, "cpu_seconds"));
		table_cell(table, "%s", text_of(vcpu, "affinity"));
	}
	table_print(table);
}

static int ask_vcpus(const struct invocation *invocation, const struct call *call)
{
	json_t *result;
	int code = ask(invocation, call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON])
		print_json(json_object_get(result, "vcpus"));
	else
		print_vcpus(json_object_get(result, "vcpus"));
	json_decref(result);
	return EXIT_DONE;
}

int verb_vcpu_list(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0];
	const struct call call = {.method = "vcpu-list", .what = "vcpu-list",
				  .params = domain ? json_pack("{s:s}", "domain", domain) : json_object()};

	return ask_vcpus(invocation, &call);
}

int verb_vcpu_pin(const struct invocation *invocation)
{
	char **operands = invocation->operands;
	struct call call = {.method = "vcpu-pin", .what = "vcpu-pin", .meanwhile = goes_on};
	uint64_t vcpu;

	if (strcmp(operands[1], "all") == 0) {
		call.params = json_pack("{s:s, s:s, s:s}", "domain", operands[0], "vcpu", "all", "cpus", operands[2]);
	} else if (parse_count(operands[1], 0, VCPUS_MAX - 1, &vcpu)) {
		call.params = json_pack("{s:s, s:I, s:s}", "domain", operands[0], "vcpu", (json_int_t)vcpu, "cpus",
					operands[2]);
	} else {
		complain("vcpu-pin: '%s' is not a vcpu: write a number from 0 to %d, or all", operands[1], VCPUS_MAX - 1);
		return EXIT_BAD_INPUT;
	}
	return ask_vcpus(invocation, &call);
}

/* A change that may be waited for. */
static int ask_change(const struct invocation *invocation, const char *key, json_int_t value, json_t **result)
{
	double timeout;
	json_t *params;
	struct call call = {.method = invocation->verb->name, .what = invocation->verb->name, .meanwhile = goes_on};

	if (!timeout_of(invocation, WAIT_S, &timeout))
		return EXIT_BAD_INPUT;
	params = json_pack("{s:s, s:I, s:b, s:f}", "domain", invocation->operands[0], key, value, "wait",
			   !invocation->given[OPTION_NO_WAIT], "timeout", timeout);
	call.params = params;
	call.limit_s = limit_for(timeout);
	return ask(invocation, &call, result);
}

int verb_vcpu_set(const struct invocation *invocation)
{
	const char *text = invocation->operands[1];
	uint64_t vcpus;
	json_t *result;
	int code;

	if (!parse_count(text, 1, VCPUS_MAX, &vcpus)) {
		complain("vcpu-set: '%s' is not a number of vcpus: write one from 1 to %d", text, VCPUS_MAX);
		return EXIT_BAD_INPUT;
	}
	code = ask_change(invocation, "vcpus", (json_int_t)vcpus, &result);
	if (code)
		return code;
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text(stdout, invocation->operands[0]);
		printf(": %.0f online\n", number_of(result, "vcpus"));
	}
	json_decref(result);
	return EXIT_DONE;
}

int verb_mem_set(const struct invocation *invocation)
{
	const char *text = invocation->operands[1];
	char has[UNITS_TEXT], target[UNITS_TEXT];
	uint64_t bytes;
	json_t *result;
	int code;

	if (!parse_size(text, &bytes) || bytes < 1024) {
		complain("mem-set: '%s' is not a size: write 512MiB or 1.5GiB; a number alone is MiB", text);
		return EXIT_BAD_INPUT;
	}
	code = ask_change(invocation, "memory_kib", (json_int_t)(bytes / 1024), &result);
	if (code)
		return code;
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text(stdout, invocation->operands[0]);
		printf(": %s now, of the %s it was told to have\n",
		       format_size(has, kib_of(result, "memory_kib")),
		       format_size(target, kib_of(result, "memory_target_kib")));
	}
	json_decref(result);
	return EXIT_DONE;
}

static const struct sched_row {
	enum verb_option option;
	const char *key;
	uint64_t least, most;
} sched_rows[] = {
	{OPTION_WEIGHT, "weight", 1, WEIGHT_MAX},
	{OPTION_CAP, "cap", 0, CAP_MAX},
	{OPTION_WARP, "warp_us", 0, US_MAX},
	{OPTION_WARP_LIMIT, "warp_limit_us", 0, US_MAX},
};

/* False: one of them is no number within its bounds, and that has been said. */
static bool add_sched(const struct invocation *invocation, json_t *params)
{
	for (size_t i = 0; i < sizeof(sched_rows) / sizeof(*sched_rows); i++) {
		const struct sched_row *row = &sched_rows[i];
		const char *text = invocation->value[row->option];
		uint64_t value;

		if (!text)
			continue;
		if (!parse_count(text, row->least, row->most, &value)) {
			complain("--%s: '%s' is out of range: write a number from %lu to %lu", option_name(row->option),
				 text, row->least, row->most);
			return false;
		}
		json_object_set_new(params, row->key, json_integer((json_int_t)value));
	}
	return true;
}

static void sched_cells(struct table *table, const char *domain, const json_t *sched)
{
	table_cell(table, "%s", domain);
	table_cell(table, "%.0f", number_of(sched, "weight"));
	table_cell(table, number_of(sched, "cap") > 0 ? "%.0f%%" : "none", number_of(sched, "cap"));
	table_cell(table, "%.0f us", number_of(sched, "warp_us"));
	table_cell(table, number_of(sched, "warp_limit_us") > 0 ? "%.0f us" : "none",
		   number_of(sched, "warp_limit_us"));
}

/* One domain: a row of the table, or an object in the array. */
static int sched_one(const struct invocation *invocation, const char *domain, json_t *params, struct table *table,
		     json_t *facts)
{
	const struct call call = {.method = "sched", .params = params, .what = "sched", .meanwhile = goes_on};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	sched_cells(table, domain, result);
	json_object_set_new(result, "name", json_string(domain));
	json_array_append_new(facts, result);
	return EXIT_DONE;
}

static int sched_all(const struct invocation *invocation, struct table *table, json_t *facts)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "sched"};
	json_t *result;
	const json_t *domain;
	size_t index;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	json_array_foreach(json_object_get(result, "domains"), index, domain) {
		json_t *params = json_pack("{s:O}", "domain", json_object_get(domain, "id"));

		code = sched_one(invocation, text_of(domain, "name"), params, table, facts);
		/* It may have ended meanwhile. */
		if (code != EXIT_DONE && code != EXIT_NO_DOMAIN)
			break;
	}
	json_decref(result);
	return code == EXIT_NO_DOMAIN ? EXIT_DONE : code;
}

static int sched(const struct invocation *invocation, const char *domain, json_t *params)
{
	static const char *const columns[] = {"Name", ">Weight", ">Cap", ">Warp", ">Warp limit", NULL};
	struct table *table = table_new(columns);
	json_t *facts = json_array();
	int code = domain ? sched_one(invocation, domain, json_incref(params), table, facts) :
			    sched_all(invocation, table, facts);

	if (code == EXIT_DONE && invocation->given[OPTION_JSON])
		print_json(domain ? json_array_get(facts, 0) : facts);
	if (code == EXIT_DONE && !invocation->given[OPTION_JSON])
		table_print(table);
	else
		table_drop(table);
	json_decref(facts);
	return code;
}

int verb_sched(const struct invocation *invocation)
{
	const char *domain = invocation->operands[0];
	json_t *params = domain ? json_pack("{s:s}", "domain", domain) : json_object();
	int code = EXIT_BAD_INPUT;

	if (add_sched(invocation, params)) {
		if (domain || json_object_size(params) == 0)
			code = sched(invocation, domain, params);
		else
			complain("sched: which domain? Write 'skink sched DOMAIN --weight 512'");
	}
	json_decref(params);
	return code;
}
