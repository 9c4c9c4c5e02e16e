/* SPDX-License-Identifier: MIT */
/*
 * The verbs: one table, from which dispatch, help, completion and the suggestion after a slip of the pen come.
 *
 *   skink [--socket FILE] VERB [OPTION...] [OPERAND...]
 *     main.c      options before the verb; finds the verb
 *     parse.c     its options and operands, by argp, into a struct invocation
 *     verbs.c     the table: verb->run(invocation) returns how skink ends
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exit.h"

/* All options that there are; a verb takes some of them. The texts are in parse.c, in this order. */
enum verb_option {
	OPTION_JSON,
	OPTION_SOCKET,
	OPTION_CONSOLE,
	OPTION_PAUSED,
	OPTION_TIMEOUT,
	OPTION_NO_WAIT,
	OPTION_WAIT,
	OPTION_ALL,
	OPTION_ESCAPE,
	OPTION_FOLLOW,
	OPTION_LINES,
	OPTION_BATCH,
	OPTION_ITERATIONS,
	OPTION_DELAY,
	OPTION_PRUNE,
	OPTION_RESTART,
	OPTION_WEIGHT,
	OPTION_CAP,
	OPTION_WARP,
	OPTION_WARP_LIMIT,
	OPTION_DISABLE,
	OPTION_FOR,
	OPTION_LIVE,
	OPTION_FORCE,
	OPTION_FOR_GOOD,
	OPTION_WRITE,
	OPTION_PACKETS,
	OPTION_ALL_DRIVERS,
	OPTION_DUMP_CORE,
	OPTION_CLASS,
	OPTION_FAULTS,
	OPTION_SEED,
	OPTION_RATE,
	OPTION_LIST_CLASSES,
	OPTION_CSV,
	OPTION_IMAGE,
	OPTION_VERBOSE,
	OPTION_COUNT
};

#define DEFAULT_SOCKET "/run/skink/skinkd.sock"

#define TAKES(option) (1UL << OPTION_##option)

/* What the operands name: for completion. */
enum operand_kind { OPERAND_NONE, OPERAND_DOMAIN, OPERAND_FILE, OPERAND_DIRECTORY, OPERAND_VERB };

struct verb;

struct invocation {
	const struct verb *verb;
	const char *socket;
	bool given[OPTION_COUNT];
	const char *value[OPTION_COUNT];	/* NULL for options that have none */
	char **operands;			/* ends with NULL */
	int operand_count;
};

struct verb {
	const char *name;
	const char *group;		/* a heading of `skink help`; NULL: not listed there */
	const char *operands;		/* as in the usage line */
	int operands_least, operands_most;
	enum operand_kind operand_kind;
	unsigned long options;		/* TAKES(), or'ed; JSON and SOCKET only where they mean something */
	int (*run)(const struct invocation *invocation);
	const char *summary;		/* one line */
	const char *doc;		/* more, for `skink VERB --help`; may be NULL */
};

extern const struct verb verbs[];	/* ends with a row without a name */

/* Other words for a verb, from xl and virsh; and words of theirs that Skink has no verb for, with what to do instead. */
struct other_word {
	const char *word;
	const char *verb;		/* or NULL: see instead */
	const char *instead;
};

extern const struct other_word other_words[];

/* By name or other word; NULL when there is none of it. */
const struct verb *verb_find(const char *word);

/* Says that there is no such verb, and which may have been meant. */
void verb_complain(const char *word);

/* argp: says what is wrong and exits by itself. argv[0] is "skink", and argv[1] is the first after the verb. */
void verb_parse(const struct verb *verb, int argc, char **argv, struct invocation *invocation);

/* `skink VERB --help`, and ends. */
void verb_help(const struct verb *verb);

/* "--json", "-c", "NAME": for completion. */
const char *option_name(enum verb_option option);
int option_letter(enum verb_option option);		/* or 0 */
const char *option_argument(enum verb_option option);	/* or NULL */

/* `skink help`. */
void print_help(void);
