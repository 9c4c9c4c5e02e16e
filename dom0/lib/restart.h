/* SPDX-License-Identifier: MIT */
/*
 * What a manifest's <skink:restart> says of a driver's next death: arithmetic alone, without a clock or a core.
 * RS1  Within any `within_us` there are at most `limit` restarts.
 * RS2  The first restart in that time is made at once; before the others the pause doubles, from backoff_us to backoff_max_us.
 * RS3  The core may make a restart by itself only if skinkd would make it at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/manifest.h"

#define RESTARTS_MAX	1000	/* the highest limit that a manifest may have */

/* The times of the last restarts, a ring. */
struct restart_history {
	uint64_t at_us[RESTARTS_MAX];
	uint32_t next, count;
};

enum restart_verdict {
	RESTART_AFTER,			/* *pause_us; 0: at once */
	RESTART_EXHAUSTED,		/* the limit is used up */
	RESTART_BY_HAND,		/* there are no automatic ones */
};

/* chance: any number; the jitter is made of it. */
enum restart_verdict restart_judge(const struct manifest_restart *policy, const struct restart_history *history, uint64_t now_us,
				   uint32_t chance, uint64_t *pause_us);
void restart_count(struct restart_history *history, uint64_t now_us);
void restart_forget(struct restart_history *history);

/* RS3. *again_us: if not, when it is worth asking again (UINT64_MAX: never, of itself). */
bool restart_may_arm(const struct manifest_restart *policy, const struct restart_history *history, uint64_t now_us,
		     uint64_t *again_us);
