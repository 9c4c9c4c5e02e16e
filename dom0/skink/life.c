/* SPDX-License-Identifier: MIT */
/* A domain pauses, ends, begins again; and what is asked of it from outside. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "lib/need.h"
#include "message.h"
#include "units.h"
#include "verbs.h"

#define WAIT_S		 60.0
#define WAIT_FOR_EVER_S	 (365.0 * 86400)
#define DUMP_S		 600.0

/* One request for one domain, and how it is told. */
struct deed {
	const struct invocation *invocation;
	const char *method;
	const char *domain;
	const char *meanwhile;
	json_t *more;			/* further parameters; NULL: none */
	bool may_wait;			/* the method knows `wait` */
	bool knows_timeout;		/* the method knows `timeout` */
	double timeout;			/* 0: it answers at once */
};

static int do_deed(const struct deed *deed, json_t **result)
{
	const struct invocation *invocation = deed->invocation;
	json_t *params = json_pack("{s:s}", "domain", deed->domain);
	char what[160];
	struct call call = {.method = deed->method, .what = what, .meanwhile = deed->meanwhile};

	json_object_update_missing(params, deed->more);
	json_decref(deed->more);

	snprintf(what, sizeof(what), "%s %s", invocation->verb->name, deed->domain);
	if (deed->may_wait)
		json_object_set_new(params, "wait", json_boolean(!invocation->given[OPTION_NO_WAIT]));
	if (deed->knows_timeout)
		json_object_set_new(params, "timeout", json_real(deed->timeout));
	call.params = params;
	call.limit_s = deed->timeout ? limit_for(deed->timeout) : 0;
	return ask(invocation, &call, result);
}

/* The fact as JSON, or a line that says it. */
static void tell(const struct invocation *invocation, json_t *result, const char *domain, const char *text)
{
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text(stdout, domain);
		printf(": ");
		print_text(stdout, text);
		putchar('\n');
	}
	json_decref(result);
}

typedef int for_one(const struct invocation *invocation, const char *domain);

/* All domains but Domain-0, by id. */
static int each_domain(const struct invocation *invocation, for_one *one)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "list"};
	json_t *result;
	const json_t *domain;
	size_t index;
	int code = ask(invocation, &call, &result), first = EXIT_DONE;

	if (code)
		return code;
	json_array_foreach(json_object_get(result, "domains"), index, domain) {
		if (number_of(domain, "id") == 0)
			continue;
		code = one(invocation, text_of(domain, "name"));
		if (code > EXIT_TIMED_OUT)
			return code;
		first = first ? first : code;
	}
	json_decref(result);
	return first;
}

/* Those that were named, one after the other; the first failure is how skink ends. */
static int each_operand(const struct invocation *invocation, for_one *one)
{
	int first = EXIT_DONE;

	if (invocation->given[OPTION_ALL])
		return each_domain(invocation, one);
	for (int i = 0; i < invocation->operand_count; i++) {
		int code = one(invocation, invocation->operands[i]);

		/* Unreachable or interrupted: the next would end the same way. */
		if (code >= EXIT_UNREACHABLE && code != EXIT_TIMED_OUT)
			return code;
		first = first ? first : code;
	}
	return first;
}

static int simple(const struct invocation *invocation, const char *domain, const char *done)
{
	struct deed deed = {.invocation = invocation, .method = invocation->verb->name, .domain = domain,
			    .meanwhile = "skinkd goes on: see 'skink list'"};
	json_t *result;
	int code = do_deed(&deed, &result);

	if (code == EXIT_DONE)
		tell(invocation, result, domain, done);
	return code;
}

static int destroy_one(const struct invocation *invocation, const char *domain)
{
	return simple(invocation, domain, "destroyed");
}

int verb_destroy(const struct invocation *invocation)
{
	return each_operand(invocation, destroy_one);
}

static int pause_one(const struct invocation *invocation, const char *domain)
{
	return simple(invocation, domain, "paused");
}

int verb_pause(const struct invocation *invocation)
{
	return each_operand(invocation, pause_one);
}

static int unpause_one(const struct invocation *invocation, const char *domain)
{
	return simple(invocation, domain, "running");
}

int verb_unpause(const struct invocation *invocation)
{
	return each_operand(invocation, unpause_one);
}

