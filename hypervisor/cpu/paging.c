/* SPDX-License-Identifier: MIT */
/*
 * The core's address space (cpu/layout.h).
 * P1  Text is executable and not writable, constants neither, all else writable and not executable.
 * P2  The L4 slots of the core never change after boot: each guest's L4 has a copy. What is mapped later goes below them.
 */
#include "boot/boot_info.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/tlb.h"

#define TABLE_FLAGS	(PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED | PTE_DIRTY)
#define CHUNK_FRAMES	(LARGE_PAGE / sizeof(struct frame))	/* frames that 2 MiB of frame table describe */
#define M2P_FRAMES	(LARGE_PAGE / sizeof(uint64_t))

/* boot/head.S */
extern char image_start[], text_end[], rodata_end[], image_end[], boot_stack[];
extern uint64_t image_moved, start_l4[512];

uint64_t core_l4[512] ALIGNED(4096);

void *paddr_to_virt(paddr_t address) { return (void *)(DIRECTMAP_START + address); }

paddr_t virt_to_paddr(const void *address)
{
	uint64_t va = (uint64_t)address;

	if (va >= DIRECTMAP_START)
		return va - DIRECTMAP_START;
	return va - IMAGE_START + IMAGE_LOAD + image_moved;
}

static uint64_t *table_of(uint64_t entry) { return paddr_to_virt(entry & PTE_ADDRESS); }

/* The table behind an entry of one of our tables; made if there is none. */
static uint64_t *table_below(uint64_t *entry)
{
	/* Slot 256 is for guests to read: the way to it has the user bit, what is mapped there decides. */
	if (!(*entry & PTE_PRESENT))
		write_once(entry, core_page() | TABLE_FLAGS | PTE_USER);
	return table_of(*entry);
}

/* The entry that maps `va` in a table of `level`; tables on the way are made as needed. */
static uint64_t *entry_at(uint64_t va, unsigned int level)
{
	uint64_t *table = core_l4;

	for (unsigned int above = 4; above > level; above--)
		table = table_below(&table[va >> (9 * above + 3) & 511]);
	return &table[va >> (9 * level + 3) & 511];
}

uint64_t *paging_l1_entry(uint64_t va) { return entry_at(va, 1); }

/* Where the large page at `va` lies; 0 if there is none. */
static paddr_t large_page(uint64_t va) { return *entry_at(va, 2) & PTE_ADDRESS; }

static uint64_t leaf_flags(uint64_t flags)
{
	flags |= PTE_ACCESSED | (flags & PTE_WRITABLE ? PTE_DIRTY : 0);
	if (cpu_features.pge && !(flags & PTE_USER))
		flags |= PTE_GLOBAL;
	return cpu_features.nx ? flags : flags & ~PTE_NO_EXECUTE;
}

void paging_map(uint64_t va, paddr_t pa, uint64_t bytes, uint64_t flags)
{
	flags = leaf_flags(flags);
	while (bytes) {
		bool is_large = bytes >= LARGE_PAGE && !((va | pa) & (LARGE_PAGE - 1));
		uint64_t step = is_large ? LARGE_PAGE : PAGE_SIZE;

		*entry_at(va, is_large ? 2 : 1) = pa | flags | (is_large ? PTE_LARGE : 0);
		va += step;
		pa += step;
		bytes -= step;
	}
}

/* Of the direct map. P1 holds there too: the image's text and constants are not writable. */
static void map_ram(paddr_t start, paddr_t end)
{
	paddr_t fixed = virt_to_paddr(image_start), fixed_end = virt_to_paddr(rodata_end), next;

	if (end > CORE_END - DIRECTMAP_START)
		panic("paging: RAM at 0x%lx, beyond the 5 TiB that the core can map", end);
	for (; start < end; start = next) {
		bool is_fixed = start >= fixed && start < fixed_end;

		next = is_fixed ? MIN(end, fixed_end) : start < fixed ? MIN(end, fixed) : end;
		paging_map(DIRECTMAP_START + start, start, next - start, is_fixed ? CORE_READ : CORE_WRITE);
	}
}

static void map_image(const char *start, const char *end, uint64_t flags)
{
	paging_map((uint64_t)start, virt_to_paddr(start), (uint64_t)(end - start), flags);
}

