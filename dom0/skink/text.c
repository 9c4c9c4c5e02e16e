/* SPDX-License-Identifier: MIT */
/* What was said: by the core, by a guest's console, and what happened. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "message.h"
#include "tty.h"
#include "units.h"
#include "verbs.h"

/* A guest may have written zero bytes. */
static void print_lines(const json_t *string)
{
	size_t length = json_string_length(string);

	if (length == 0)
		return;
	print_text_of(stdout, json_string_value(string), length);
	if (json_string_value(string)[length - 1] != '\n')
		putchar('\n');
}

/* One field of the answer is a text: it, or all of the answer as JSON. */
static int show_field(const struct invocation *invocation, const struct call *call, const char *field)
{
	json_t *result;
	int code = ask(invocation, call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON])
		print_json(result);
	else
		print_lines(json_object_get(result, field));
	json_decref(result);
	return EXIT_DONE;
}

int verb_dmesg(const struct invocation *invocation)
{
	const struct call call = {.method = "dmesg", .params = json_object(), .what = "dmesg"};

	return show_field(invocation, &call, "text");
}

int verb_dumpxml(const struct invocation *invocation)
{
	const struct call call = {.method = "dumpxml", .what = "dumpxml",
				  .params = json_pack("{s:s}", "domain", invocation->operands[0])};

	return show_field(invocation, &call, "xml");
}

/* --lines. False: not a number, and that has been said. */
static bool add_lines(const struct invocation *invocation, json_t *params, const char *key)
{
	const char *text = invocation->value[OPTION_LINES];
	uint64_t count;

	if (!text)
		return true;
	if (!parse_count(text, 0, 1000000, &count)) {
		complain("--lines: '%s' is not a number of lines: write one from 0 to 1000000", text);
		return false;
	}
	json_object_set_new(params, key, json_integer((json_int_t)count));
	return true;
}

int verb_logs(const struct invocation *invocation)
{
	json_t *params = json_pack("{s:s}", "domain", invocation->operands[0]);
	const struct call call = {.method = "logs", .params = params, .what = "logs"};

	if (add_lines(invocation, params, "lines"))
		return show_field(invocation, &call, "text");
	json_decref(params);
	return EXIT_BAD_INPUT;
}

static enum colour kind_colour(const char *kind)
{
	if (strcmp(kind, "crashed") == 0 || strcmp(kind, "failed") == 0)
		return RED;
	return strcmp(kind, "created") == 0 || strcmp(kind, "rebooted") == 0 ? GREEN : PLAIN;
}

static int milliseconds_of(double seconds)
{
	return seconds > 0 && seconds < 0x1p52 ? (int)((seconds - (double)(uint64_t)seconds) * 1000) : 0;
}

static void print_event(const json_t *event)
{
	double seconds = number_of(event, "time");
	time_t whole = (time_t)count_of(event, "time");
	const char *kind = text_of(event, "kind"), *domain = text_of(event, "domain");
	enum colour painted = kind_colour(kind);
	struct tm local;
	char time[64] = "?";

	if (localtime_r(&whole, &local))
		strftime(time, sizeof(time), "%F %T", &local);
	printf("%s.%03d  %s", time, milliseconds_of(seconds), painted ? colour(stdout, painted) : "");
	print_text(stdout, kind);
	printf("%s  ", painted ? colour(stdout, PLAIN) : "");
	if (*domain) {
		print_text(stdout, domain);
		printf(": ");
	}
	print_text(stdout, text_of(event, "text"));
	putchar('\n');
}

static bool show_event(const json_t *event, void *context)
{
	const struct invocation *invocation = context;

	if (invocation->given[OPTION_JSON])
		print_json_line(event);
	else
		print_event(event);
	return fflush(stdout) == 0;
}

/* An event a line, as JSON too: so the past and what follows read alike. */
static void show_events(const struct invocation *invocation, const json_t *result)
{
	const json_t *event;
	size_t index;

	json_array_foreach(json_object_get(result, "events"), index, event)
		show_event(event, (void *)invocation);
}

int verb_events(const struct invocation *invocation)
{
	bool follow = invocation->given[OPTION_FOLLOW];
	json_t *params = json_pack("{s:b}", "follow", follow), *result;
	struct call call = {.method = "events", .params = params, .what = "events"};
	struct client *client;
	int code;

	if (!add_lines(invocation, params, "count")) {
		json_decref(params);
		return EXIT_BAD_INPUT;
	}
	code = client_open(invocation->socket, false, &client);
	if (code) {
		json_decref(params);
		return code;
	}
	code = client_call(client, &call, &result);
	if (code == EXIT_DONE) {
		show_events(invocation, result);
		json_decref(result);
		if (follow)
			code = client_follow(client, &call, show_event, (void *)invocation);
	}
	client_close(client);
	return code;
}