static int shutdown_one(const struct invocation *invocation, const char *domain)
{
	struct deed deed = {.invocation = invocation, .method = "shutdown", .domain = domain, .may_wait = true,
			    .knows_timeout = true,
			    .meanwhile = "it was asked to shut down and goes on with that: see 'skink list'"};
	const char *state;
	json_t *result;
	int code;

	if (!timeout_of(invocation, WAIT_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	code = do_deed(&deed, &result);
	if (code)
		return code;
	state = text_of(result, "state");
	if (strcmp(state, "asked") == 0)
		tell(invocation, result, domain, "asked to shut down");
	else if (strcmp(state, "gone") == 0)
		tell(invocation, result, domain, "shut down");
	else
		tell(invocation, result, domain, state);
	return EXIT_DONE;
}

int verb_shutdown(const struct invocation *invocation)
{
	return each_operand(invocation, shutdown_one);
}

static int reboot_one(const struct invocation *invocation, const char *domain)
{
	struct deed deed = {.invocation = invocation, .method = "reboot", .domain = domain, .may_wait = true,
			    .knows_timeout = true,
			    .meanwhile = "it was asked to reboot and goes on with that: see 'skink list'"};
	char text[64] = "asked to reboot";
	json_t *result, *again;
	int code;

	if (!timeout_of(invocation, WAIT_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	code = do_deed(&deed, &result);
	if (code)
		return code;
	again = json_object_get(result, "domain");
	if (json_is_object(again))
		snprintf(text, sizeof(text), "rebooted, its id is now %.0f", number_of(again, "id"));
	tell(invocation, result, domain, text);
	return EXIT_DONE;
}

int verb_reboot(const struct invocation *invocation)
{
	return each_operand(invocation, reboot_one);
}

int verb_wait(const struct invocation *invocation)
{
	const char *awaited = invocation->value[OPTION_FOR] ? invocation->value[OPTION_FOR] : "running";
	struct deed deed = {.invocation = invocation, .method = "wait", .domain = invocation->operands[0],
			    .knows_timeout = true};
	json_t *result;
	char *state;
	int code;

	if (strcmp(awaited, "running") && strcmp(awaited, "shutdown") && strcmp(awaited, "recovered")) {
		complain("--for: '%s' cannot be waited for: write running, shutdown or recovered", awaited);
		return EXIT_BAD_INPUT;
	}
	if (!timeout_of(invocation, WAIT_FOR_EVER_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	deed.more = json_pack("{s:s}", "for", awaited);
	code = do_deed(&deed, &result);
	if (code)
		return code;
	state = need_copy(text_of(result, "state"));
	tell(invocation, result, deed.domain, state);
	free(state);
	return EXIT_DONE;
}

int verb_sysrq(const struct invocation *invocation)
{
	const char *key = invocation->operands[1];
	struct deed deed = {.invocation = invocation, .method = "sysrq", .domain = invocation->operands[0],
			    .meanwhile = "the key may have been sent"};

	if (strlen(key) != 1) {
		complain("sysrq: '%s' is not a key: write one letter or digit, 'h' makes the guest list them", key);
		return EXIT_BAD_INPUT;
	}
	deed.more = json_pack("{s:s}", "key", key);
	return do_deed(&deed, NULL);
}

/* skinkd has a working directory of its own. */
static char *absolute(const char *file)
{
	char here[PATH_MAX];

	if (*file == '/' || !getcwd(here, sizeof(here)))
		return need_copy(file);
	return need_text("%s/%s", here, file);
}

int verb_dump_core(const struct invocation *invocation)
{
	struct deed deed = {.invocation = invocation, .method = "dump-core", .domain = invocation->operands[0],
			    .meanwhile = "skinkd goes on with it: see 'skink events'"};
	char size[UNITS_TEXT], *file = NULL, *text;
	json_t *result;
	int code;

	if (!timeout_of(invocation, DUMP_S, &deed.timeout))
		return EXIT_BAD_INPUT;
	if (invocation->operands[1])
		file = absolute(invocation->operands[1]);
	deed.more = json_pack("{s:s*}", "file", file);
	if (deed.more && invocation->given[OPTION_LIVE])
		json_object_set_new(deed.more, "live", json_true());
	free(file);
	if (!deed.more) {
		complain("dump-core: the file's name is not UTF-8: write another");
		return EXIT_BAD_INPUT;
	}
	code = do_deed(&deed, &result);
	if (code)
		return code;
	text = need_text("dumped to %s, %s", text_of(result, "file"),
			 format_size(size, count_of(result, "bytes")));
	tell(invocation, result, deed.domain, text);
	free(text);
	return EXIT_DONE;
}

int verb_autostart(const struct invocation *invocation)
{
	bool enable = !invocation->given[OPTION_DISABLE];
	struct deed deed = {.invocation = invocation, .method = "autostart", .domain = invocation->operands[0],
			    .more = json_pack("{s:b}", "enable", enable)};
	json_t *result;
	int code = do_deed(&deed, &result);

	if (code)
		return code;
	tell(invocation, result, deed.domain,
	     enable ? "will be started when the host boots" : "will not be started when the host boots");
	return EXIT_DONE;
}