static paddr_t large_page_new(uint64_t va, uint64_t flags)
{
	paddr_t page = boot_alloc(LARGE_PAGE);

	paging_map(va, page, LARGE_PAGE, flags);
	return page;
}

/* Frame table and machine-to-physical table stand only where there is RAM to describe. */
static void map_frame_tables(uint64_t first, uint64_t end)
{
	frame_limit = MAX(frame_limit, end);
	for (uint64_t chunk = first / CHUNK_FRAMES; chunk <= (end - 1) / CHUNK_FRAMES; chunk++) {
		if (frame_chunk_exists(chunk))
			continue;
		frame_chunk_add(chunk);
		large_page_new(FRAMES_START + chunk * LARGE_PAGE, CORE_WRITE);
	}
	for (uint64_t chunk = first / M2P_FRAMES; chunk <= (end - 1) / M2P_FRAMES; chunk++) {
		paddr_t table;

		if (large_page(M2P_START + chunk * LARGE_PAGE))
			continue;
		table = large_page_new(M2P_START + chunk * LARGE_PAGE, CORE_GUEST_READ);
		memset(paddr_to_virt(table), 0xff, LARGE_PAGE);
		paging_map(M2P_WRITABLE_START + chunk * LARGE_PAGE, table, LARGE_PAGE, CORE_WRITE);
	}
}

void paging_init(void)
{
	for (uint32_t i = 0; i < boot_info.range_count; i++) {
		const struct memory_range *range = &boot_info.range[i];
		uint64_t first = range->start >> PAGE_SHIFT;
		uint64_t end = (range->start + range->bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;

		map_ram(first << PAGE_SHIFT, end << PAGE_SHIFT);
		map_frame_tables(first, end);
	}
	map_image(image_start, text_end, CORE_EXECUTE);
	map_image(text_end, rodata_end, CORE_READ);
	map_image(rodata_end, image_end, CORE_WRITE);
	paging_map(WINDOWS_START + STACK_MAIN_FIRST_PAGE * PAGE_SIZE, virt_to_paddr(boot_stack),
		   STACK_SPAN - STACK_MAIN_FIRST_PAGE * PAGE_SIZE, CORE_WRITE);
	table_below(&core_l4[MMIO_START >> 39 & 511]);
	paging_load_core();
	paging_fill_core_slots(start_l4);
}

paddr_t core_cr3(void) { return virt_to_paddr(start_l4); }

void paging_load_core(void) { tlb_load_base(virt_to_paddr(core_l4)); }

void paging_fill_core_slots(uint64_t *l4)
{
	memcpy(&l4[L4_CORE_FIRST], &core_l4[L4_CORE_FIRST], (L4_CORE_END - L4_CORE_FIRST) * sizeof(uint64_t));
}

void paging_set_m2p_slot(uint64_t *l4, bool is_visible) { write_once(&l4[L4_CORE_FIRST], is_visible ? core_l4[L4_CORE_FIRST] : 0); }

struct frame *const frame_table = (struct frame *)FRAMES_START;

void m2p_set(mfn_t frame, gfn_t guest) { write_once((uint64_t *)M2P_WRITABLE_START + frame.raw, guest.raw); }

gfn_t m2p_get(mfn_t frame) { return gfn(read_once((uint64_t *)M2P_WRITABLE_START + frame.raw)); }

static uint64_t mmio_next = MMIO_START;

static uint64_t map_next(paddr_t address, size_t bytes, uint64_t flags)
{
	paddr_t start = address & PAGE_MASK;
	uint64_t size = ROUND_UP(address + bytes, PAGE_SIZE) - start, va;

	if (size >= LARGE_PAGE)			/* by large pages, as far as it goes */
		mmio_next = ROUND_UP(mmio_next, LARGE_PAGE) + start % LARGE_PAGE;
	va = mmio_next;
	mmio_next += size + PAGE_SIZE;		/* a guard between any two */
	paging_map(va, start, size, flags);
	return va + (address - start);
}

volatile void *mmio_map(paddr_t address, size_t bytes) { return (volatile void *)map_next(address, bytes, CORE_UNCACHED); }

const void *boot_map(paddr_t address, size_t bytes) { return (const void *)map_next(address, bytes, CORE_READ); }
