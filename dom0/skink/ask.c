/* SPDX-License-Identifier: MIT */
/* What the verbs have in common. */
#include "ask.h"

#include "message.h"
#include "units.h"

/* skinkd has the first word when time is up: its message says more. */
#define GRACE_S 5.0

int ask(const struct invocation *invocation, const struct call *call, json_t **result)
{
	struct client *client;
	int code = client_open(invocation->socket, call->quiet, &client);

	if (code) {
		json_decref(call->params);
		return code;
	}
	code = client_call(client, call, result);
	client_close(client);
	return code;
}

bool timeout_of(const struct invocation *invocation, double otherwise, double *seconds)
{
	const char *text = invocation->value[OPTION_TIMEOUT];

	*seconds = otherwise;
	if (!text || (parse_duration(text, seconds) && *seconds > 0))
		return true;
	complain("--timeout: '%s' is not a time: write seconds, or 90s, 5m, 1h", text);
	return false;
}

double limit_for(double timeout)
{
	return timeout + GRACE_S;
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

double number_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

uint64_t count_of(const json_t *object, const char *key)
{
	double number = number_of(object, key);

	if (!(number > 0))
		return 0;
	return number < 0x1p62 ? (uint64_t)number : (uint64_t)1 << 62;
}

uint64_t kib_of(const json_t *object, const char *key)
{
	uint64_t count = count_of(object, key);

	return count < (uint64_t)1 << 52 ? count * 1024 : (uint64_t)1 << 62;
}

bool flag_of(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void note_lines(const json_t *lines, const char *before)
{
	const json_t *line;
	size_t index;

	json_array_foreach(lines, index, line) {
		if (json_is_string(line))
			note("%s%s", before, json_string_value(line));
	}
}
