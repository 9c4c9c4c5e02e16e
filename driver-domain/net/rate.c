/* SPDX-License-Identifier: MIT */
#include "net/rate.h"

#define SECOND_NS		1000000000u
#define BURST_DEFAULT_NS	(SECOND_NS / 20)

static uint64_t nanoseconds(uint64_t bytes, uint64_t per_second)
{
	uint64_t most = UINT64_MAX / SECOND_NS;

	return (bytes < most ? bytes : most) * SECOND_NS / per_second;
}

static void bucket_set(struct bucket *bucket, const struct driver_rate *wanted)
{
	bucket->per_second = wanted->per_second;
	if (!bucket->per_second)
		bucket->due_ns = 0;
	else
		bucket->burst_ns = wanted->burst ? nanoseconds(wanted->burst, wanted->per_second) : BURST_DEFAULT_NS;
}

static void bucket_take(struct bucket *bucket, uint64_t bytes, uint64_t now_ns)
{
	if (!bucket->per_second)
		return;
	if (bucket->due_ns < now_ns)
		bucket->due_ns = now_ns;
	bucket->due_ns += nanoseconds(bytes, bucket->per_second);
}

void rate_set(struct rate *rate, const struct driver_rate *average, const struct driver_rate *peak)
{
	bucket_set(&rate->average, average);
	bucket_set(&rate->peak, peak);
}

void rate_take(struct rate *rate, uint64_t bytes, uint64_t now_ns)
{
	bucket_take(&rate->average, bytes, now_ns);
	bucket_take(&rate->peak, bytes, now_ns);
}
