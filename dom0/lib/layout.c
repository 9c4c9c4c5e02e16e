/* SPDX-License-Identifier: MIT */
#include "lib/layout.h"

#include <errno.h>

#include "lib/build.h"
#include "lib/pvelf.h"

#define END_ALIGNMENT	(4ULL << 20)
#define END_ROOM	(512ULL << 10)
#define LOW_END		0x0000800000000000ULL	/* of the lower half */
#define HIGH_START	0xffff880000000000ULL	/* of what a guest may use of the upper half */

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

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
	return end > start && (end <= LOW_END || start >= HIGH_START);
}

/* What is packed together, up to the end of the first region. */
static void place_first_region(const struct pvelf *kernel, uint64_t initrd_bytes, struct layout *layout)
{
	uint64_t at = kernel->end;

	if (initrd_bytes && !kernel->initrd_by_frame) {
		layout->initrd = at;
		layout->initrd_pfn = layout_pfn(layout, at);
		at += round_up(initrd_bytes, FRAME_BYTES);
	}
	if (!layout->p2m_is_outside) {
		layout->p2m = at;
		layout->p2m_pfn = layout_pfn(layout, at);
		at += layout->p2m_bytes;
	}
	layout->start_info = at;
	layout->store = at + FRAME_BYTES;
	layout->console = at + 2 * FRAME_BYTES;
	layout->tables = at + 3 * FRAME_BYTES;
	/* The page tables map the end, and the end comes behind the page tables. */
	do {
		layout->table_count++;
		layout->stack_end = layout->tables + (layout->table_count + 1) * FRAME_BYTES;
		layout->end = round_up(layout->stack_end + END_ROOM, END_ALIGNMENT);
	} while (layout->end > layout->start &&
		 1 + tables_below_l4(layout->start, layout->end) > layout->table_count);
}

static int place_p2m_outside(struct layout *layout, struct build_error *error)
{
	uint64_t end = layout->p2m + layout->p2m_bytes;

	if (layout->p2m % FRAME_BYTES || !range_ok(layout->p2m, end) ||
	    (end > layout->start && layout->p2m < layout->end))
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "its INIT_P2M 0x%lx is no place for a list of 0x%lx bytes: "
				    "take another kernel", layout->p2m, layout->p2m_bytes);
	layout->p2m_pfn = layout->frames_needed;
	layout->p2m_table_count = tables_below_l4(layout->p2m, end);
	layout->frames_needed += (layout->p2m_bytes >> FRAME_SHIFT) + layout->p2m_table_count;
	return 0;
}

int layout_choose(const struct pvelf *kernel, uint64_t frames, uint64_t initrd_bytes, struct layout *layout,
		  struct build_error *error)
{
	*layout = (struct layout){ .start = kernel->virt_base, .p2m = kernel->init_p2m,
				   .p2m_bytes = round_up(frames * sizeof(xen_pfn_t), FRAME_BYTES),
				   .p2m_is_outside = kernel->init_p2m != PVELF_NONE };
	place_first_region(kernel, initrd_bytes, layout);
	layout->frames_needed = layout_pfn(layout, layout->end);
	if (!range_ok(layout->start, layout->end))
		return build_refuse(error, BLAME_KERNEL, -ENOEXEC, "its first address space, 0x%lx to 0x%lx, is not a guest's "
				    "to use: take another kernel", layout->start, layout->end);
	if (layout->p2m_is_outside && place_p2m_outside(layout, error))
		return -ENOEXEC;
	if (initrd_bytes && kernel->initrd_by_frame) {
		layout->initrd_pfn = layout->frames_needed;
		layout->frames_needed += round_up(initrd_bytes, FRAME_BYTES) >> FRAME_SHIFT;
	}
	if (layout->frames_needed > frames)
		return build_refuse(error, BLAME_MEMORY, -ENOMEM, "kernel, initrd and page tables need %lu MiB and there are "
				    "%lu: give it more", (layout->frames_needed >> 8) + 1, frames >> 8);
	return 0;
}
