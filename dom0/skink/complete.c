/* SPDX-License-Identifier: MIT */
/*
 * What may stand as the word that is being typed: one candidate a line, or "<file>" or "<directory>" where the shell
 * knows better. The shell's part, completion.bash, is a few lines; all that there is to know about verbs is here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "lib/fault.h"
#include "message.h"
#include "units.h"
#include "verbs.h"

/* Who types waits: skinkd is quick, or there are no names. */
#define NAMES_S 1.0

struct completion {
	const struct invocation *invocation;	/* for the socket */
	char **words;				/* "skink" and what follows it */
	int at;					/* the word that is being typed */
	const char *begun;			/* what there is of it */
	const struct verb *verb;		/* or NULL: the word is before or at the verb */
	int verb_at;
};

static void offer(const struct completion *completion, const char *candidate)
{
	if (strncmp(candidate, completion->begun, strlen(completion->begun)) == 0)
		printf("%s\n", candidate);
}

static void offer_verbs(const struct completion *completion)
{
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verb->group)
			offer(completion, verb->name);
	}
}

static void offer_options(const struct completion *completion)
{
	char text[64];

	for (int option = 0; option < OPTION_COUNT; option++) {
		if (!(completion->verb->options >> option & 1))
			continue;
		snprintf(text, sizeof(text), "--%s", option_name(option));
		offer(completion, text);
	}
	offer(completion, "--help");
}

static void offer_domains(const struct completion *completion)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "list", .quiet = true,
				  .limit_s = NAMES_S};
	json_t *result;
	const json_t *domain;
	size_t index;

	if (ask(completion->invocation, &call, &result) != EXIT_DONE)
		return;
	json_array_foreach(json_object_get(result, "domains"), index, domain)
		offer(completion, text_of(domain, "name"));
	json_decref(result);
}

static bool is_option(const char *word, enum verb_option option)
{
	int letter = option_letter(option);

	return (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option_name(option)) == 0) ||
	       (letter && word[0] == '-' && word[1] == letter && !word[2]);
}

/* The option whose argument the word at that place is, or OPTION_COUNT. */
static int argument_of(const struct completion *completion, int at)
{
	for (int option = 0; at > completion->verb_at + 1 && option < OPTION_COUNT; option++) {
		if (completion->verb->options >> option & 1 && option_argument(option) &&
		    is_option(completion->words[at - 1], option))
			return option;
	}
	return OPTION_COUNT;
}

static void offer_argument(const struct completion *completion, int option)
{
	if (option == OPTION_SOCKET || option == OPTION_IMAGE)
		printf("<file>\n");
	for (const struct fault_class *class = fault_classes; option == OPTION_CLASS && class->name; class++)
		offer(completion, class->name);
	if (option == OPTION_FOR) {
		offer(completion, "running");
		offer(completion, "shutdown");
		offer(completion, "recovered");
	}
}

static int operands_before(const struct completion *completion)
{
	int count = 0;

	for (int i = completion->verb_at + 1; i < completion->at; i++)
		count += completion->words[i][0] != '-' && argument_of(completion, i) == OPTION_COUNT;
	return count;
}

static void offer_operand(const struct completion *completion)
{
	const struct verb *verb = completion->verb;
	int before = operands_before(completion);

	if (before >= verb->operands_most)
		return;
	/* Of vcpu-pin and the like the first operand alone is a domain; dump-core's second is a file. */
	if (verb->operand_kind == OPERAND_DOMAIN && before && verb->operands_most <= 3) {
		if (verb->run == verb_dump_core)
			printf("<file>\n");
		return;
	}
	if (verb->operand_kind == OPERAND_DOMAIN)
		offer_domains(completion);
	else if (verb->operand_kind == OPERAND_FILE)
		printf("<file>\n");
	else if (verb->operand_kind == OPERAND_DIRECTORY)
		printf("<directory>\n");
	else if (verb->operand_kind == OPERAND_VERB)
		offer_verbs(completion);
}

/* Options before the verb: --socket FILE, --socket=FILE, --json. */
static void find_verb(struct completion *completion, struct invocation *invocation)
{
	for (int i = 1; i < completion->at; i++) {
		const char *word = completion->words[i];

		if (is_option(word, OPTION_SOCKET) && i + 1 < completion->at) {
			invocation->socket = completion->words[++i];
		} else if (strncmp(word, "--socket=", 9) == 0) {
			invocation->socket = word + 9;
		} else if (word[0] != '-') {
			completion->verb = verb_find(word);
			completion->verb_at = i;
			return;
		}
	}
}

/* "vcpu" and the like: the second half of a verb's name. */
static void offer_pairs(const struct completion *completion)
{
	const char *first = completion->words[completion->verb_at];
	size_t length = strlen(first);

	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (strncmp(verb->name, first, length) == 0 && verb->name[length] == '-')
			offer(completion, verb->name + length + 1);
	}
}

static void find_pair(struct completion *completion)
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%s", completion->words[completion->verb_at],
		 completion->words[completion->verb_at + 1]);
	completion->verb = verb_find(name);
	completion->verb_at++;
}

static void complete(struct completion *completion)
{
	int option;

	if (!completion->verb_at && is_option(completion->words[completion->at - 1], OPTION_SOCKET)) {
		printf("<file>\n");
		return;
	}
	if (!completion->verb_at) {
		offer_verbs(completion);
		return;
	}
	if (!completion->verb && completion->at == completion->verb_at + 1) {
		offer_pairs(completion);
		return;
	}
	if (!completion->verb)
		find_pair(completion);
	if (!completion->verb)
		return;
	option = argument_of(completion, completion->at);
	if (option != OPTION_COUNT)
		offer_argument(completion, option);
	else if (completion->begun[0] == '-')
		offer_options(completion);
	else
		offer_operand(completion);
}

/* bash makes three words of --for=running: the middle one goes, or is the empty beginning of what is being typed. */
static void join_options(struct completion *completion)
{
	char **words = completion->words;

	for (int from = 1, to = 1;; from++) {
		bool between = words[from] && strcmp(words[from], "=") == 0 && strncmp(words[from - 1], "--", 2) == 0;

		if (between && from == completion->at)
			completion->begun = "";
		else if (between && from < completion->at)
			completion->at--;
		if (!between || from == completion->at)
			words[to++] = words[from];
		if (!words[from])
			return;
	}
}

int verb_complete(const struct invocation *invocation)
{
	struct invocation with_socket = *invocation;
	struct completion completion = {.invocation = &with_socket, .words = invocation->operands + 1};
	int count = invocation->operand_count - 1;
	uint64_t at;

	/* The word that is being typed may be the empty one at the end, which some shells leave out. */
	if (!parse_count(invocation->operands[0], 1, (uint64_t)(count > 0 ? count : 0), &at))
		return EXIT_BAD_INPUT;
	completion.at = (int)at;
	completion.begun = completion.words[at] ? completion.words[at] : "";
	join_options(&completion);
	find_verb(&completion, &with_socket);
	complete(&completion);
	return EXIT_DONE;
}
