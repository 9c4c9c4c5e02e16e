/* SPDX-License-Identifier: MIT */
/* Domain-0: built from the boot loader's modules, and started. */
#ifndef SKINK_DOM0_H
#define SKINK_DOM0_H

#include "include/types.h"

/*
 * The core's options dom0_mem= and dom0_max_vcpus= say how large. Panics, with the reason, if it cannot be done. When
 * this returns the scheduler may run it.
 */
void dom0_build(void);

/* ---- dom0_size.c ---- */

/* dom0_mem=: `<size>`, `min:<size>`, `max:<size>`, with commas; `-<size>` is all but so much. In bytes. */
struct dom0_memory {
	int64_t size, min, max;		/* 0: not given */
};

/* -EINVAL: the text cannot be read. */
MUST_CHECK int dom0_memory_parse(const char *text, struct dom0_memory *memory);

/* Frames to begin with, and the most it may ever have, when `free` frames are there. */
void dom0_memory_choose(const struct dom0_memory *memory, uint64_t free, uint64_t *frames, uint64_t *most);

/* ---- dom0_tables.c ---- */

struct placement;

/* Fills the first page tables. `frame_of` has the machine frame of each pseudo-physical one. */
void dom0_map(const struct placement *place, const uint64_t *frame_of);

#endif
