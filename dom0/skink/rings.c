/* SPDX-License-Identifier: MIT */
/* What stands in the rings between a domain and its driver domains. */
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "client.h"
#include "exit.h"
#include "message.h"
#include "show.h"
#include "verbs.h"

#define SHOWN 16		/* of one ring's requests */

/* One request in words: every field that there is, but its index. */
static void print_slot(const json_t *slot)
{
	const char *key, *before = "";
	json_t *value, *one;
	size_t i;

	printf("  %10.0f ", number_of(slot, "index"));
	json_object_foreach((json_t *)slot, key, value) {
		if (strcmp(key, "index") == 0)
			continue;
		if (json_is_integer(value))
			printf(" %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
		else if (json_is_string(value))
			printf(" %s", json_string_value(value));
		json_array_foreach(value, i, one) {
			if (json_is_string(one))
				printf(" %s", json_string_value(one));
			else
				printf("%s [gref %.0f sectors %.0f-%.0f]", before, number_of(one, "gref"), number_of(one, "first_sector"),
				       number_of(one, "last_sector"));
		}
	}
	putchar('\n');
}

static void print_waiting(const json_t *waiting)
{
	const json_t *slot;
	size_t index;

	json_array_foreach(waiting, index, slot) {
		if (index == SHOWN) {
			printf("  ... and %zu more: --json shows them all\n", json_array_size(waiting) - index);
			return;
		}
		print_slot(slot);
	}
}

void print_ring(const json_t *ring)
{
	printf("%s, %s at %s, queue %.0f, %s", text_of(ring, "domain"), text_of(ring, "device"), text_of(ring, "driver"),
	       number_of(ring, "queue"), text_of(ring, "ring"));
	if (*text_of(ring, "error")) {
		printf(": %s\n", text_of(ring, "error"));
		return;
	}
	printf(": %.0f slots, %u unanswered\n", number_of(ring, "slots"), (uint32_t)count_of(ring, "req_prod") - (uint32_t)count_of(ring, "rsp_prod"));
	printf("  req_prod %.0f  req_event %.0f  rsp_prod %.0f  rsp_event %.0f  commit %.0f%s  published %.0f\n",
	       number_of(ring, "req_prod"), number_of(ring, "req_event"), number_of(ring, "rsp_prod"), number_of(ring, "rsp_event"),
	       number_of(ring, "commit"), flag_of(ring, "commit_whole") ? "" : " (not whole)", number_of(ring, "published"));
	print_waiting(json_object_get(ring, "waiting"));
}

int verb_rings(const struct invocation *invocation)
{
	const struct call call = {.method = "rings", .what = "rings",
				  .params = json_pack("{s:s, s:s*}", "domain", invocation->operands[0], "device", invocation->operands[1])};
	json_t *result;
	const json_t *ring;
	size_t index;
	int code;

	code = ask(invocation, &call, &result);
	if (code)
		return code;
	if (invocation->given[OPTION_JSON]) {
		print_json(json_object_get(result, "rings"));
	} else {
		json_array_foreach(json_object_get(result, "rings"), index, ring)
			print_ring(ring);
	}
	json_decref(result);
	return EXIT_DONE;
}
