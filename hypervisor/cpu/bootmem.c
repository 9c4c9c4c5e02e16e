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

#define LOW_MEMORY	0x100000	/* below: the BIOS, and where CPUs start */
#define MAPPED_EARLY	0x100000000
#define RANGES_MAX	(2 * BOOT_RANGES_MAX)

extern char image_start[], image_end[];

static struct memory_range free_range[RANGES_MAX];
static uint32_t free_count;
static bool is_closed;

static void range_cut(paddr_t start, paddr_t end)
{
	uint32_t count = free_count;

	for (uint32_t i = 0; i < count; i++) {
		struct memory_range *range = &free_range[i];
		paddr_t range_end = range->start + range->bytes;

		if (end <= range->start || start >= range_end)
			continue;
		if (start > range->start && end < range_end) {
			if (free_count == RANGES_MAX)
				refuse_to_run("boot: the memory map is in more than %d pieces", RANGES_MAX);
			free_range[free_count++] = (struct memory_range){ end, range_end - end, MEMORY_RAM };
			range->bytes = start - range->start;
		} else if (start <= range->start) {
			range->start = MIN(end, range_end);
			range->bytes = range_end - range->start;
		} else {
			range->bytes = start - range->start;
		}
	}
}

void boot_reserve(paddr_t start, uint64_t bytes)
{
	range_cut(start & PAGE_MASK, ROUND_UP(start + bytes, PAGE_SIZE));
}

static void ranges_collect(void)
{
	for (uint32_t i = 0; i < boot_info.range_count; i++) {
		const struct memory_range *range = &boot_info.range[i];
		paddr_t start = ROUND_UP(MAX(range->start, (paddr_t)LOW_MEMORY), PAGE_SIZE);
		paddr_t end = (range->start + range->bytes) & PAGE_MASK;

		if (range->kind == MEMORY_RAM && end > start)
			free_range[free_count++] = (struct memory_range){ start, end - start, MEMORY_RAM };
	}
	boot_reserve(virt_to_paddr(image_start), (uint64_t)(image_end - image_start));
	for (uint32_t i = 0; i < boot_info.module_count; i++)
		boot_reserve(boot_info.module[i].start, boot_info.module[i].bytes);
}

paddr_t boot_alloc(uint64_t bytes, uint64_t align)
{
	struct memory_range *best = NULL;
	paddr_t place = 0;

	if (free_count == 0)
		ranges_collect();
	ASSERT(!is_closed, "boot_alloc() is closed");
	for (uint32_t i = 0; i < free_count; i++) {
		struct memory_range *range = &free_range[i];
		paddr_t end = MIN(range->start + range->bytes, (paddr_t)MAPPED_EARLY);

		if (end < range->start + bytes || (best && range->start < best->start))
			continue;
		if (((end - bytes) & ~(align - 1)) < range->start)
			continue;
		best = range;
		place = (end - bytes) & ~(align - 1);
	}
	if (!best)
		refuse_to_run("boot: too little memory: no %lu KiB in one piece below 4 GiB", bytes >> 10);
	boot_reserve(place, bytes);
	memset(paddr_to_virt(place), 0, bytes);
	return place;
}

uint32_t boot_free_ranges(const struct memory_range **ranges)
{
	if (free_count == 0)
		ranges_collect();
	is_closed = true;
	*ranges = free_range;
	return free_count;
}
