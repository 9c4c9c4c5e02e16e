/* SPDX-License-Identifier: MIT */
/* Faults for a driver domain. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "lib/fault.h"
#include "message.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

#define FAULT_S 45.0		/* what one may take, with the restart before it */

static int list_classes(const struct invocation *invocation)
{
	static const char *const columns[] = { "Class", "Demanded", "Seen as", "What it does", NULL };
	struct table *table = table_new(columns);
	json_t *facts = json_array();

	for (const struct fault_class *one = fault_classes; one->name; one++) {
		const char *group = fault_group_name(one->group);

		table_cell(table, "%s", one->name);
		table_cell(table, "%s", group);
		table_cell(table, "%s", one->detector);
		table_cell(table, "%s", one->summary);
		json_array_append_new(facts, json_pack("{s:s, s:s, s:s, s:s}", "class", one->name, "group", group, "detector", one->detector,
						       "summary", one->summary));
	}
	if (invocation->given[OPTION_JSON]) {
		print_json(facts);
		table_drop(table);
	} else {
		table_print(table);
	}
	json_decref(facts);
	return EXIT_DONE;
}

/* A whole number, or one with a fraction, within bounds; false: it is none, and that has been said. */
static bool take_count(const struct invocation *invocation, enum verb_option option, uint64_t least, uint64_t most, uint64_t *value)
{
	const char *text = invocation->value[option];

	if (!text || parse_count(text, least, most, value))
		return true;
	complain("inject: --%s: '%s' is no number from %lu to %lu", option_name(option), text, least, most);
	return false;
}

static bool take_rate(const struct invocation *invocation, double *rate)
{
	const char *text = invocation->value[OPTION_RATE];
	char *end;

	if (!text)
		return true;
	*rate = strtod(text, &end);
	if (end != text && !*end && *rate >= FAULT_RATE_MIN && *rate <= FAULT_RATE_MAX)
		return true;
	complain("inject: --rate: '%s' is no number from %g to %g: write faults a second", text, FAULT_RATE_MIN, FAULT_RATE_MAX);
	return false;
}

static void print_fault(const char *domain, const json_t *fault)
{
	const json_t *activated = json_object_get(fault, "activated");
	const char *old = text_of(fault, "old"), *outcome = text_of(fault, "outcome");

	print_text(stdout, domain);
	printf(": %s, seed %.0f: ", text_of(fault, "class"), number_of(fault, "seed"));
	if (strcmp(outcome, "injected")) {
		printf("%s\n", strcmp(outcome, "no-target") == 0 ? "this driver has nothing that could be changed so" :
		       strcmp(outcome, "not-injected") == 0 ? "it did not come by as it would have to: nothing was changed" :
							       "it ended or was reset meanwhile");
		return;
	}
	if (*old)
		printf("%s %s%s%s -> %s ", text_of(fault, "symbol"), text_of(fault, "location"), *text_of(fault, "location") ? " " : "", old,
		       text_of(fault, "new"));
	printf("(%s%s%s)\n", json_is_true(activated) ? "activated" : json_is_false(activated) ? "not activated" :
	       "not known whether activated", *text_of(fault, "how") ? ": " : "", text_of(fault, "how"));
}

/* Each was injected, or it is a failure: a class without targets has not been passed. */
static int print_result(const struct invocation *invocation, const json_t *result)
{
	const json_t *faults = json_object_get(result, "faults"), *fault;
	const char *error = text_of(result, "error");
	int code = EXIT_DONE;
	size_t i;

	if (invocation->given[OPTION_JSON])
		print_json(result);
	json_array_foreach(faults, i, fault) {
		if (!invocation->given[OPTION_JSON])
			print_fault(invocation->operands[0], fault);
		if (strcmp(text_of(fault, "outcome"), "injected"))
			code = EXIT_FAILED;
	}
	if (!*error)
		return code;
	complain("inject %s: %s", invocation->operands[0], error);
	return EXIT_FAILED;
}

static int inject(const struct invocation *invocation)
{
	uint64_t count = 1, seed = 0;
	double rate = 1;
	struct call call = { .method = "inject", .what = "inject", .meanwhile = "skinkd goes on" };
	json_t *result;
	int code;

	if (!take_count(invocation, OPTION_FAULTS, 1, FAULT_COUNT_MAX, &count) ||
	    !take_count(invocation, OPTION_SEED, 0, INT64_MAX, &seed) || !take_rate(invocation, &rate))
		return EXIT_BAD_INPUT;
	call.params = json_pack("{s:s, s:s, s:I, s:I, s:f}", "domain", invocation->operands[0], "class", invocation->value[OPTION_CLASS],
				"count", (json_int_t)count, "seed", (json_int_t)seed, "rate", rate);
	call.limit_s = (double)count * (FAULT_S + 1 / rate);
	code = ask(invocation, &call, &result);
	if (code)
		return code;
	code = print_result(invocation, result);
	json_decref(result);
	return code;
}

int verb_inject(const struct invocation *invocation)
{
	if (invocation->given[OPTION_LIST_CLASSES])
		return list_classes(invocation);
	if (!invocation->operands[0] || !invocation->value[OPTION_CLASS]) {
		complain("inject: which driver domain, and which class? Write 'skink inject DOMAIN --class crash'; 'skink inject --list-classes' "
			 "lists the classes");
		return EXIT_BAD_INPUT;
	}
	return inject(invocation);
}
