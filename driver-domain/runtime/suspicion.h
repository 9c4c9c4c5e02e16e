/* SPDX-License-Identifier: MIT */
/*
 * A request that kills (protocols/driver.md, section 7): what a predecessor was at work on when it died, and how many have died of it, for all
 * back-ends. It stands in the status, and so is the driver's own word: what it names is looked up in the table and the ledger before it counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "driver.h"

#define SUSPICION_DEATHS_MAX	2u	/* at one request, and its attachment is set aside */

/* A successor's, once: counts the death. The place of whose request it was, + 1; 0: nobody's. */
uint32_t suspicion_begin(void);

/* The queue of the attachment that has its suspected request, unanswered; DRIVER_QUEUES_MAX: none. */
uint32_t suspicion_queue(uint32_t place);

/* The request is answered. */
void suspicion_clear(struct driver_attachment_status *status);

static inline bool suspicion_is_fatal(const struct driver_attachment_status *status)
{
	return status->suspect_deaths >= SUSPICION_DEATHS_MAX;
}
