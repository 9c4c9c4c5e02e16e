/* SPDX-License-Identifier: MIT */
/*
 * Where everything goes in a new domain's first address space, as xen.h's "Start-of-day memory layout" has it:
 *
 *   start                                                                                            end
 *   | kernel | initrd | P2M list | start_info | store | console | page tables | stack | >= 512 KiB, to 4 MiB |
 *              (mapped, if it must be)
 *
 * That is pseudo-physical frame 0 and on. Behind it in frames, but not there in addresses, come the P2M list with its
 * page tables (if INIT_P2M gives it an address of its own) and the initrd (if MOD_START_PFN allows).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/core.h"

struct build_error;
struct pvelf;

struct layout {
	uint64_t start, end;		/* addresses; frame 0 is at `start` */
	uint64_t start_info, store, console;
	uint64_t tables;		/* page tables: the L4 first, then as they are needed */
	uint64_t table_count;
	uint64_t stack_end;		/* the first stack pointer */
	uint64_t initrd;		/* 0: it is not mapped (or there is none) */
	uint64_t initrd_pfn;
	uint64_t readonly_pages;	/* of the initrd: it is mapped, and not writable; else 0 */
	uint64_t p2m;			/* address of the list */
	uint64_t p2m_pfn;
	uint64_t p2m_bytes;		/* whole pages */
	uint64_t p2m_table_count;	/* tables behind the list, if that is mapped elsewhere; else 0 */
	bool p2m_is_outside;
	uint64_t frames_needed;		/* frames that are spoken for: 0 .. frames_needed - 1 */
};

/* Arithmetic alone. 0, or -errno and *error: it does not fit. */
int layout_choose(const struct pvelf *kernel, uint64_t frames, uint64_t initrd_bytes, struct layout *layout,
		  struct build_error *error);

static inline uint64_t layout_pfn(const struct layout *layout, uint64_t va)
{
	return (va - layout->start) >> FRAME_SHIFT;
}
