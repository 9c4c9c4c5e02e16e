/* SPDX-License-Identifier: MIT */
/*
 * Small memory for the core: blocks of 32 to 2048 bytes out of pages of one size each; from a page on, whole frames.
 * The first frame of the heap's pages has the shift of its blocks' size in `validated`, and in `next` how many are in use.
 * H1  A page of which no block is in use is not the heap's any more: what was taken for a domain is free after its end.
 */
#include "cpu/directmap.h"
#include "lib/spinlock.h"
#include "mem/alloc.h"
#include "mem/frame.h"

#define SHIFT_FIRST 5

struct block { struct block *next; };

static struct spinlock heap_lock;
static struct block *free_block[PAGE_SHIFT];	/* by shift */

static unsigned int shift_of(size_t bytes)
{
	unsigned int shift = SHIFT_FIRST;

	while ((1UL << shift) < bytes)
		shift++;
	return shift;
}

/* A page, or the pages that a larger block needs. */
static void *pages_alloc(unsigned int shift)
{
	mfn_t first = frame_alloc(MAX(shift, PAGE_SHIFT) - PAGE_SHIFT);

	if (mfn_is(first, MFN_NONE))
		return NULL;
	frame_of(first)->validated = (uint16_t)shift;
	frame_of(first)->next = 0;
	return mfn_to_virt(first);
}

static void block_put(struct block *block, unsigned int shift)
{
	block->next = free_block[shift];
	free_block[shift] = block;
}

static void *block_take(unsigned int shift)
{
	struct block *block = free_block[shift];
	char *page;

	if (!block) {
		page = pages_alloc(shift);
		for (size_t at = 0; page && at < PAGE_SIZE; at += 1UL << shift)
			block_put((struct block *)(page + at), shift);
		block = free_block[shift];
	}
	if (block) {
		free_block[shift] = block->next;
		frame_of(virt_to_mfn(block))->next++;
	}
	return block;
}

/* H1 */
static void page_release(mfn_t page, unsigned int shift)
{
	struct block **link = &free_block[shift];

	while (*link)
		if (mfn_is(virt_to_mfn(*link), page))
			*link = (*link)->next;
		else
			link = &(*link)->next;
	frame_free(page, 0);
}

void *heap_alloc(size_t bytes)
{
	unsigned int shift = shift_of(bytes);
	void *memory;

	if (shift >= PAGE_SHIFT) {
		memory = pages_alloc(shift);
	} else {
		spin_lock(&heap_lock);
		memory = block_take(shift);
		spin_unlock(&heap_lock);
	}
	return memory ? memset(memory, 0, 1UL << shift) : NULL;
}

void heap_free(void *memory)
{
	unsigned int shift;
	mfn_t page;

	if (!memory)
		return;
	page = virt_to_mfn(memory);
	shift = frame_of(page)->validated;
	if (shift >= PAGE_SHIFT) {
		frame_free(page, shift - PAGE_SHIFT);
		return;
	}
	spin_lock(&heap_lock);
	block_put(memory, shift);
	if (--frame_of(page)->next == 0)
		page_release(page, shift);
	spin_unlock(&heap_lock);
}
