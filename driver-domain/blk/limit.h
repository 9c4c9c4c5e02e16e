/* SPDX-License-Identifier: MIT */
/*
 * Limits of one disk, bytes and requests a second, as token buckets. A bucket is kept as a time: when what was taken will have been
 * earned again. Whoever may take at all may take as much as he wants: the next one waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "driver.h"

struct bucket {
	uint64_t per_second;			/* 0: no limit */
	uint64_t burst_ns;			/* what may be saved up, as the time to earn it */
	uint64_t due_ns;
};

enum limit_bucket { LIMIT_READ_BYTES, LIMIT_WRITE_BYTES, LIMIT_TOTAL_BYTES, LIMIT_READS, LIMIT_WRITES, LIMIT_TOTAL, LIMIT_BUCKETS };

struct limit {
	bool is_any;
	struct bucket bucket[LIMIT_BUCKETS];
};

/* What was taken before counts on. */
void limit_set(struct limit *limit, const struct driver_blk *wanted);

/* 0: it may be taken. Else it is to be asked again at this time. */
uint64_t limit_ready_ns(const struct limit *limit, bool is_write, uint64_t now_ns);
void limit_take(struct limit *limit, bool is_write, uint64_t bytes, uint64_t now_ns);
