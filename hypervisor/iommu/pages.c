/* SPDX-License-Identifier: MIT */
#include "iommu/pages.h"

#include "cpu/paging.h"
#include "iommu/registers.h"
#include "iommu/unit.h"

#define READ_WRITE	3ULL
#define LARGE		(1ULL << 7)

/* Capabilities. */
#define POOLS(capability)	(1u << (4 + 2 * ((capability) & 7)))
#define DEPTHS(capability)	((uint32_t)((capability) >> 8 & 31))	/* bit n: n + 2 levels */
#define ADDRESS_BITS(capability) ((uint32_t)((capability) >> 16 & 63) + 1)
#define HAS_LARGE(capability)	((capability) >> 34 & 1)		/* pages of 2 MiB; no pool has need of larger ones */
#define DEPTHS_KNOWN		6u					/* 3 and 4 levels */

static struct {
	uint32_t depths, address_bits, pools;
	bool has_large;
} limits = { DEPTHS_KNOWN, 64, 65536, true };

bool pages_limit(const struct vtd_unit *unit)
{
	limits.depths &= DEPTHS(unit->capability);
	limits.address_bits = MIN(limits.address_bits, ADDRESS_BITS(unit->capability));
	limits.has_large &= HAS_LARGE(unit->capability);
	limits.pools = MIN(limits.pools, POOLS(unit->capability));
	return limits.depths;
}

uint32_t pages_levels(void) { return limits.depths & 4 ? 4 : 3; }
uint32_t pages_pools_max(void) { return limits.pools; }

static unsigned int shift_of(unsigned int level) { return PAGE_SHIFT + 9 * (level - 1); }

/* Of the table in which what begins at `at` is mapped in one piece. */
static unsigned int level_for(paddr_t at, paddr_t end)
{
	return limits.has_large && at % LARGE_PAGE == 0 && end - at >= LARGE_PAGE ? 2 : 1;
}

static uint64_t *table_new(void)
{
	uint64_t *table = heap_alloc(PAGE_SIZE);

	if (table)
		cache_write_back(table, PAGE_SIZE);
	return table;
}

static void set(uint64_t *entry, uint64_t value)
{
	write_once(entry, value | READ_WRITE);
	cache_write_back(entry, sizeof(*entry));
}

/* The entry for `at` in a table of `level`; NULL without memory for one on the way. */
static uint64_t *entry_at(uint64_t *table, paddr_t at, unsigned int level)
{
	for (unsigned int above = pages_levels(); above > level; above--) {
		uint64_t *entry = &table[at >> shift_of(above) & 511];

		table = *entry ? paddr_to_virt(*entry & PTE_ADDRESS) : table_new();
		if (!table)
			return NULL;
		if (!*entry)
			set(entry, virt_to_paddr(table));
	}
	return &table[at >> shift_of(level) & 511];
}

static void free_below(uint64_t *table, unsigned int level)
{
	for (uint32_t i = 0; level > 1 && i < 512; i++)
		if (table[i] && !(table[i] & LARGE))
			free_below(paddr_to_virt(table[i] & PTE_ADDRESS), level - 1);
	heap_free(table);
}

void pages_free(uint64_t *top) { free_below(top, pages_levels()); }

int pages_map(mfn_t first, uint64_t count, uint64_t **top)
{
	paddr_t at = mfn_to_paddr(first), end = at + (count << PAGE_SHIFT);
	unsigned int level;

	if (end > 1ULL << MIN(limits.address_bits, shift_of(pages_levels() + 1)))
		return -ERANGE;
	*top = table_new();
	for (; *top && at < end; at += 1ULL << shift_of(level)) {
		uint64_t *entry = entry_at(*top, at, level = level_for(at, end));

		if (!entry) {
			pages_free(*top);
			*top = NULL;
			break;
		}
		set(entry, at | (level > 1 ? LARGE : 0));
	}
	return *top ? 0 : -ENOMEM;
}
