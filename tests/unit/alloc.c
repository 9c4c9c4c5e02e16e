/* SPDX-License-Identifier: MIT */
/* Free frames and the core's small memory: A1 of mem/alloc.c. What must fail first. */
#include "unit.h"

#include <string.h>

#include "cpu/directmap.h"
#include "cpu/tlb.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/pagelist.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "tables.h"

#define ALL (FAKE_FRAME_LIMIT - FAKE_FRAME_FIRST)
#define BLOCKS 400

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % limit;
}

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

static bool is_none(mfn_t number) { return mfn_is(number, MFN_NONE); }

/* ---- frames ---- */

static void what_cannot_be_had_is_not_given(void)
{
	mfn_t number = mfn(7);

	CU_ASSERT_TRUE(is_none(frame_alloc(FRAME_ORDER_MAX + 1)));
	CU_ASSERT_TRUE(is_none(frame_alloc(UINT32_MAX)));
	CU_ASSERT_TRUE(is_none(frame_alloc(FRAME_ORDER_MAX)));
	CU_ASSERT_TRUE(is_none(frame_alloc(10)));
	CU_ASSERT_EQUAL(frames_free(), ALL);
	CU_ASSERT_EQUAL(frames_total(), ALL);
	while (!is_none(number))
		number = frame_alloc(0);
	CU_ASSERT_EQUAL(frames_free(), 0);
	CU_ASSERT_PTR_NULL(heap_alloc(1));
	CU_ASSERT_PTR_NULL(heap_alloc(PAGE_SIZE));
	all_is_counted();
}

static struct domain *limited;

static void want_the_last_too(cpumask_t cpus, uint64_t address)
{
	mfn_t number;

	fake.tlb_watcher = NULL;
	CU_ASSERT_EQUAL(frame_alloc_for(limited, 0, 0, &number), -ENOMEM);
}

/* Two vcpus at once: the second comes while the first has found a frame and does not have it yet. */
static void last_frame_of_a_domain_is_given_once(void)
{
	struct memory_guest guest = given_guest(1);
	mfn_t number = frame_alloc(0);

	frame_free(number, 0);
	frame_at(number)->flushed = tlb_clock();
	limited = guest.domain;
	limited->frame_limit = limited->frame_count + 1;
	fake.tlb_watcher = want_the_last_too;
	CU_ASSERT_EQUAL(frame_alloc_for(limited, 0, 0, &number), 0);
	CU_ASSERT_PTR_NULL(fake.tlb_watcher);
	CU_ASSERT_EQUAL(limited->frame_count, limited->frame_limit);
}

static void domain_gets_no_more_than_it_may(void)
{
	struct memory_guest guest = given_guest(1);
	mfn_t number;

	guest.domain->frame_limit = guest.domain->frame_count + 3;
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 2, 0, &number), -ENOMEM);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, UINT32_MAX, 0, &number), -ENOMEM);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, FRAME_ORDER_MAX + 1, 0, &number), -ENOMEM);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 1, 0, &number), 0);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 0, &number), 0);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 0, &number), -ENOMEM);
	all_is_counted();
}

static void dying_domain_gets_nothing(void)				/* D2 */
{
	struct memory_guest guest = given_guest(1);
	mfn_t number;

	given_dying(guest.domain);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 0, &number), -ENOMEM);
}

static void frames_lie_below_the_address_that_was_asked_for(void)
{
	struct memory_guest guest = given_guest(1);
	mfn_t number;

	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 1, &number), -ENOMEM);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 12, &number), -ENOMEM);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 18, &number), -ENOMEM);	/* 64 frames: none of them ours */
	for (uint32_t bits = 19; bits < 70; bits++) {
		CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 2, bits, &number), 0);
		CU_ASSERT(bits > 40 || number.raw + 4 <= 1UL << (bits - PAGE_SHIFT));
		for (uint64_t i = 0; i < 4; i++) {
			struct frame *frame = frame_get(mfn(number.raw + i), guest.domain);

			CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
			frame_put(frame);
		}
	}
	all_is_counted();
}

