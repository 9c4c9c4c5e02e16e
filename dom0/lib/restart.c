/* SPDX-License-Identifier: MIT */
#include "lib/restart.h"

/* The one before the last n; n < count. */
static uint64_t back(const struct restart_history *history, uint32_t n)
{
	return history->at_us[(history->next + RESTARTS_MAX - 1 - n) % RESTARTS_MAX];
}

static uint32_t count_within(const struct restart_history *history, uint64_t now_us, uint64_t within_us)
{
	uint32_t count = 0;

	while (count < history->count && now_us - back(history, count) < within_us)
		count++;
	return count;
}

/* RS2; before: restarts within the time. */
static uint64_t pause_before(const struct manifest_restart *policy, uint32_t before)
{
	uint64_t pause = policy->backoff_us;

	if (!before)
		return 0;
	while (--before && pause < policy->backoff_max_us)
		pause *= 2;
	return pause < policy->backoff_max_us ? pause : policy->backoff_max_us;
}

static uint64_t jittered(uint64_t pause_us, uint32_t jitter_percent, uint32_t chance)
{
	uint64_t range = pause_us * jitter_percent / 100;

	return pause_us - range + (uint64_t)((unsigned __int128)(2 * range) * chance >> 32);
}

enum restart_verdict restart_judge(const struct manifest_restart *policy, const struct restart_history *history, uint64_t now_us,
				   uint32_t chance, uint64_t *pause_us)
{
	uint32_t before = count_within(history, now_us, policy->within_us);

	*pause_us = 0;
	if (!policy->is_automatic)
		return RESTART_BY_HAND;
	if (before >= policy->limit)
		return RESTART_EXHAUSTED;		/* RS1 */
	*pause_us = jittered(pause_before(policy, before), policy->jitter_percent, chance);
	return RESTART_AFTER;
}

void restart_count(struct restart_history *history, uint64_t now_us)
{
	history->at_us[history->next] = now_us;
	history->next = (history->next + 1) % RESTARTS_MAX;
	if (history->count < RESTARTS_MAX)
		history->count++;
}

void restart_forget(struct restart_history *history)
{
	history->next = history->count = 0;
}

bool restart_may_arm(const struct manifest_restart *policy, const struct restart_history *history, uint64_t now_us,
		     uint64_t *again_us)
{
	uint32_t before = count_within(history, now_us, policy->within_us);
	uint32_t allowed = policy->backoff_us && policy->backoff_max_us ? 1 : policy->limit;

	*again_us = UINT64_MAX;
	if (!policy->is_automatic || !policy->is_armed)
		return false;
	if (before < allowed && before < policy->limit)
		return true;
	*again_us = back(history, allowed - 1) + policy->within_us;
	return false;
}
