/* SPDX-License-Identifier: MIT */
/*
 * Domain-0's first page tables, written before anything validates them.
 * T1  Frames that are page tables are mapped read-only, all others writable.
 */
#include "boot/dom0.h"

#include "boot/placement.h"
#include "cpu/directmap.h"
#include "lib/log.h"
#include "mem/mmu.h"

#define TABLE_FLAGS	(PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED)
#define PAGE_FLAGS	(PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY)

struct mapper {
	const uint64_t *frame_of;
	uint64_t root_pfn;
	uint64_t next_pfn, last_pfn;	/* frames for tables */
};

static unsigned int index_at(uint64_t va, unsigned int level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

static pte_t *table_at(const struct mapper *mapper, uint64_t pfn)
{
	return mfn_to_virt(mfn(mapper->frame_of[pfn]));
}

/* The L1 entry for `va`; tables that are missing are taken from the frames that were set aside. */
static pte_t *entry_for(struct mapper *mapper, uint64_t va)
{
	pte_t *table = table_at(mapper, mapper->root_pfn);

	for (unsigned int level = 4; level > 1; level--) {
		pte_t *entry = &table[index_at(va, level)];

		if (!*entry) {
			ASSERT(mapper->next_pfn < mapper->last_pfn, "placement_choose() counted the tables");
			*entry = mapper->frame_of[mapper->next_pfn++] << PAGE_SHIFT | TABLE_FLAGS;
		}
		table = mfn_to_virt(pte_frame(*entry));
	}
	return &table[index_at(va, 1)];
}

static void map_pages(struct mapper *mapper, uint64_t va, uint64_t pfn, uint64_t count, uint64_t flags)
{
	for (uint64_t i = 0; i < count; i++)
		*entry_for(mapper, va + i * PAGE_SIZE) = mapper->frame_of[pfn + i] << PAGE_SHIFT | flags;
}

void dom0_map(const struct placement *place, const uint64_t *frame_of)
{
	uint64_t tables_pfn = placement_pfn(place, place->tables);
	uint64_t tables_end = tables_pfn + place->table_count, end = placement_pfn(place, place->end);
	uint64_t p2m_pages = place->p2m_bytes >> PAGE_SHIFT;
	struct mapper mapper = { .frame_of = frame_of, .root_pfn = tables_pfn, .next_pfn = tables_pfn + 1,
				 .last_pfn = tables_end };

	map_pages(&mapper, place->start, 0, tables_pfn, PAGE_FLAGS | PTE_WRITABLE);
	map_pages(&mapper, place->tables, tables_pfn, place->table_count, PAGE_FLAGS);		/* T1 */
	map_pages(&mapper, place->start + (tables_end << PAGE_SHIFT), tables_end, end - tables_end,
		  PAGE_FLAGS | PTE_WRITABLE);
	if (!place->p2m_is_outside)
		return;
	mapper.next_pfn = place->p2m_pfn + p2m_pages;
	mapper.last_pfn = mapper.next_pfn + place->p2m_table_count;
	map_pages(&mapper, place->p2m, place->p2m_pfn, p2m_pages, PAGE_FLAGS | PTE_WRITABLE);
}
