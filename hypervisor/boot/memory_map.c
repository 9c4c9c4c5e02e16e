/* SPDX-License-Identifier: MIT */
/*
 * The memory map. Loaders deliver it unsorted, and firmware with overlaps.
 * M1  After memory_map_finish() the ranges are sorted, none is empty, none overlaps another.
 */
#include "boot/memory_map.h"

#include "lib/log.h"
#include "lib/string.h"

#define ADDRESS_END	(1ULL << 52)	/* no CPU has more */
#define LOW_END		0x9f000		/* above it the BIOS may keep things */

/* What the loader said; two for each that we can keep, so that pieces of one kind have a chance to join. */
static struct memory_range piece[BOOT_RANGES_MAX * 2];
static uint32_t piece_count;

static uint64_t range_end(const struct memory_range *range)
{
	return range->start + range->bytes;
}

void memory_map_add(paddr_t start, uint64_t bytes, enum memory_kind kind)
{
	struct memory_range *last = piece_count > 0 ? &piece[piece_count - 1] : NULL;

	if (start >= ADDRESS_END || bytes == 0)
		return;
	bytes = MIN(bytes, ADDRESS_END - start);
	if (last && last->kind == kind && range_end(last) == start) {
		last->bytes += bytes;
		return;
	}
	if (piece_count == ARRAY_SIZE(piece))
		refuse_to_run("memory map: more than %u ranges", piece_count);
	piece[piece_count++] = (struct memory_range){ start, bytes, kind };
}

/* The first start or end of a piece that is above `address`. */
static paddr_t next_edge(paddr_t address)
{
	paddr_t edge = UINT64_MAX;

	for (uint32_t i = 0; i < piece_count; i++) {
		if (piece[i].start > address)
			edge = MIN(edge, piece[i].start);
		if (range_end(&piece[i]) > address)
			edge = MIN(edge, range_end(&piece[i]));
	}
	return edge;
}

/* 0: nothing is there */
static int kind_at(paddr_t address)
{
	int kind = 0;

	for (uint32_t i = 0; i < piece_count; i++)
		if (piece[i].start <= address && address < range_end(&piece[i]))
			kind = MAX(kind, (int)piece[i].kind);
	return kind;
}

static void append(paddr_t start, paddr_t end, enum memory_kind kind)
{
	uint32_t count = boot_info.range_count;
	struct memory_range *last = count > 0 ? &boot_info.range[count - 1] : NULL;

	if (last && last->kind == kind && range_end(last) == start)
		last->bytes = end - last->start;
	else if (boot_info.range_count < BOOT_RANGES_MAX)
		boot_info.range[boot_info.range_count++] = (struct memory_range){ start, end - start, kind };
	else
		refuse_to_run("memory map: more than %u ranges", boot_info.range_count);
}

void memory_map_finish(void)
{
	paddr_t start, end;
	int kind;

	boot_info.range_count = 0;
	for (start = 0; (end = next_edge(start)) != UINT64_MAX; start = end) {
		kind = kind_at(start);
		if (kind)
			append(start, end, (enum memory_kind)kind);
	}
	piece_count = 0;
}

static bool module_lies_in(paddr_t page)
{
	for (uint32_t i = 0; i < boot_info.module_count; i++)
		if (boot_info.module[i].start < page + PAGE_SIZE &&
		    page < boot_info.module[i].start + boot_info.module[i].bytes)
			return true;
	return false;
}

static bool page_is_ram(paddr_t page)
{
	for (uint32_t i = 0; i < boot_info.range_count; i++)
		if (boot_info.range[i].kind == MEMORY_RAM && boot_info.range[i].start <= page &&
		    page + PAGE_SIZE <= range_end(&boot_info.range[i]))
			return true;
	return false;
}

paddr_t memory_map_low_page(void)
{
	for (paddr_t page = LOW_END - PAGE_SIZE; page > 0; page -= PAGE_SIZE)
		if (page_is_ram(page) && !module_lies_in(page))
			return page;
	return 0;
}
