/* SPDX-License-Identifier: MIT */
#include "lib/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the states ---- */

const char *attach_state_name(enum xenbus_state state)
{
	static const char *const names[] = { "unknown", "initialising", "init-wait", "initialised", "connected", "closing", "closed",
					     "reconfiguring", "reconfigured" };

	return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

enum xenbus_state attach_state_parse(const char *text)
{
	return text && text[0] >= '1' && text[0] <= '8' && !text[1] ? (enum xenbus_state)(text[0] - '0') : XenbusStateUnknown;
}

/* It may have rings that it uses. */
static bool front_is_in_use(enum xenbus_state front)
{
	return front != XenbusStateUnknown && front != XenbusStateClosed && front != XenbusStateInitialising &&
	       front != XenbusStateInitWait;
}

static enum attach_action ask_to_close(const struct attach_view *view)
{
	return view->back == XenbusStateClosing ? ATTACH_WAIT : ATTACH_CLOSE;
}

static enum attach_action next_of_given(const struct attach_view *view)
{
	/* Its driver keeps the rings, to answer what its front-end still puts there until it has closed. */
	if (view->answer == DRIVER_LOST && !view->is_forced && front_is_in_use(view->front))
		return ask_to_close(view);
	if (view->is_forced || view->is_refused || driver_has_refused(view->answer) || !front_is_in_use(view->front))
		return ATTACH_WITHDRAW;
	if (!view->is_wanted || view->front == XenbusStateClosing)
		return ask_to_close(view);
	return view->answer == DRIVER_ATTACHED && view->back == XenbusStateInitWait ? ATTACH_TELL : ATTACH_WAIT;
}

static bool front_has_answered(const struct attach_view *view)
{
	return view->front == XenbusStateConnected || (view->kind == ATTACH_VBD && view->front == XenbusStateInitialised);
}

static enum attach_action next_without_record(const struct attach_view *view)
{
	bool is_in_use = front_is_in_use(view->front);

	if (!view->is_wanted)
		return view->is_forced || !is_in_use ? ATTACH_REMOVE : ask_to_close(view);
	if (view->front == XenbusStateInitialising || view->front == XenbusStateInitWait)
		return view->driver_serves && view->back != XenbusStateInitWait ? ATTACH_OFFER : ATTACH_WAIT;
	if (!is_in_use && view->comes_anew)
		return ATTACH_REMOVE;
	if (!is_in_use)
		return view->back == XenbusStateClosed ? ATTACH_WAIT : ATTACH_CLOSED;
	if (view->is_refused || view->front == XenbusStateClosing)
		return ask_to_close(view);
	if (front_has_answered(view) && view->back == XenbusStateInitWait && view->driver_serves)
		return ATTACH_CONNECT;
	/* Before there was an offer, or to one that nobody remembers: the skinkd that made it was ended. */
	if (front_has_answered(view) && view->back == XenbusStateInitialising && view->driver_serves)
		return ATTACH_OFFER;
	/* It speaks of a connection that is no more: it has to begin anew. */
	return view->back == XenbusStateConnected ? ATTACH_CLOSE : ATTACH_WAIT;
}

enum attach_action attach_next(const struct attach_view *view)
{
	switch (view->record) {
	case RECORD_GIVEN:
		return next_of_given(view);
	case RECORD_WITHDRAWN:
		return view->answer == DRIVER_DETACHED ? ATTACH_RELEASE : ATTACH_WAIT;
	case RECORD_NONE:
		break;
	}
	return next_without_record(view);
}

/* ---- names and places ---- */

uint32_t attach_disk_number(const char *target)
{
	uint32_t letters = 0, part;
	const char *at;
	char *end;

	if (strncmp(target, "xvd", 3))
		return 0;
	for (at = target + 3; *at >= 'a' && *at <= 'z' && letters < 26 * 27; at++)
		letters = letters * 26 + (uint32_t)(*at - 'a') + 1;
	part = (uint32_t)strtoul(at, &end, 10);
	if (!letters || *end || part > (letters <= 16 ? 15u : 255u))
		return 0;
	/* xen/io/blkif.h and Xen's vbd-interface(7): major 202 has 16 disks of 16 partitions, all else is extended. */
	return letters <= 16 ? 202u << 8 | (letters - 1) << 4 | part : 1u << 28 | (letters - 1) << 8 | part;
}

/* AT1: what has been withdrawn keeps its queues until it is released. */
static bool is_taken(const struct driver_attachment *record)
{
	return record->serial || record->queue_count;
}

int attach_slot(const struct driver_table *table)
{
	for (uint32_t i = 0; i < table->attachment_count; i++)
		if (!is_taken(&table->attachment[i]))
			return (int)i;
	return -1;
}
