/* SPDX-License-Identifier: MIT */
#include "blk/limit.h"

#define SECOND_NS		1000000000u
#define BURST_DEFAULT_NS	(SECOND_NS / 10)

static uint64_t nanoseconds(uint64_t tokens, uint64_t per_second)
{
	uint64_t most = UINT64_MAX / SECOND_NS;

	return (tokens < most ? tokens : most) * SECOND_NS / per_second;
}

static void bucket_set(struct bucket *bucket, const struct driver_rate *rate)
{
	bucket->per_second = rate->per_second;
	if (rate->per_second)
		bucket->burst_ns = rate->burst ? nanoseconds(rate->burst, rate->per_second) : BURST_DEFAULT_NS;
	else
		bucket->due_ns = 0;
}

void limit_set(struct limit *limit, const struct driver_blk *wanted)
{
	const struct driver_rate *rate[LIMIT_BUCKETS] = {
		&wanted->read_bytes, &wanted->write_bytes, &wanted->total_bytes,
		&wanted->read_requests, &wanted->write_requests, &wanted->total_requests,
	};

	limit->is_any = false;
	for (unsigned int i = 0; i < LIMIT_BUCKETS; i++) {
		bucket_set(&limit->bucket[i], rate[i]);
		limit->is_any |= rate[i]->per_second != 0;
	}
}

static uint64_t bucket_ready_ns(const struct bucket *bucket, uint64_t now_ns)
{
	if (!bucket->per_second || bucket->due_ns <= now_ns + bucket->burst_ns)
		return 0;
	return bucket->due_ns - bucket->burst_ns;
}

static void bucket_take(struct bucket *bucket, uint64_t tokens, uint64_t now_ns)
{
	if (!bucket->per_second)
		return;
	if (bucket->due_ns < now_ns)
		bucket->due_ns = now_ns;
	bucket->due_ns += nanoseconds(tokens, bucket->per_second);
}

/* Two of bytes and two of requests. */
static void buckets_of(bool is_write, uint8_t number[4])
{
	number[0] = is_write ? LIMIT_WRITE_BYTES : LIMIT_READ_BYTES;
	number[1] = LIMIT_TOTAL_BYTES;
	number[2] = is_write ? LIMIT_WRITES : LIMIT_READS;
	number[3] = LIMIT_TOTAL;
}

uint64_t limit_ready_ns(const struct limit *limit, bool is_write, uint64_t now_ns)
{
	uint64_t ready_ns = 0;
	uint8_t mine[4];

	buckets_of(is_write, mine);
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t one = bucket_ready_ns(&limit->bucket[mine[i]], now_ns);

		if (one > ready_ns)
			ready_ns = one;
	}
	return ready_ns;
}

void limit_take(struct limit *limit, bool is_write, uint64_t bytes, uint64_t now_ns)
{
	uint8_t mine[4];

	buckets_of(is_write, mine);
	for (unsigned int i = 0; i < 4; i++)
		bucket_take(&limit->bucket[mine[i]], i < 2 ? bytes : 1, now_ns);
}
