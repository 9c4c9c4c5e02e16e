/* SPDX-License-Identifier: MIT */
/*
 * skink: the command. What stands before the verb, then the verb.
 * The table of verbs is in verbs.c, the way to skinkd in client.c.
 */
#include <argp.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/need.h"
#include "message.h"
#include "verb.h"

/* What is found before the verb. */
struct beginning {
	const char *socket;
	bool json;
	int verb_at;			/* index into argv; 0: none */
};

static const struct argp_option options[] = {
	{"socket", 'S', "FILE", 0, "", 0},
	{"connect", 'c', "FILE", OPTION_ALIAS, "", 0},	/* virsh -c; xl has none */
	{"json", 'j', NULL, 0, "", 0},
	{"help", 'h', NULL, 0, "", 0},
	{NULL, '?', NULL, 0, "", 0},
	{"version", 'V', NULL, 0, "", 0},
	{0},
};

static void help_and_end(void)
{
	print_help();
	exit(output_flush() ? EXIT_DONE : EXIT_FAILED);
}

static error_t take(int key, char *argument, struct argp_state *state)
{
	struct beginning *beginning = state->input;

	switch (key) {
	case 'S':
	case 'c':
		beginning->socket = argument;
		return 0;
	case 'j':
		beginning->json = true;
		return 0;
	case 'h':
	case '?':
		help_and_end();
		return 0;
	case 'V':
		puts("skink, which speaks protocol 1 of skinkd; 'skink version' asks skinkd and the core for theirs");
		exit(output_flush() ? EXIT_DONE : EXIT_FAILED);
	case ARGP_KEY_ARG:
		/* The verb: the rest is its own. */
		beginning->verb_at = state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *socket_from_environment(void)
{
	const char *path = getenv("SKINK_SOCKET");

	return path && *path ? path : DEFAULT_SOCKET;
}

/* "vcpu list" is "vcpu-list", for each verb whose name begins like that. */
static const struct verb *find_pair(char **argv)
{
	char *name = need_text("%s-%s", argv[0], argv[1] ? argv[1] : "");
	const struct verb *verb = verb_find(name);

	free(name);
	return verb;
}

static int run(int argc, char **argv, const struct beginning *beginning)
{
	const struct verb *verb = verb_find(argv[0]);
	struct invocation invocation = {.socket = beginning->socket};
	int code;

	if (!verb) {
		verb = find_pair(argv);
		if (!verb) {
			verb_complain(argv[0]);
			return EXIT_BAD_INPUT;
		}
		argc--;
		argv++;
	}
	if (beginning->json && !(verb->options & TAKES(JSON))) {
		complain("%s prints no facts: leave --json out", verb->name);
		return EXIT_BAD_INPUT;
	}
	verb_parse(verb, argc, argv, &invocation);
	invocation.given[OPTION_JSON] |= beginning->json;
	code = verb->run(&invocation);
	free(invocation.operands);
	return output_flush() ? code : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.options = options, .parser = take};
	struct beginning beginning = {.socket = socket_from_environment()};

	setlocale(LC_CTYPE, "");
	/* A reader that has seen enough ends us in silence, whatever our parent thought of it. */
	signal(SIGPIPE, SIG_DFL);
	argp_err_exit_status = EXIT_BAD_INPUT;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &beginning) != 0)
		return EXIT_BAD_INPUT;
	if (!beginning.verb_at) {
		print_help();
		return EXIT_BAD_INPUT;
	}
	return run(argc - beginning.verb_at, argv + beginning.verb_at, &beginning);
}
