/* SPDX-License-Identifier: MIT */
/*
 * T1  The frames that are page tables are mapped read-only, and so is a module that is Dom0's; all others writable.
 * T2  Entries are filled an L1 table at a time: the way down the tree is gone once for 512 pages.
 */
#include "lib/tables.h"

#include <assert.h>
#include <string.h>

#define PTE_PRESENT	1UL
#define PTE_WRITABLE	2UL
#define PTE_USER	4UL
#define PTE_ACCESSED	0x20UL
#define PTE_DIRTY	0x40UL
#define PTE_FRAME	0x000ffffffffff000UL
#define PAGE_FLAGS	(PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define TABLE_FLAGS	(PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED)
#define ENTRIES		512

struct filler {
	const struct layout *layout;
	const xen_pfn_t *mfn;
	uint8_t *memory;
	uint64_t next_pfn;		/* the next table is taken from here */
};

static uint64_t *table_at(const struct filler *filler, uint64_t pfn)
{
	return (uint64_t *)(filler->memory + (pfn << FRAME_SHIFT));
}

/* The table's pseudo-physical frame: it is one of the tables that were taken before. */
static uint64_t pfn_of(const struct filler *filler, uint64_t entry)
{
	const struct layout *layout = filler->layout;
	uint64_t first = layout_pfn(layout, layout->tables);
	uint64_t outside = layout->p2m_pfn + (layout->p2m_bytes >> FRAME_SHIFT);

	for (uint64_t pfn = first; pfn < first + layout->table_count; pfn++)
		if (filler->mfn[pfn] == (entry & PTE_FRAME) >> FRAME_SHIFT)
			return pfn;
	for (uint64_t pfn = outside; pfn < outside + layout->p2m_table_count; pfn++)
		if (filler->mfn[pfn] == (entry & PTE_FRAME) >> FRAME_SHIFT)
			return pfn;
	assert(!"T2: every table was taken from the layout");
	return 0;
}

/* The L1 table for `va`; tables that are missing are taken. */
static uint64_t *l1_for(struct filler *filler, uint64_t va)
{
	uint64_t pfn = layout_pfn(filler->layout, filler->layout->tables);

	for (unsigned int shift = 39; shift > 12; shift -= 9) {
		uint64_t *entry = &table_at(filler, pfn)[va >> shift & (ENTRIES - 1)];

		if (*entry) {
			pfn = pfn_of(filler, *entry);
			continue;
		}
		pfn = filler->next_pfn++;
		memset(table_at(filler, pfn), 0, FRAME_BYTES);
		*entry = filler->mfn[pfn] << FRAME_SHIFT | TABLE_FLAGS;
	}
	return table_at(filler, pfn);
}

static void map_pages(struct filler *filler, uint64_t va, uint64_t pfn, uint64_t count)
{
	uint64_t tables = layout_pfn(filler->layout, filler->layout->tables);
	uint64_t *table = NULL;

	for (uint64_t i = 0; i < count; i++, va += FRAME_BYTES) {
		uint64_t slot = va >> FRAME_SHIFT & (ENTRIES - 1);
		bool is_readonly = pfn + i - tables < filler->layout->table_count ||
				   pfn + i - filler->layout->initrd_pfn < filler->layout->readonly_pages;	/* T1 */

		if (!table || !slot)
			table = l1_for(filler, va);
		table[slot] = filler->mfn[pfn + i] << FRAME_SHIFT | PAGE_FLAGS | (is_readonly ? 0 : PTE_WRITABLE);
	}
}

void tables_fill(const struct layout *layout, const xen_pfn_t *mfn, uint8_t *memory)
{
	uint64_t tables = layout_pfn(layout, layout->tables), p2m_pages = layout->p2m_bytes >> FRAME_SHIFT;
	struct filler filler = { .layout = layout, .mfn = mfn, .memory = memory, .next_pfn = tables + 1 };

	memset(table_at(&filler, tables), 0, FRAME_BYTES);
	map_pages(&filler, layout->start, 0, layout_pfn(layout, layout->end));
	assert(filler.next_pfn <= tables + layout->table_count);
	if (!layout->p2m_is_outside)
		return;
	filler.next_pfn = layout->p2m_pfn + p2m_pages;
	map_pages(&filler, layout->p2m, layout->p2m_pfn, p2m_pages);
	assert(filler.next_pfn <= layout->frames_needed);
}
