/* SPDX-License-Identifier: MIT */
/* A verb's options and operands, by argp. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/need.h"
#include "message.h"
#include "verb.h"

struct option_row {
	const char *name;
	int letter;
	const char *argument;
	const char *doc;
};

static const struct option_row rows[OPTION_COUNT] = {
	[OPTION_JSON] = {"json", 'j', NULL, "Print facts as JSON"},
	[OPTION_SOCKET] = {"socket", 'S', "FILE", "Where skinkd listens (else SKINK_SOCKET, else " DEFAULT_SOCKET ")"},
	[OPTION_CONSOLE] = {"console", 'c', NULL, "Open its console at once; Ctrl-] leaves it"},
	[OPTION_PAUSED] = {"paused", 'p', NULL, "Leave it paused: 'skink unpause' lets it run"},
	[OPTION_TIMEOUT] = {"timeout", 't', "TIME", "Give up waiting after TIME (30, 90s, 5m) with exit code 6"},
	[OPTION_NO_WAIT] = {"no-wait", 'W', NULL, "Do not wait until it is done"},
	[OPTION_WAIT] = {"wait", 'w', NULL, "Wait until it is done: what skink does anyway"},
	[OPTION_ALL] = {"all", 'a', NULL, "All domains but Domain-0; to shut down or reboot, all guests"},
	[OPTION_ESCAPE] = {"escape", 'e', "CHAR", "The key that leaves the console, as in '^]'"},
	[OPTION_FOLLOW] = {"follow", 'f', NULL, "Go on with what happens from now on, until Ctrl-C"},
	[OPTION_LINES] = {"lines", 'n', "COUNT", "Only the last COUNT"},
	[OPTION_BATCH] = {"batch", 'b', NULL, "Print and go on, without keys and redrawing"},
	[OPTION_ITERATIONS] = {"iterations", 'n', "COUNT", "End after COUNT samples"},
	[OPTION_DELAY] = {"delay", 'd', "TIME", "From one sample to the next (3s)"},
	[OPTION_PRUNE] = {"prune", 0, NULL, "Destroy guests that no manifest there describes"},
	[OPTION_RESTART] = {"restart", 0, NULL, "Destroy domains that cannot be changed while they run, and create them anew"},
	[OPTION_WEIGHT] = {"weight", 'w', "N", "Share of CPU time: 1 to 65535, 256 is usual"},
	[OPTION_CAP] = {"cap", 'c', "PERCENT", "At most that much of one CPU; 0 is no cap"},
	[OPTION_WARP] = {"warp", 0, "US", "Microseconds that a waking vcpu runs ahead of its turn; 0 is none"},
	[OPTION_WARP_LIMIT] = {"warp-limit", 0, "US", "Microseconds it may run warped at a stretch; 0 is no limit"},
	[OPTION_DISABLE] = {"disable", 0, NULL, "Do not start it when Dom0 boots"},
	[OPTION_FOR] = {"for", 0, "STATE", "running, shutdown or recovered"},
	[OPTION_LIVE] = {"live", 'L', NULL, "Let it run meanwhile: its memory is then of no one instant"},
	[OPTION_FORCE] = {"force", 0, NULL, "Also if somebody still uses it"},
	[OPTION_FOR_GOOD] = {"for-good", 0, NULL, "Do not start them again, whatever their manifests say"},
	[OPTION_WRITE] = {"write", 'w', "FILE", "Where to; - is standard output"},
	[OPTION_ALL_DRIVERS] = {"all-drivers", 'A', NULL, "All driver domains, one after the other, up to the first that fails"},
	[OPTION_DUMP_CORE] = {"dump-core", 'd', NULL, "Write a core file of it first: it is paused meanwhile, and its guests wait"},
	[OPTION_PACKETS] = {"count", 'c', "COUNT", "End after COUNT packets"},
	[OPTION_CLASS] = {"class", 'c', "CLASS", "Which kind of fault"},
	[OPTION_FAULTS] = {"count", 'n', "COUNT", "So many, one after the other (1)"},
	[OPTION_SEED] = {"seed", 's', "NUMBER", "What the first one's place is chosen by; the next has one more (0)"},
	[OPTION_RATE] = {"rate", 'r', "NUMBER", "So many a second, if the driver serves again by then (1)"},
	[OPTION_LIST_CLASSES] = {"list-classes", 'l', NULL, "What kinds there are"},
	[OPTION_IMAGE] = {"image", 'i', "FILE", "The image that is to run"},
	[OPTION_VERBOSE] = {"verbose", 'v', NULL, "Also whom it served, and what stood in their rings and in its ledger"},
	[OPTION_CSV] = {"csv", 0, NULL, "Print facts as comma-separated values, with a line of names"},
};

const char *option_name(enum verb_option option)
{
	return rows[option].name;
}

int option_letter(enum verb_option option)
{
	return rows[option].letter;
}

const char *option_argument(enum verb_option option)
{
	return rows[option].argument;
}

/* argp tells options apart by their letter, which is unique within a verb, or by a number beyond all letters. */
static int key_of(enum verb_option option)
{
	return rows[option].letter ? rows[option].letter : 256 + (int)option;
}

