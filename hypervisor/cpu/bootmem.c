/* SPDX-License-Identifier: MIT */
/*
 * RAM before there is an allocator: its largest piece below 4 GiB (head.S has mapped that much) in which nothing lies.
 * Pages come from the low end of it, large ones from the high end; what is left in between is the allocator's.
 */
#include "boot/boot_info.h"
#include "cpu/paging.h"

#define LOW_MEMORY	0x100000UL	/* below: the BIOS, and where CPUs start */
#define MAPPED_EARLY	0x100000000UL

extern char image_start[], image_end[];

enum { IMAGE, PAGES, LARGE_PAGES, MODULES };

static struct piece {
	paddr_t start, end;
} taken[MODULES + BOOT_MODULES_MAX];
static struct piece area;
static bool is_closed;

/* Calls `found` for each piece of RAM of which nothing is taken. */
static void pieces_each(void (*found)(paddr_t start, paddr_t end))
{
	for (uint32_t i = 0; i < boot_info.range_count; i++) {
		const struct memory_range *range = &boot_info.range[i];
		paddr_t limit = (range->start + range->bytes) & PAGE_MASK, end, next;

		for (paddr_t at = ROUND_UP(MAX(range->start, LOW_MEMORY), PAGE_SIZE); at < limit; at = next) {
			end = next = limit;
			for (const struct piece *in = taken; in < taken + ARRAY_SIZE(taken); in++)
				if (in->start < end && in->end > at) {
					end = MAX(in->start, at);
					next = in->end;
				}
			if (at < end)
				found(at, end);
		}
	}
}

static void take(uint32_t which, paddr_t start, uint64_t bytes)
{
	taken[which] = (struct piece){ start & PAGE_MASK, ROUND_UP(start + bytes, PAGE_SIZE) };
}

static void area_compare(paddr_t start, paddr_t end)
{
	end = MIN(end, MAPPED_EARLY) & ~(LARGE_PAGE - 1);
	if (start < end && end - start > area.end - area.start)
		area = (struct piece){ start, end };
}

static void area_choose(void)
{
	take(IMAGE, virt_to_paddr(image_start), (uint64_t)(image_end - image_start));
	for (uint32_t i = 0; i < boot_info.module_count; i++)
		take(MODULES + i, boot_info.module[i].start, boot_info.module[i].bytes);
	pieces_each(area_compare);
	take(PAGES, area.start, 0);
	take(LARGE_PAGES, area.end, 0);
}

paddr_t boot_alloc(uint64_t bytes)
{
	paddr_t place;

	ASSERT(!is_closed, "boot_alloc() is closed");
	if (!area.end)
		area_choose();
	if (taken[LARGE_PAGES].start - taken[PAGES].end < bytes)
		refuse_to_run("boot: too little memory: no %lu KiB in one piece below 4 GiB", bytes >> 10);
	if (bytes == LARGE_PAGE) {
		place = taken[LARGE_PAGES].start -= bytes;
	} else {
		place = taken[PAGES].end;
		taken[PAGES].end += bytes;
	}
	memset(paddr_to_virt(place), 0, bytes);
	return place;
}

static void give(paddr_t start, paddr_t end) { alloc_add(start >> PAGE_SHIFT, end >> PAGE_SHIFT); }

void alloc_init(void)
{
	is_closed = true;
	pieces_each(give);
}

paddr_t core_page(void)
{
	mfn_t page;

	if (!is_closed)
		return boot_alloc(PAGE_SIZE);
	page = frame_alloc(0);
	if (mfn_is(page, MFN_NONE))
		refuse_to_run("boot: too little memory for the core's own tables and stacks");
	page_clear(mfn_to_virt(page));
	return mfn_to_paddr(page);
}
