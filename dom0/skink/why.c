/* SPDX-License-Identifier: MIT */
/* What happened last to a domain, and what was done about it. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "client.h"
#include "exit.h"
#include "message.h"
#include "show.h"
#include "verbs.h"

static void print_lines(const json_t *lines, const char *before)
{
	const json_t *line;
	size_t index;

	json_array_foreach(lines, index, line) {
		printf("%s", before);
		print_text(stdout, json_string_value(line) ? json_string_value(line) : "");
		putchar('\n');
	}
}

static void print_trace(const json_t *death)
{
	const json_t *step;
	size_t index;

	if (!json_array_size(json_object_get(death, "backtrace")))
		return;
	puts("\nBack trace ('?': it stood on the stack, and no frame shows that it was called from there)");
	json_array_foreach(json_object_get(death, "backtrace"), index, step) {
		printf("  %s %c ", text_of(step, "address"), flag_of(step, "guess") ? '?' : ' ');
		print_text(stdout, text_of(step, "at"));
		putchar('\n');
	}
}

/* As they were when it was written. */
static void print_served(const json_t *death)
{
	const json_t *attachments = json_object_get(death, "attachments"), *ring;
	size_t index;

	if (!json_array_size(attachments))
		return;
	puts("\nWhom it served");
	print_attachments(attachments);
	puts("\nTheir rings, and what its ledger said of each");
	json_array_foreach(json_object_get(death, "rings"), index, ring)
		print_ring(ring);
}

static void print_aside(const json_t *list)
{
	const json_t *one;
	size_t index;

	json_array_foreach(list, index, one) {
		printf("%s of %s is set aside, and its guest waits: request %.0f of ring %.0f ended %.0f lives of the driver. ",
		       text_of(one, "device"), text_of(one, "domain"), number_of(one, "index"), number_of(one, "ring"),
		       number_of(one, "deaths"));
		print_text(stdout, text_of(one, "text"));
		putchar('\n');
	}
}

static void print_events(const json_t *list)
{
	const json_t *one;
	size_t index;

	json_array_foreach(list, index, one) {
		printf("  %s: ", text_of(one, "kind"));
		print_text(stdout, text_of(one, "text"));
		putchar('\n');
	}
}

static void print_state(const json_t *answer)
{
	const json_t *driver = json_object_get(answer, "driver"), *restart = json_object_get(driver, "restart");

	if (driver)
		printf("It is %s now, after %.0f restarts in all.\n", text_of(restart, "state"), number_of(restart, "restarts"));
}

/* It has not died; or nobody kept, or was able to write, what there was to say. */
static void print_no_post_mortem(const json_t *answer)
{
	const json_t *restart = json_object_get(json_object_get(answer, "driver"), "restart"), *last = json_object_get(restart, "last"), *count;
	const char *cause;
	bool has_died = false;

	json_object_foreach(json_object_get(restart, "causes"), cause, count)
		has_died |= strcmp(cause, "by-hand") && json_number_value(count) > 0;
	printf("%s %s", text_of(answer, "domain"), has_died ? "has died" : "has not died");
	if (has_died && json_is_object(last)) {
		printf(" (%s: ", text_of(last, "cause"));
		print_text(stdout, text_of(last, "text"));
		putchar(')');
	}
	printf("%s.\n", has_died ? ", and there is no post-mortem of that" : "");
}

static void print_why(const json_t *answer, bool is_verbose)
{
	const json_t *death = json_object_get(answer, "death"), *events = json_object_get(answer, "events");

	if (json_is_object(death))
		print_lines(json_object_get(death, "told"), "");
	else if (json_is_object(json_object_get(answer, "driver")))
		print_no_post_mortem(answer);
	print_state(answer);
	print_aside(json_object_get(answer, "set_aside"));
	print_trace(death);
	if (is_verbose)
		print_served(death);
	if (json_array_size(events))
		printf("%sLast events\n", json_is_object(json_object_get(answer, "driver")) || json_is_object(death) ? "\n" : "");
	print_events(events);
}

int verb_why(const struct invocation *invocation)
{
	const struct call call = {.method = "why", .what = "why", .params = json_pack("{s:s}", "domain", invocation->operands[0])};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON])
		print_json(result);
	else
		print_why(result, invocation->given[OPTION_VERBOSE]);
	json_decref(result);
	return EXIT_DONE;
}
