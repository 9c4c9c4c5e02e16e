/* SPDX-License-Identifier: MIT */
/* Domain-0: built from the boot loader's modules, and started. */
#pragma once

#include "include/types.h"

/*
 * The core's options dom0_mem= and dom0_max_vcpus= say how large. Refuses to run, with the reason, if it cannot be
 * done. When this returns the scheduler may run it.
 */
void dom0_build(void);

/*
 * dom0_mem=: `<size>`, `min:<size>`, `max:<size>`, with commas; `-<size>` is all but so much; NULL: not given.
 * Frames to begin with, and the most it may ever have, when `free` frames are there. False: the text cannot be read.
 */
MUST_CHECK bool dom0_memory_choose(const char *text, uint64_t free, uint64_t *frames, uint64_t *most);