/* Others wait for the allocator meanwhile, and a guest may have made as many free blocks as it likes. */
static void a_low_frame_is_looked_for_among_so_many_at_most(void)
{
	struct memory_guest guest = given_guest(1);
	mfn_t number[FAKE_FRAME_LIMIT], low = MFN_NONE;
	uint32_t count = 0, high = 0;

	guest.domain->frame_limit = FAKE_FRAME_LIMIT;
	while (!frame_alloc_for(guest.domain, 0, 0, &number[count]))
		count++;
	for (uint32_t i = 0; i < count && mfn_is(low, MFN_NONE); i++)
		if (number[i].raw % 2 && number[i].raw < 512)
			low = number[i];
	CU_ASSERT_TRUE_FATAL(frame_give_back(low, guest.domain));
	for (uint32_t i = 0; i < count; i++)
		high += number[i].raw % 2 && number[i].raw >= 512 && frame_give_back(number[i], guest.domain);
	CU_ASSERT_FATAL(high > 100);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 21, &number[0]), -ENOMEM);
	for (; high > 10; high--)
		CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 0, &number[0]), 0);
	CU_ASSERT_EQUAL(frame_alloc_for(guest.domain, 0, 21, &number[0]), 0);
	CU_ASSERT_TRUE(mfn_is(number[0], low));
	all_is_counted();
}

static void frames_of_domains_are_zero_and_nobody_elses(void)
{
	struct memory_guest guest = given_guest(1);
	mfn_t number = frame_alloc(3);

	memset(mfn_to_virt(number), 0xa5, PAGE_SIZE << 3);
	frame_free(number, 3);
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t *word;

		CU_ASSERT_EQUAL_FATAL(frame_alloc_for(guest.domain, i & 1, 0, &number), 0);
		word = mfn_to_virt(number);
		for (uint32_t j = 0; j < 512; j++)
			if (word[j])
				CU_FAIL("not zero");
		memset(word, 0x5a, PAGE_SIZE);
	}
	all_is_counted();
}

struct block { uint64_t first; uint32_t order; };

/* Each frame of it knows its block: two that overlap would be seen. */
static void mark(const struct block *block, uint64_t name)
{
	for (uint64_t i = 0; i < 1UL << block->order; i++)
		*(uint64_t *)mfn_to_virt(mfn(block->first + i)) = name;
}

static bool is_marked(const struct block *block, uint64_t name)
{
	for (uint64_t i = 0; i < 1UL << block->order; i++)
		if (*(uint64_t *)mfn_to_virt(mfn(block->first + i)) != name)
			return false;
	return true;
}

static void blocks_never_overlap_and_come_together_again(void)		/* A1 */
{
	static struct block block[BLOCKS];
	uint32_t largest = 0;
	mfn_t number;

	memset(block, 0, sizeof(block));
	random_state = 1;
	for (uint32_t round = 0; round < 20000; round++) {
		struct block *b = &block[random_below(BLOCKS)];

		if (b->first) {
			CU_ASSERT_FATAL(is_marked(b, (uint64_t)(b - block)));
			frame_free(mfn(b->first), b->order);
			b->first = 0;
			continue;
		}
		b->order = random_below(5);
		number = frame_alloc(b->order);
		if (is_none(number))
			continue;
		CU_ASSERT_EQUAL(number.raw & ((1UL << b->order) - 1), 0);
		CU_ASSERT(number.raw >= FAKE_FRAME_FIRST && number.raw + (1UL << b->order) <= FAKE_FRAME_LIMIT);
		b->first = number.raw;
		mark(b, (uint64_t)(b - block));
		if (round % 100 == 0)
			all_is_counted();
	}
	for (uint32_t i = 0; i < BLOCKS; i++)
		if (block[i].first)
			frame_free(mfn(block[i].first), block[i].order);
	CU_ASSERT_EQUAL(frames_free(), ALL);
	for (uint32_t order = 0; order <= FRAME_ORDER_MAX; order++) {
		number = frame_alloc(order);
		if (is_none(number))
			continue;
		largest = order;
		frame_free(number, order);
	}
	CU_ASSERT_EQUAL(largest, 9);		/* 512 .. 1023 */
	all_is_counted();
}

