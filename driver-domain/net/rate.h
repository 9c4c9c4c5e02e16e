/* SPDX-License-Identifier: MIT */
/*
 * Two token buckets of bytes, each kept as a time: when what was taken will have been earned again. `average` has what was saved up,
 * `peak` says how fast that may go out at once. Whoever may take at all may take a whole packet: the next one waits for it.
 */
#pragma once

#include <stdint.h>

#include "driver.h"

struct bucket {
	uint64_t per_second;		/* 0: no limit */
	uint64_t burst_ns;		/* what may be saved up, as the time to earn it */
	uint64_t due_ns;
};

struct rate {
	struct bucket average, peak;
};

/* What was taken counts on. */
void rate_set(struct rate *rate, const struct driver_rate *average, const struct driver_rate *peak);

/* 0: it is not empty. Else the time when it is not. */
static inline uint64_t bucket_ready_ns(const struct bucket *bucket, uint64_t now_ns)
{
	return bucket->per_second && bucket->due_ns > now_ns + bucket->burst_ns ? bucket->due_ns - bucket->burst_ns : 0;
}

/* 0: bytes may be taken. Else the time when they may. */
static inline uint64_t rate_ready_ns(const struct rate *rate, uint64_t now_ns)
{
	uint64_t average = bucket_ready_ns(&rate->average, now_ns), peak = bucket_ready_ns(&rate->peak, now_ns);

	return average > peak ? average : peak;
}

void rate_take(struct rate *rate, uint64_t bytes, uint64_t now_ns);
