/* SPDX-License-Identifier: MIT */
/*
 * The memory map. Loaders deliver it unsorted, and firmware with overlaps.
 * M1  After memory_map_finish() the ranges are sorted, none is empty, none overlaps another.
 */
#include "boot/boot_info.h"

#define ADDRESS_END	(1ULL << 52)	/* no CPU has more */
#define LOW_END		0x9f000		/* above it the BIOS may keep things */

/* What the loader said. */
static struct piece {
	paddr_t start, end;
	bool is_ram;
} piece[BOOT_RANGES_MAX * 2];
static uint32_t piece_count;

void memory_map_add(paddr_t start, uint64_t bytes, bool is_ram)
{
	if (start >= ADDRESS_END || bytes == 0)
		return;
	if (piece_count == ARRAY_SIZE(piece))
		refuse_to_run("memory map: more than %u pieces", piece_count);
	piece[piece_count++] = (struct piece){ start, start + MIN(bytes, ADDRESS_END - start), is_ram };
}

/* Is there RAM at `start`, and nothing else? *end: up to where the same is true. */
static bool is_ram_at(paddr_t start, paddr_t *end)
{
	bool is_ram = false, is_other = false;

	*end = ADDRESS_END;
	for (uint32_t i = 0; i < piece_count; i++) {
		if (start < piece[i].start) {
			*end = MIN(*end, piece[i].start);
		} else if (start < piece[i].end) {
			*end = MIN(*end, piece[i].end);
			*(piece[i].is_ram ? &is_ram : &is_other) = true;
		}
	}
	return is_ram && !is_other;
}

static void append(paddr_t start, paddr_t end)
{
	struct memory_range *next = &boot_info.range[boot_info.range_count];

	if (boot_info.range_count > 0 && next[-1].start + next[-1].bytes == start) {
		next[-1].bytes = end - next[-1].start;
		return;
	}
	if (boot_info.range_count++ == BOOT_RANGES_MAX)
		refuse_to_run("memory map: more than %u ranges", BOOT_RANGES_MAX);
	*next = (struct memory_range){ start, end - start };
}

static paddr_t low_page(void)
{
	paddr_t end;

	for (paddr_t page = LOW_END - PAGE_SIZE; page > 0; page -= PAGE_SIZE)
		if (is_ram_at(page, &end) && end >= page + PAGE_SIZE)
			return page;
	return 0;
}

void memory_map_finish(void)
{
	paddr_t end;

	boot_info.range_count = 0;
	for (paddr_t start = 0; start < ADDRESS_END; start = end)
		if (is_ram_at(start, &end))
			append(start, end);
	boot_info.trampoline = low_page();
	piece_count = 0;
}
