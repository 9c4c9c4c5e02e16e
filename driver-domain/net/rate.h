/* SPDX-License-Identifier: MIT */
/*
 * A token bucket of bytes, kept as a time: when what was taken will have been earned again. Whoever may take at all may take a
 * whole packet: the next one waits for it.
 */
#pragma once

#include <stdint.h>

#include "driver.h"

struct rate {
	uint64_t per_second;		/* 0: no limit */
	uint64_t burst_ns;		/* what may be saved up, as the time to earn it */
	uint64_t due_ns;
};

void rate_set(struct rate *rate, const struct driver_rate *wanted);	/* what was taken counts on */

/* 0: bytes may be taken. Else the time when they may. */
static inline uint64_t rate_ready_ns(const struct rate *rate, uint64_t now_ns)
{
	return rate->per_second && rate->due_ns > now_ns + rate->burst_ns ? rate->due_ns - rate->burst_ns : 0;
}

void rate_take(struct rate *rate, uint64_t bytes, uint64_t now_ns);