static void memory_that_is_added_later_is_given_out(void)
{
	uint64_t before = frames_free(), total = frames_total();

	alloc_add(32, 64);
	CU_ASSERT_EQUAL(frames_free(), before + 32);
	CU_ASSERT_EQUAL(frames_total(), total + 32);
	for (uint32_t i = 0; i < ALL + 32; i++)
		CU_ASSERT_FALSE_FATAL(is_none(frame_alloc(0)));
	CU_ASSERT_TRUE(is_none(frame_alloc(0)));
}

/* ---- the heap ---- */

static void heap_memory_is_zero_aligned_and_ones_own(void)
{
	static uint8_t *memory[BLOCKS];
	static size_t bytes[BLOCKS];
	uint64_t before = frames_free();

	memset(memory, 0, sizeof(memory));
	random_state = 2;
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t i = random_below(BLOCKS);

		if (memory[i]) {
			CU_ASSERT_FATAL(memory[i][0] == (uint8_t)i && memory[i][bytes[i] - 1] == (uint8_t)i);
			memset(memory[i], 0xff, bytes[i]);
			heap_free(memory[i]);
			memory[i] = NULL;
			continue;
		}
		bytes[i] = 1 + random_below(random_below(10) ? 600 : 3 * PAGE_SIZE);
		memory[i] = heap_alloc(bytes[i]);
		if (!memory[i])
			continue;
		CU_ASSERT_EQUAL(guest_address(memory[i]) % PAGE_SIZE, 0);
		for (size_t j = 0; j < bytes[i]; j++)
			if (memory[i][j])
				CU_FAIL_FATAL("not zero");
		memset(memory[i], (int)i, bytes[i]);
	}
	heap_free(NULL);
	for (uint32_t i = 0; i < BLOCKS; i++)
		heap_free(memory[i]);
	CU_ASSERT_EQUAL(frames_free(), before);
	all_is_counted();
}

static void large_heap_memory_goes_back_to_the_frames(void)
{
	uint64_t before = frames_free();
	void *page = heap_alloc(PAGE_SIZE), *pages = heap_alloc(5 * PAGE_SIZE);

	CU_ASSERT_EQUAL(frames_free(), before - 9);
	heap_free(page);
	heap_free(pages);
	CU_ASSERT_EQUAL(frames_free(), before);
	all_is_counted();
}

static void many_domains_come_and_go_and_leave_nothing(void)
{
	uint64_t left = 0;

	given_guest(0);
	for (uint32_t i = 0; i < 50; i++) {
		struct domain *domain;

		CU_ASSERT_EQUAL_FATAL(domain_create(1, 2, false, &domain), 0);
		domain->references++;
		CU_ASSERT_EQUAL(guest_ends(domain), 0);
		domain_put(domain);
		if (i == 5)
			left = frames_free();
	}
	CU_ASSERT_EQUAL(frames_free(), left);
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(last_frame_of_a_domain_is_given_once),
	UNIT_CASE(what_cannot_be_had_is_not_given),
	UNIT_CASE(domain_gets_no_more_than_it_may),
	UNIT_CASE(dying_domain_gets_nothing),
	UNIT_CASE(frames_lie_below_the_address_that_was_asked_for),
	UNIT_CASE(a_low_frame_is_looked_for_among_so_many_at_most),
	UNIT_CASE(frames_of_domains_are_zero_and_nobody_elses),
	UNIT_CASE(blocks_never_overlap_and_come_together_again),
	UNIT_CASE(memory_that_is_added_later_is_given_out),
	UNIT_CASE(heap_memory_is_zero_aligned_and_ones_own),
	UNIT_CASE(large_heap_memory_goes_back_to_the_frames),
	UNIT_CASE(many_domains_come_and_go_and_leave_nothing),
};

int main(void)
{
	return unit_run("alloc", cases, ARRAY_SIZE(cases));
}
