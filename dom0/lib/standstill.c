/* SPDX-License-Identifier: MIT */
#include "lib/standstill.h"

#define ASK_PART	4		/* of the device's time */

static bool has_looked(const struct standstill *ring, const struct standstill_look *look)
{
	return ring->is_asked && (int32_t)(look->looked - ring->asked) > 0;
}

enum standstill_verdict standstill_judge(struct standstill *ring, const struct standstill_look *look)
{
	bool owes = has_looked(ring, look) ? look->seen != look->published : look->has_work;

	if (!ring->is_known || !owes || look->published != ring->published) {
		*ring = (struct standstill){ .is_known = true, .published = look->published, .since_ns = look->fair_ns };
		return RING_GOES_ON;
	}
	if (!ring->is_asked && look->fair_ns - ring->since_ns >= look->device_ns / ASK_PART) {
		ring->is_asked = true;
		ring->asked = look->changed;
		ring->since_ns = look->fair_ns;
		ring->answered = look->answered;
		return RING_ASK;
	}
	return ring->is_asked && look->fair_ns - ring->since_ns >= look->device_ns && look->answered != ring->answered ? RING_STANDS : RING_GOES_ON;
}
