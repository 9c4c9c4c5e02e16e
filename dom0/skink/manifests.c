/* SPDX-License-Identifier: MIT */
/*
 * Manifests: what would they change, change it. Whether they are right is another program's to say (validate.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "files.h"
#include "lib/need.h"
#include "message.h"
#include "verbs.h"

#define APPLY_S 600.0

/* {"files": [{"file": ..., "xml": ...}], "prune": ..., "restart": ...}; NULL: it has been said why not. */
static json_t *read_files(char **names, json_t *files)
{
	for (size_t i = 0; names[i]; i++) {
		char *text;
		json_t *file;

		if (!files_read(names[i], &text))
			return NULL;
		file = json_pack("{s:s, s:s}", "file", names[i], "xml", text);
		free(text);
		if (!file) {
			complain("%s: its name is not UTF-8: rename it", names[i]);
			return NULL;
		}
		json_array_append_new(files, file);
	}
	return files;
}

static json_t *params_of(const struct invocation *invocation)
{
	const char *path = invocation->operands[0] ? invocation->operands[0] : DOMAINS_DIRECTORY;
	json_t *files = json_array(), *params = NULL;
	char **names;
	size_t count;

	if (files_of(path, &names, &count)) {
		if (read_files(names, files))
			params = json_pack("{s:O, s:b, s:b}", "files", files, "prune",
					   invocation->given[OPTION_PRUNE], "restart",
					   invocation->given[OPTION_RESTART]);
		files_free(names);
	}
	json_decref(files);
	return params;
}

static const struct action_row {
	const char *action;
	const char *sign;
	enum colour colour;
} actions[] = {
	{"create", "+", GREEN}, {"change", "~", YELLOW}, {"restart", "!", RED}, {"record", "~", PLAIN},
	{"destroy", "-", RED},	{"keep", "=", FAINT},	 {"blocked", "?", YELLOW},
};

static const struct action_row *action_of(const json_t *step)
{
	static const struct action_row unknown = {"", " ", PLAIN};
	const char *action = text_of(step, "action");

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (strcmp(action, actions[i].action) == 0)
			return &actions[i];
	}
	return &unknown;
}

static const char *or_nothing(const char *text)
{
	return *text ? text : "(nothing)";
}

static void print_change(const json_t *change)
{
	const char *how = text_of(change, "how");

	printf("    ");
	print_text(stdout, text_of(change, "field"));
	printf(": ");
	print_text(stdout, or_nothing(text_of(change, "from")));
	printf(" -> ");
	print_text(stdout, or_nothing(text_of(change, "to")));
	if (strcmp(how, "restart") == 0)
		printf(" (by a restart)");
	putchar('\n');
}

static void print_step(const json_t *step)
{
	const struct action_row *row = action_of(step);
	const json_t *change;
	size_t index;

	printf("%s%s %-8s ", colour(stdout, row->colour), row->sign, text_of(step, "action"));
	print_text(stdout, text_of(step, "domain"));
	fputs(colour(stdout, PLAIN), stdout);
	if (*text_of(step, "note")) {
		printf(": ");
		print_text(stdout, text_of(step, "note"));
	}
	if (*text_of(step, "error")) {
		printf(": %sfailed: ", colour(stdout, RED));
		print_text(stdout, text_of(step, "error"));
		fputs(colour(stdout, PLAIN), stdout);
	} else if (json_is_false(json_object_get(step, "done")) && strcmp(row->action, "keep") != 0 &&
		   strcmp(row->action, "blocked") != 0) {
		printf(": not done");
	}
	putchar('\n');
	json_array_foreach(json_object_get(step, "changes"), index, change)
		print_change(change);
}

static void print_steps(const struct invocation *invocation, const json_t *steps)
{
	const json_t *step;
	size_t index, to_do = 0;

	json_array_foreach(steps, index, step) {
		if (json_is_object(step))
			print_step(step);
		to_do += strcmp(text_of(step, "action"), "keep") != 0;
	}
	if (to_do == 0)
		printf("Nothing to do: the host is as the manifests say.\n");
	else if (strcmp(invocation->verb->name, "plan") == 0)
		printf("Nothing has been changed: 'skink apply' does it.\n");
}

/* An error's further data: the steps of an apply that went wrong, or lines about bad manifests. */
static void show_error_data(const struct invocation *invocation, const json_t *data)
{
	bool steps = json_is_object(json_array_get(data, 0));

	if (steps && invocation->given[OPTION_JSON])
		print_json(data);
	else if (steps)
		print_steps(invocation, data);
	else
		note_lines(data, "");
}

static int plan_or_apply(const struct invocation *invocation, double limit, const char *meanwhile)
{
	json_t *params = params_of(invocation), *result, *data = NULL;
	const struct call call = {.method = invocation->verb->name, .params = params,
				  .what = invocation->verb->name, .meanwhile = meanwhile, .limit_s = limit,
				  .until_begun = invocation->given[OPTION_NO_WAIT], .error_data = &data};
	int code;

	if (!params)
		return EXIT_BAD_INPUT;
	code = ask(invocation, &call, &result);
	if (code == EXIT_DONE) {
		note_lines(json_object_get(result, "warnings"), "");
		if (invocation->given[OPTION_JSON])
			print_json(result);
		else if (!json_is_null(result))
			print_steps(invocation, json_object_get(result, "steps"));
		json_decref(result);
	} else if (data) {
		show_error_data(invocation, data);
	}
	json_decref(data);
	return code;
}

int verb_plan(const struct invocation *invocation)
{
	return plan_or_apply(invocation, CLIENT_LIMIT_S, NULL);
}

int verb_apply(const struct invocation *invocation)
{
	double limit;

	if (!timeout_of(invocation, APPLY_S, &limit))
		return EXIT_BAD_INPUT;
	return plan_or_apply(invocation, limit,
			     "skinkd goes on with all of its steps: see 'skink events', and 'skink plan' for what is "
			     "left");
}
