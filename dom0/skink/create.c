/* SPDX-License-Identifier: MIT */
/*
 * A domain begins. With its console open, nothing that it says is missed: it is built paused, the console is opened, then
 * it runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "console.h"
#include "files.h"
#include "lib/need.h"
#include "message.h"
#include "verbs.h"

#define CREATE_S 120.0

/* A name without a slash that is no file here is that of a manifest where skinkd keeps them. */
static char *find_manifest(const char *operand)
{
	char *path;

	if (strchr(operand, '/') || files_exist(operand))
		return need_copy(operand);
	path = need_text(DOMAINS_DIRECTORY "/%s.xml", operand);
	if (files_exist(path))
		return path;
	free(path);
	return need_copy(operand);
}

static json_t *params_of(const struct invocation *invocation, const char *file)
{
	char *text;
	json_t *params;
	bool paused = invocation->given[OPTION_PAUSED] || invocation->given[OPTION_CONSOLE];

	if (!files_read(file, &text))
		return NULL;
	params = json_pack("{s:s, s:s, s:b}", "xml", text, "file", file, "paused", paused);
	if (!params)
		complain("%s: its name is not UTF-8: rename it", file);
	free(text);
	return params;
}

static void tell(const struct invocation *invocation, const json_t *result)
{
	const json_t *domain = json_object_get(result, "domain");

	note_lines(json_object_get(result, "warnings"), "");
	if (invocation->given[OPTION_CONSOLE])
		return;
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else if (json_is_object(domain)) {
		print_text(stdout, text_of(domain, "name"));
		printf(": %s, its id is %.0f\n", invocation->given[OPTION_PAUSED] ? "paused" : "running",
		       number_of(domain, "id"));
	} else {
		printf("being created: see 'skink list'\n");
	}
}

/* The domain by its id: its name may be another's by now. */
static int unpause(struct client *client, const json_t *domain)
{
	const struct call call = {.method = "unpause", .what = "unpause",
				  .params = json_pack("{s:I}", "domain", (json_int_t)count_of(domain, "id"))};

	return client_call(client, &call, NULL);
}

static int create_with_console(const struct invocation *invocation, struct client *client, const json_t *result)
{
	const json_t *domain = json_object_get(result, "domain");
	struct console console;
	int code = console_open(client, text_of(domain, "uuid"), text_of(domain, "name"), &console);

	if (code) {
		note("%s is there, and paused: 'skink unpause %s' lets it run", text_of(domain, "name"),
		     text_of(domain, "name"));
		return code;
	}
	console.escape = console_escape(invocation->value[OPTION_ESCAPE]);
	if (!invocation->given[OPTION_PAUSED])
		code = unpause(client, domain);
	return code ? code : console_run(&console);
}

static int create(const struct invocation *invocation, struct call *call)
{
	struct client *client;
	json_t *result;
	int code = client_open(invocation->socket, false, &client);

	if (code) {
		json_decref(call->params);
		return code;
	}
	code = client_call(client, call, &result);
	if (code == EXIT_DONE) {
		tell(invocation, result);
		if (invocation->given[OPTION_CONSOLE])
			code = create_with_console(invocation, client, result);
		json_decref(result);
	}
	client_close(client);
	return code;
}

static bool options_agree(const struct invocation *invocation)
{
	const char *escape = invocation->value[OPTION_ESCAPE];

	if (invocation->given[OPTION_CONSOLE] && invocation->given[OPTION_JSON])
		complain("create: --console and --json do not go together: write one of them");
	else if (invocation->given[OPTION_CONSOLE] && invocation->given[OPTION_NO_WAIT])
		complain("create: --console and --no-wait do not go together: write one of them");
	else if (escape && console_escape(escape) < 0)
		complain("--escape: '%s' is not a key: write '^]' or '^A'", escape);
	else
		return true;
	return false;
}

int verb_create(const struct invocation *invocation)
{
	char *file = find_manifest(invocation->operands[0]), *what = need_text("create %s", file);
	struct call call = {.method = "create", .what = what, .until_begun = invocation->given[OPTION_NO_WAIT],
			    .meanwhile = "skinkd goes on with it: see 'skink list'; 'skink destroy' takes it back"};
	double limit;
	int code = EXIT_BAD_INPUT;

	if (options_agree(invocation) && timeout_of(invocation, CREATE_S, &limit)) {
		call.limit_s = limit;
		call.params = params_of(invocation, file);
		if (call.params)
			code = create(invocation, &call);
	}
	free(what);
	free(file);
	return code;
}
