/* SPDX-License-Identifier: MIT */
/*
 * In which states the rings are that a driver domain serves: for who ends one, and has to know in the middle of what. The driver is paused.
 *
 *   rsp_event        rsp_prod           commit                  req_prod
 *  -----|----------------|-----------------|-----------------------|---
 *       | unseen         | decided         | unread, or taken      |
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct victim;

/* Of one ring several at once may hold. A network's receive requests are buffers: they are neither unread nor taken. */
enum ring_state {
	RING_UNREAD,			/* it has requests, and its attachment has no work under way (struct driver_status, `busy`) */
	RING_TAKEN,			/* it has requests, and its attachment has */
	RING_DECIDED,			/* answers stand in the ledger that are not in the ring yet */
	RING_UNSEEN,			/* answers are in the ring that its front-end, which asked to be told of them, has not fetched */
	RING_STATES,
};

extern const char *const ring_state_name[RING_STATES];

struct ring_states {
	uint32_t rings;			/* that are served */
	uint32_t count[RING_STATES];	/* of those, how many are in it */
};

/* False: it cannot be known. */
bool ring_states_look(struct victim *victim, struct ring_states *states);
