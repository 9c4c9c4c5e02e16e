/* SPDX-License-Identifier: MIT */
/* One request for one domain, or the same one for several. */
#include "deed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "lib/need.h"
#include "message.h"

#define WHAT_MAX 160

static json_t *params_of(const struct deed *deed, const char *domain)
{
	json_t *params = json_pack("{s:s}", "domain", domain);

	json_object_update_missing(params, deed->more);
	if (deed->may_wait)
		json_object_set_new(params, "wait", json_boolean(!deed->invocation->given[OPTION_NO_WAIT]));
	if (deed->knows_timeout)
		json_object_set_new(params, "timeout", json_real(deed->timeout));
	return params;
}

static struct call call_of(const struct deed *deed, const char *domain, const char *what)
{
	return (struct call){.method = deed->method, .params = params_of(deed, domain), .what = what,
			     .meanwhile = deed->meanwhile, .limit_s = deed->timeout ? limit_for(deed->timeout) : 0};
}

int deed_do(const struct deed *deed, json_t **result)
{
	char what[WHAT_MAX];
	struct call call;

	snprintf(what, sizeof(what), "%s %s", deed->invocation->verb->name, deed->domain);
	call = call_of(deed, deed->domain, what);
	json_decref(deed->more);
	return ask(deed->invocation, &call, result);
}

void deed_tell(const struct invocation *invocation, const char *domain, json_t *result, const char *text)
{
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text(stdout, domain);
		printf(": ");
		print_text(stdout, text);
		putchar('\n');
		fflush(stdout);
	}
	json_decref(result);
}

/* All domains but Domain-0, and what became of them. */
struct all {
	const struct deed *deed;
	deed_told *told;
	char **names;			/* by id */
	size_t count;
	size_t failed_at;		/* the first of those that failed; count: none did */
	int code;			/* of that one */
};

static int list_all(struct all *all)
{
	const struct call call = {.method = "list", .params = json_object(), .what = "list"};
	json_t *result, *domains;
	const json_t *domain;
	size_t index;
	int code = ask(all->deed->invocation, &call, &result);

	if (code)
		return code;
	domains = json_object_get(result, "domains");
	all->names = need_zeroed(json_array_size(domains) + 1, sizeof(*all->names));
	json_array_foreach(domains, index, domain) {
		const char *role = text_of(domain, "role");
		bool is_driver = strcmp(role, "net") == 0 || strcmp(role, "blk") == 0;

		if (number_of(domain, "id") != 0 && !(is_driver && all->deed->for_guests))
			all->names[all->count++] = need_copy(text_of(domain, "name"));
	}
	all->failed_at = all->count;
	json_decref(result);
	return EXIT_DONE;
}

static void one_ended(size_t at, int code, json_t *result, void *context)
{
	struct all *all = context;

	if (code == EXIT_DONE) {
		/* Answers come in any order: each says whose it is. */
		if (json_is_object(result))
			json_object_set_new(result, "name", json_string(all->names[at]));
		all->told(all->deed->invocation, all->names[at], result);
	} else if (at < all->failed_at) {
		all->failed_at = at;
		all->code = code;
	}
}

static int call_all(struct all *all, const char *what)
{
	struct call *calls = need_zeroed(all->count + 1, sizeof(*calls));
	struct client *client;
	int code = client_open(all->deed->invocation->socket, false, &client);

	if (code == EXIT_DONE) {
		for (size_t i = 0; i < all->count; i++)
			calls[i] = call_of(all->deed, all->names[i], what);
		code = client_call_each(client, calls, all->count, one_ended, all);
		client_close(client);
	}
	free(calls);
	return code ? code : all->code;
}

static int each_of_all(const struct deed *deed, deed_told *told)
{
	struct all all = {.deed = deed, .told = told};
	char what[WHAT_MAX];
	int code = list_all(&all);

	if (code)
		return code;
	snprintf(what, sizeof(what), "%s --all", deed->invocation->verb->name);
	if (all.count)
		code = call_all(&all, what);
	for (size_t i = 0; i < all.count; i++)
		free(all.names[i]);
	free(all.names);
	return code;
}

int deed_each(const struct deed *deed, deed_told *told)
{
	const struct invocation *invocation = deed->invocation;
	int first = EXIT_DONE;

	if (invocation->given[OPTION_ALL]) {
		first = each_of_all(deed, told);
		json_decref(deed->more);
		return first;
	}
	for (int i = 0; i < invocation->operand_count; i++) {
		struct deed one = *deed;
		json_t *result;
		int code;

		one.domain = invocation->operands[i];
		one.more = json_incref(deed->more);
		code = deed_do(&one, &result);
		if (code == EXIT_DONE)
			told(invocation, one.domain, result);
		/* Unreachable or interrupted: the next would end the same way. */
		first = first ? first : code;
		if (code >= EXIT_UNREACHABLE && code != EXIT_TIMED_OUT) {
			first = code;
			break;
		}
	}
	json_decref(deed->more);
	return first;
}
