/* SPDX-License-Identifier: MIT */
#include "net/rate.h"

#define SECOND_NS		1000000000u
#define BURST_DEFAULT_NS	(SECOND_NS / 20)

static uint64_t nanoseconds(uint64_t bytes, uint64_t per_second)
{
	uint64_t most = UINT64_MAX / SECOND_NS;

	return (bytes < most ? bytes : most) * SECOND_NS / per_second;
}

void rate_set(struct rate *rate, const struct driver_rate *wanted)
{
	rate->per_second = wanted->per_second;
	if (!rate->per_second)
		rate->due_ns = 0;
	else
		rate->burst_ns = wanted->burst ? nanoseconds(wanted->burst, wanted->per_second) : BURST_DEFAULT_NS;
}

void rate_take(struct rate *rate, uint64_t bytes, uint64_t now_ns)
{
	if (!rate->per_second)
		return;
	if (rate->due_ns < now_ns)
		rate->due_ns = now_ns;
	rate->due_ns += nanoseconds(bytes, rate->per_second);
}
