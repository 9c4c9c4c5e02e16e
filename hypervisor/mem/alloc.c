/* SPDX-License-Identifier: MIT */
/*
 * Free frames: a buddy system. The first frame of a free block carries the block's order and the links of its list.
 * A1  A block is free or in use as a whole; two free buddies of one order are one block of the next.
 */
#include "cpu/tlb.h"
#include "mem/pagelist.h"

#define LOOKS_MAX 64u
#define FREE_HEAD (1ULL << 51)		/* in frame->type, with the order in the low bits */

static struct spinlock alloc_lock;
static uint32_t free_list[FRAME_ORDER_MAX + 1];
static uint64_t free_count, total_count;

uint64_t frames_free(void) { return read_once(&free_count); }
uint64_t frames_total(void) { return total_count; }

static void block_insert(uint64_t first, unsigned int order)
{
	struct frame *head = frame_of(mfn(first));

	head->type = FREE_HEAD | order;
	frame_link(&free_list[order], head);
}

static void block_remove(struct frame *head, unsigned int order)
{
	frame_unlink(&free_list[order], head);
	head->type = 0;
}

static void block_free(uint64_t first, unsigned int order)
{
	while (order < FRAME_ORDER_MAX) {
		uint64_t buddy = first ^ 1ULL << order;
		struct frame *head = frame_at(mfn(buddy));

		if (!head || head->count || head->type != (FREE_HEAD | order))
			break;
		block_remove(head, order);
		first = MIN(first, buddy);
		order++;
	}
	block_insert(first, order);
}

/* A block of at least `order` that ends below `limit`; 0 if none of the first of each list does: others wait for the lock. */
static uint64_t block_find(unsigned int order, uint64_t limit, unsigned int *found)
{
	for (*found = order; *found <= FRAME_ORDER_MAX; (*found)++) {
		uint32_t looks = LOOKS_MAX;

		for (uint32_t i = free_list[*found]; i != FRAME_LINK_NONE && looks--; i = frame_of(mfn(i))->next)
			if (i + (1ULL << order) <= limit)
				return i;
	}
	return 0;
}

static uint64_t block_take(unsigned int order, uint64_t limit)
{
	unsigned int found;
	uint64_t first = block_find(order, limit, &found);

	if (!first)
		return 0;
	block_remove(frame_of(mfn(first)), found);
	while (found > order) {
		found--;
		block_insert(first + (1ULL << found), found);
	}
	free_count -= 1ULL << order;
	return first;
}

/* Whoever had these frames may have stale TLB entries for them still. */
static void flush_stale(uint64_t first, unsigned int order)
{
	cpumask_t stale = 0, online = cpu_count >= MAX_CPUS ? ~0ULL : (1ULL << cpu_count) - 1;

	for (uint64_t i = 0; i < 1ULL << order && stale != online; i++) {
		struct frame *frame = frame_of(mfn(first + i));

		if (frame->flushed)
			stale |= tlb_not_flushed_since(online & ~stale, frame->flushed);
		frame->flushed = 0;
	}
	if (stale)
		tlb_flush(stale, TLB_ALL_PAGES);
}

static mfn_t take(unsigned int order, uint64_t limit)
{
	uint64_t first;

	if (order > FRAME_ORDER_MAX)
		return MFN_NONE;
	spin_lock(&alloc_lock);
	first = block_take(order, limit);
	/* From here on nobody else's: count is not 0. And it has no reference, so that none can get one. */
	for (uint64_t i = 0; first && i < 1ULL << order; i++) {
		frame_of(mfn(first + i))->owner = DOMID_INVALID;
		frame_of(mfn(first + i))->count = FRAME_CORE;
	}
	spin_unlock(&alloc_lock);
	if (!first)
		return MFN_NONE;
	flush_stale(first, order);
	return mfn(first);
}

mfn_t frame_alloc(unsigned int order) { return take(order, UINT64_MAX); }

void frame_free(mfn_t first, unsigned int order)
{
	spin_lock(&alloc_lock);
	for (uint64_t i = 0; i < 1ULL << order; i++) {
		struct frame *frame = frame_of(mfn(first.raw + i));

		frame->count = 0;
		frame->type = 0;
		frame->owner = DOMID_INVALID;
	}
	free_count += 1ULL << order;
	block_free(first.raw, order);
	spin_unlock(&alloc_lock);
}

mfn_t extent_alloc(unsigned int order, unsigned int address_bits)
{
	uint64_t limit = address_bits >= 64 || !address_bits ? UINT64_MAX :
			 address_bits <= PAGE_SHIFT ? 0 : 1ULL << (address_bits - PAGE_SHIFT);
	mfn_t first = take(order, limit);

	if (!mfn_is(first, MFN_NONE))
		memset(mfn_to_virt(first), 0, PAGE_SIZE << order);
	return first;
}

void extent_give(struct domain *domain, mfn_t first, unsigned int order)
{
	for (uint64_t i = 0; i < 1ULL << order; i++)
		page_list_add(domain, frame_of(mfn(first.raw + i)));
}

int frame_alloc_for(struct domain *domain, unsigned int order, unsigned int address_bits, mfn_t *first)
{
	if (order > FRAME_ORDER_MAX || !page_list_reserve(domain, 1ULL << order))
		return -ENOMEM;
	*first = extent_alloc(order, address_bits);
	if (mfn_is(*first, MFN_NONE)) {
		page_list_unreserve(domain, 1ULL << order);
		return -ENOMEM;
	}
	extent_give(domain, *first, order);
	return 0;
}

void alloc_add(uint64_t first, uint64_t end)
{
	spin_lock(&alloc_lock);
	free_count += end - first;
	total_count += end - first;
	while (first < end) {
		unsigned int order = 0;

		while (order < FRAME_ORDER_MAX && !(first & 1ULL << order) && first + (2ULL << order) <= end)
			order++;
		block_free(first, order);
		first += 1ULL << order;
	}
	spin_unlock(&alloc_lock);
}
