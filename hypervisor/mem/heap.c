/* SPDX-License-Identifier: MIT */
/*
 * Small memory for the core: blocks of 32 to 2048 bytes out of pages of one size each; from a page on, whole frames.
 * A frame of the heap says in `validated` which: a size class, or LARGE and its order.
 */
#include "cpu/directmap.h"
#include "include/types.h"
#include "lib/spinlock.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/frame.h"

#define CLASS_FIRST_SHIFT	5
#define CLASS_COUNT		7		/* 32 .. 2048 */
#define LARGE			0x100

struct block { struct block *next; };

static struct spinlock heap_lock;
static struct block *free_block[CLASS_COUNT];

static uint32_t class_of(size_t bytes)
{
	uint32_t class = 0;

	while ((1UL << (CLASS_FIRST_SHIFT + class)) < bytes)
		class++;
	return class;
}

/* heap_lock held. */
static bool refill(uint32_t class)
{
	mfn_t frame = frame_alloc(0);
	char *page;

	if (mfn_is(frame, MFN_NONE))
		return false;
	frame_at(frame)->validated = (uint16_t)class;
	page = mfn_to_virt(frame);
	for (size_t at = 0; at < PAGE_SIZE; at += 1UL << (CLASS_FIRST_SHIFT + class)) {
		struct block *block = (struct block *)(page + at);

		block->next = free_block[class];
		free_block[class] = block;
	}
	return true;
}

static void *alloc_large(size_t bytes)
{
	unsigned int order = 0;
	mfn_t frame;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	frame = frame_alloc(order);
	if (mfn_is(frame, MFN_NONE))
		return NULL;
	frame_at(frame)->validated = (uint16_t)(LARGE | order);
	memset(mfn_to_virt(frame), 0, PAGE_SIZE << order);
	return mfn_to_virt(frame);
}

void *heap_alloc(size_t bytes)
{
	uint32_t class = class_of(bytes);
	struct block *block = NULL;

	if (class >= CLASS_COUNT)
		return alloc_large(bytes);
	spin_lock(&heap_lock);
	if (free_block[class] || refill(class)) {
		block = free_block[class];
		free_block[class] = block->next;
	}
	spin_unlock(&heap_lock);
	if (block)
		memset(block, 0, 1UL << (CLASS_FIRST_SHIFT + class));
	return block;
}

void heap_free(void *memory)
{
	struct block *block = memory;
	struct frame *frame;

	if (!memory)
		return;
	frame = frame_at(virt_to_mfn(memory));
	if (frame->validated & LARGE) {
		frame_free(frame_number(frame), frame->validated & 0xff);
		return;
	}
	spin_lock(&heap_lock);
	block->next = free_block[frame->validated];
	free_block[frame->validated] = block;
	spin_unlock(&heap_lock);
}
