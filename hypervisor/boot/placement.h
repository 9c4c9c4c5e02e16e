/* SPDX-License-Identifier: MIT */
/*
 * Where everything goes in a new domain's first address space, as xen.h's "Start-of-day memory layout" has it:
 *
 *   start                                                                                      end
 *   | kernel | initrd | P2M list | start_info | page tables | stack | >= 512 KiB of room, to 4 MiB |
 *              (mapped, if it must be)
 *
 * That is pseudo-physical frame 0 and on. Behind it in frames, but not there in addresses, come the P2M list with its
 * page tables (if INIT_P2M gives it an address of its own) and the initrd (if MOD_START_PFN allows).
 */
#pragma once

struct elf_kernel;

struct region {
	uint64_t va;			/* 0: not mapped */
	uint64_t pfn, pages;
};

struct placement {
	struct region mapped;		/* all from the kernel's start to the end; frame 0 is its first */
	struct region initrd, p2m, start_info, stack;
	struct region tables;		/* page tables for `mapped`: the L4 first, then as they are needed */
	uint64_t p2m_tables;		/* frames behind the list for the tables that map it outside of `mapped`, or 0 */
	uint64_t frames_needed;		/* frames that are spoken for: 0 .. frames_needed - 1 */
};

/* Refuses to run if it cannot be done. */
void placement_choose(const struct elf_kernel *kernel, uint64_t frames, uint64_t initrd_bytes,
		      struct placement *place);

/*
 * dom0_mem=: `<size>`, `min:<size>`, `max:<size>`, with commas; `-<size>` is all but so much; NULL: not given.
 * Frames to begin with, and the most it may ever have, when `free` frames are there. False: the text cannot be read.
 */
MUST_CHECK bool dom0_memory_choose(const char *text, uint64_t free, uint64_t *frames, uint64_t *most);
