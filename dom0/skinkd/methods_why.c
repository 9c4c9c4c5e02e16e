/* SPDX-License-Identifier: MIT */
/* why: what happened last to a driver domain, and what was done about it; and whom it does not serve. */
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/deaths.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"

#define EVENTS_SHOWN	8

/* DR1. What the driver says of a request that ended two of its lives. */
static json_t *aside_json(const struct attachment *attachment)
{
	const volatile struct driver_attachment_status *status = attach_status(attachment);
	char text[DRIVER_TEXT_BYTES + 1], copy[DRIVER_TEXT_BYTES];

	memcpy(copy, (const void *)status->text, sizeof(copy));
	driver_text(copy, sizeof(copy), text, sizeof(text));
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "domain", attachment->front_name, "device", attachment->key, "ring",
			 (json_int_t)status->suspect_ring, "index", (json_int_t)status->suspect_index, "deaths",
			 (json_int_t)status->suspect_deaths, "text", text);
}

static json_t *set_aside(const struct driver *driver)
{
	json_t *list = json_array();

	for (const struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->driver == driver && attach_is_aside(attachment))
			json_array_append_new(list, aside_json(attachment));
	return list;
}

/* Of any domain: the last of what was told about it. */
static json_t *events_of(const char *name)
{
	json_t *all = events_last(host.conf.events_kept), *list = json_array(), *one;
	size_t i;

	json_array_foreach(all, i, one) {
		const char *domain = json_string_value(json_object_get(one, "domain"));

		if (domain && !strcmp(domain, name))
			json_array_append(list, one);
		if (json_array_size(list) > EVENTS_SHOWN)
			json_array_remove(list, 0);
	}
	json_decref(all);
	return list;
}

void method_why(struct request *request)
{
	struct target target;
	json_t *named, *last, *events, *answer;
	bool is_there;

	if (!rpc_unpack(request, "{s:o}", "domain", &named))
		return;
	is_there = target_find(named, &target);
	/* One that is gone has left its post-mortems. */
	if (!is_there && json_is_string(named) && !strchr(json_string_value(named), '/'))
		snprintf(target.name, sizeof(target.name), "%s", json_string_value(named));
	else if (!is_there)
		target.name[0] = 0;
	last = death_last(target.name);
	events = events_of(target.name);
	if (!is_there && !last && !json_array_size(events)) {
		json_decref(events);
		method_target(request, named, &target);
		return;
	}
	answer = json_pack("{s:s, s:o?, s:o}", "domain", target.name, "death", last, "events", events);
	if (is_there && target.record && target.record->driver) {
		json_object_set_new(answer, "driver", driver_json(target.record->driver));
		json_object_set_new(answer, "set_aside", set_aside(target.record->driver));
	}
	rpc_answer(request, answer);
}
