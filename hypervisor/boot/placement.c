/* SPDX-License-Identifier: MIT */
/* Arithmetic alone: nothing is allocated or written here. */
#include "boot/placement.h"

#include <xen/xen.h>

#include "boot/elf.h"
#include "lib/log.h"

#define END_ALIGNMENT	(4ULL << 20)
#define END_ROOM	(512ULL << 10)
#define LOW_END		0x0000800000000000ULL	/* of the lower half */

/* How many page tables below the L4 it takes to map [start, end). */
static uint64_t tables_below_l4(uint64_t start, uint64_t end)
{
	uint64_t count = 0;

	for (unsigned int shift = 21; shift <= 39; shift += 9)
		count += ((end - 1) >> shift) - (start >> shift) + 1;
	return count;
}

/* Is [start, end) a guest's to use: in one half, and not the core's? */
static bool range_ok(uint64_t start, uint64_t end)
{
	return end > start && (end <= LOW_END || start >= HYPERVISOR_VIRT_END);
}

/* What is packed together, up to the end of the first region. */
static void place_first_region(const struct elf_kernel *kernel, uint64_t initrd_bytes, struct placement *place)
{
	uint64_t at = kernel->end;

	if (initrd_bytes && !kernel->initrd_by_frame) {
		place->initrd = at;
		place->initrd_pfn = placement_pfn(place, at);
		at += ROUND_UP(initrd_bytes, PAGE_SIZE);
	}
	if (!place->p2m_is_outside) {
		place->p2m = at;
		place->p2m_pfn = placement_pfn(place, at);
		at += place->p2m_bytes;
	}
	place->start_info = at;
	place->tables = at + PAGE_SIZE;
	/* The page tables map the end, and the end comes behind the page tables. */
	do {
		place->table_count++;
		place->stack_end = place->tables + (place->table_count + 1) * PAGE_SIZE;
		place->end = ROUND_UP(place->stack_end + END_ROOM, END_ALIGNMENT);
	} while (place->end > place->start &&
		 1 + tables_below_l4(place->start, place->end) > place->table_count);
}

void placement_choose(const struct elf_kernel *kernel, uint64_t frames, uint64_t initrd_bytes,
		      struct placement *place)
{
	uint64_t p2m_bytes = ROUND_UP(frames * sizeof(uint64_t), PAGE_SIZE);
	uint64_t p2m = kernel->init_p2m, p2m_end = p2m + p2m_bytes;

	*place = (struct placement){ .start = kernel->virt_base, .p2m = p2m, .p2m_bytes = p2m_bytes,
				     .p2m_is_outside = p2m != ELF_ADDRESS_NONE };
	place_first_region(kernel, initrd_bytes, place);
	place->frames_needed = placement_pfn(place, place->end);
	if (!range_ok(place->start, place->end))
		refuse_to_run("Domain-0: its first address space, 0x%lx to 0x%lx, is not a guest's to use",
			      place->start, place->end);
	if (place->p2m_is_outside) {
		if (p2m % PAGE_SIZE || !range_ok(p2m, p2m_end) || (p2m_end > place->start && p2m < place->end))
			refuse_to_run("Domain-0: INIT_P2M 0x%lx is no place for a list of 0x%lx bytes", p2m, p2m_bytes);
		place->p2m_pfn = place->frames_needed;
		place->p2m_table_count = tables_below_l4(p2m, p2m_end);
		place->frames_needed += (p2m_bytes >> PAGE_SHIFT) + place->p2m_table_count;
	}
	if (initrd_bytes && kernel->initrd_by_frame) {
		place->initrd_pfn = place->frames_needed;
		place->frames_needed += ROUND_UP(initrd_bytes, PAGE_SIZE) >> PAGE_SHIFT;
	}
	if (place->frames_needed > frames)
		refuse_to_run("Domain-0: too little memory: kernel, initrd and tables need %lu MiB, there are %lu",
			      (place->frames_needed >> 8) + 1, frames >> 8);
}
