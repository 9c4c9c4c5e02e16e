/* SPDX-License-Identifier: MIT */
/* Arithmetic alone: nothing is allocated or written here. */
#include "boot/placement.h"

#include <xen/xen.h>

#include "boot/elf.h"
#include "include/errno.h"
#include "lib/log.h"
#include "lib/string.h"

#define END_ALIGNMENT	(4ULL << 20)
#define END_ROOM	(512ULL << 10)
#define LOW_END		0x0000800000000000ULL	/* of the lower half */

/* How many tables, each for 2^shift bytes, it takes to map [start, end). */
static uint64_t spans(uint64_t start, uint64_t end, unsigned int shift)
{
	return ((end - 1) >> shift) - (start >> shift) + 1;
}

static uint64_t tables_below_l4(uint64_t start, uint64_t end)
{
	return spans(start, end, 39) + spans(start, end, 30) + spans(start, end, 21);
}

/* Is [start, end) a guest's to use: in one half, and not the core's? */
static bool range_ok(uint64_t start, uint64_t end)
{
	if (end <= start)
		return false;
	return end <= LOW_END || start >= HYPERVISOR_VIRT_END;
}

/* What must be mapped and is packed together, up to the page tables. */
static void place_front(const struct elf_kernel *kernel, uint64_t initrd_bytes, struct placement *place)
{
	uint64_t at = kernel->end;

	if (initrd_bytes && !kernel->initrd_by_frame) {
		place->initrd = at;
		place->initrd_pfn = placement_pfn(place, at);
		at += ROUND_UP(initrd_bytes, PAGE_SIZE);
	}
	place->p2m_is_outside = kernel->init_p2m != ELF_ADDRESS_NONE;
	if (place->p2m_is_outside) {
		place->p2m = kernel->init_p2m;
	} else {
		place->p2m = at;
		place->p2m_pfn = placement_pfn(place, at);
		at += place->p2m_bytes;
	}
	place->start_info = at;
	place->tables = at + PAGE_SIZE;
}

/* The page tables map the end, and the end comes behind the page tables. */
static void place_end(struct placement *place)
{
	place->table_count = 0;
	do {
		place->table_count++;
		place->stack_end = place->tables + (place->table_count + 1) * PAGE_SIZE;
		place->end = ROUND_UP(place->stack_end + END_ROOM, END_ALIGNMENT);
	} while (1 + tables_below_l4(place->start, place->end) > place->table_count);
}

static void place_behind(const struct elf_kernel *kernel, uint64_t initrd_bytes, struct placement *place)
{
	uint64_t pfn = placement_pfn(place, place->end);

	if (place->p2m_is_outside) {
		place->p2m_pfn = pfn;
		place->p2m_table_count = tables_below_l4(place->p2m, place->p2m + place->p2m_bytes);
		pfn += (place->p2m_bytes >> PAGE_SHIFT) + place->p2m_table_count;
	}
	if (initrd_bytes && kernel->initrd_by_frame) {
		place->initrd_pfn = pfn;
		pfn += ROUND_UP(initrd_bytes, PAGE_SIZE) >> PAGE_SHIFT;
	}
	place->frames_needed = pfn;
}

static bool p2m_ok(const struct placement *place)
{
	uint64_t end = place->p2m + place->p2m_bytes;

	if (!place->p2m_is_outside)
		return true;
	return place->p2m % PAGE_SIZE == 0 && range_ok(place->p2m, end) &&
	       (end <= place->start || place->p2m >= place->end);
}

int placement_choose(const struct elf_kernel *kernel, uint64_t frames, uint64_t initrd_bytes,
		     struct placement *place, char *why, size_t room)
{
	memset(place, 0, sizeof(*place));
	place->start = kernel->virt_base;
	place->p2m_bytes = ROUND_UP(frames * sizeof(uint64_t), PAGE_SIZE);
	place_front(kernel, initrd_bytes, place);
	place_end(place);
	place_behind(kernel, initrd_bytes, place);

	if (!range_ok(place->start, place->end)) {
		format_string(why, room, "its first address space, 0x%lx to 0x%lx, is not a guest's to use",
			      place->start, place->end);
		return -EINVAL;
	}
	if (!p2m_ok(place)) {
		format_string(why, room, "INIT_P2M 0x%lx is no place for a list of 0x%lx bytes",
			      place->p2m, place->p2m_bytes);
		return -EINVAL;
	}
	if (place->frames_needed > frames) {
		format_string(why, room, "too little memory: kernel, initrd and tables need %lu MiB, there are %lu",
			      (place->frames_needed >> 8) + 1, frames >> 8);
		return -EINVAL;
	}
	return 0;
}