static bool takes(const struct verb *verb, enum verb_option option)
{
	return verb->options >> option & 1;
}

static void take_operand(struct argp_state *state, char *operand)
{
	struct invocation *invocation = state->input;
	const struct verb *verb = invocation->verb;

	if (invocation->operand_count == verb->operands_most)
		argp_error(state, "'%s' is one too many: write 'skink %s%s%s'", operand, verb->name,
			   verb->operands ? " " : "", verb->operands ? verb->operands : "");
	invocation->operands[invocation->operand_count++] = operand;
}

static void check_operands(struct argp_state *state)
{
	const struct invocation *invocation = state->input;
	const struct verb *verb = invocation->verb;
	bool needs_none = invocation->given[OPTION_ALL] || invocation->given[OPTION_ALL_DRIVERS];

	if (invocation->operand_count < verb->operands_least && !needs_none)
		argp_error(state, "something is missing: write 'skink %s %s'", verb->name, verb->operands);
	if (needs_none && invocation->operand_count)
		argp_error(state, "--%s and '%s' do not go together: write one of them", option_name(invocation->given[OPTION_ALL] ?
			   OPTION_ALL : OPTION_ALL_DRIVERS), invocation->operands[0]);
}

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct invocation *invocation = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		return 0;
	case ARGP_KEY_ARG:
		take_operand(state, argument);
		return 0;
	case ARGP_KEY_END:
		check_operands(state);
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	}
	for (int option = 0; option < OPTION_COUNT; option++) {
		if (takes(invocation->verb, option) && key == key_of(option)) {
			invocation->given[option] = true;
			invocation->value[option] = argument;
			return 0;
		}
	}
	return ARGP_ERR_UNKNOWN;
}

static void fill_options(const struct verb *verb, struct argp_option *options)
{
	*options++ = (struct argp_option){.key = 'h', .flags = OPTION_HIDDEN};
	for (int option = 0; option < OPTION_COUNT; option++) {
		const struct option_row *row = &rows[option];

		if (takes(verb, option))
			*options++ = (struct argp_option){.name = row->name, .key = key_of(option),
							  .arg = row->argument, .doc = row->doc};
	}
	*options = (struct argp_option){0};
}

void verb_parse(const struct verb *verb, int argc, char **argv, struct invocation *invocation)
{
	struct argp_option options[OPTION_COUNT + 2];
	char *name = need_text("skink %s", verb->name);
	char *doc = need_text("%s.\v%s", verb->summary, verb->doc ? verb->doc : "");
	struct argp argp = {.options = options, .parser = take, .args_doc = verb->operands, .doc = doc};

	fill_options(verb, options);
	invocation->verb = verb;
	invocation->operands = need_zeroed((size_t)argc + 1, sizeof(char *));
	/* argp names the program in usage lines by argv[0], and in its errors too. */
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, invocation) != 0)
		exit(EXIT_BAD_INPUT);
	free(doc);
	free(name);
	if (invocation->value[OPTION_SOCKET])
		invocation->socket = invocation->value[OPTION_SOCKET];
}

void verb_help(const struct verb *verb)
{
	char first[] = "skink", second[] = "--help";
	char *argv[] = {first, second, NULL};
	struct invocation invocation = {0};

	verb_parse(verb, 2, argv, &invocation);
}
