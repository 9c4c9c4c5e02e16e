/* SPDX-License-Identifier: MIT */
/* `skink help`. */
#include <stdio.h>
#include <string.h>

#include "message.h"
#include "verbs.h"

void print_help(void)
{
	const char *group = "";

	printf("Usage: skink [--socket FILE] VERB [OPTION...] [OPERAND...]\n");
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (!verb->group)
			continue;
		if (strcmp(group, verb->group) != 0)
			printf("\n%s%s%s\n", colour(stdout, BOLD), verb->group, colour(stdout, PLAIN));
		group = verb->group;
		printf("  %-10s %-17s %s\n", verb->name, verb->operands ? verb->operands : "", verb->summary);
	}
	printf("\n'skink help VERB' or 'skink VERB --help' tells more; the manual is skink(1).\n"
	       "Exit codes: 0 done, 1 failed, 2 bad manifest or usage, 3 no such domain, 4 not allowed,\n"
	       "5 skinkd not reachable, 6 timed out, 130 interrupted.\n");
}

int verb_show_help(const struct invocation *invocation)
{
	const char *word = invocation->operands[0];
	const struct verb *verb = word ? verb_find(word) : NULL;

	if (!word) {
		print_help();
		return EXIT_DONE;
	}
	if (!verb) {
		verb_complain(word);
		return EXIT_BAD_INPUT;
	}
	verb_help(verb);
	return EXIT_DONE;
}
