/* SPDX-License-Identifier: MIT */
/*
 * RAM before there is an allocator: the loader's map less what is occupied. Allocations come from the top of the
 * highest free range below 4 GiB, which head.S has mapped.
 */
#include "boot/boot_info.h"
#include "cpu/directmap.h"
#include "cpu/paging.h"
#include "include/types.h"
#include "lib/log.h"
#include "lib/string.h"
#include "mem/alloc.h"

#define LOW_MEMORY	0x100000	/* below: the BIOS, and where CPUs start */
#define MAPPED_EARLY	0x100000000
#define RANGES_MAX	(2 * BOOT_RANGES_MAX)

extern char image_start[], image_end[];

static struct memory_range free_range[RANGES_MAX];
static uint32_t free_count;
static bool is_closed;

static void range_add(paddr_t start, paddr_t end)
{
	if (free_count == RANGES_MAX)
		refuse_to_run("boot: the memory map is in more than %d pieces", RANGES_MAX);
	free_range[free_count++] = (struct memory_range){ start, end - start };
}

/* Ranges may become empty. */
static void reserve(paddr_t start, uint64_t bytes)
{
	paddr_t end = ROUND_UP(start + bytes, PAGE_SIZE);
	uint32_t count = free_count;

	start &= PAGE_MASK;
	for (uint32_t i = 0; i < count; i++) {
		struct memory_range *range = &free_range[i];
		paddr_t range_end = range->start + range->bytes;

		if (end <= range->start || start >= range_end)
			continue;
		if (end < range_end)
			range_add(end, range_end);
		range->bytes = MAX(start, range->start) - range->start;
	}
}

static void ranges_collect(void)
{
	for (uint32_t i = 0; i < boot_info.range_count; i++) {
		const struct memory_range *range = &boot_info.range[i];
		paddr_t start = ROUND_UP(MAX(range->start, (paddr_t)LOW_MEMORY), PAGE_SIZE);
		paddr_t end = (range->start + range->bytes) & PAGE_MASK;

		if (end > start)
			range_add(start, end);
	}
	reserve(virt_to_paddr(image_start), (uint64_t)(image_end - image_start));
	for (uint32_t i = 0; i < boot_info.module_count; i++)
		reserve(boot_info.module[i].start, boot_info.module[i].bytes);
}

paddr_t boot_alloc(uint64_t bytes, uint64_t align)
{
	const struct memory_range *best = NULL;
	paddr_t place = 0;

	if (free_count == 0)
		ranges_collect();
	ASSERT(!is_closed, "boot_alloc() is closed");
	for (uint32_t i = 0; i < free_count; i++) {
		const struct memory_range *range = &free_range[i];
		paddr_t end = MIN(range->start + range->bytes, (paddr_t)MAPPED_EARLY);
		paddr_t last = (end - bytes) & ~(align - 1);	/* as high as it goes */

		if (end < bytes || last < range->start || (best && range->start < best->start))
			continue;
		best = range;
		place = last;
	}
	if (!best)
		refuse_to_run("boot: too little memory: no %lu KiB in one piece below 4 GiB", bytes >> 10);
	reserve(place, bytes);
	memset(paddr_to_virt(place), 0, bytes);
	return place;
}

void alloc_init(void)
{
	is_closed = true;
	for (uint32_t i = 0; i < free_count; i++)
		if (free_range[i].bytes)
			alloc_add(free_range[i].start >> PAGE_SHIFT,
				  (free_range[i].start + free_range[i].bytes) >> PAGE_SHIFT);
}

paddr_t core_page(void)
{
	mfn_t page;

	if (!is_closed)
		return boot_alloc(PAGE_SIZE, PAGE_SIZE);
	page = frame_alloc(0);
	if (mfn_is(page, MFN_NONE))
		refuse_to_run("boot: too little memory for the core's own tables and stacks");
	page_clear(mfn_to_virt(page));
	return mfn_to_paddr(page);
}
