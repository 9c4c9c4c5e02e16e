/* SPDX-License-Identifier: MIT */
/* A new domain's first page tables, written as a whole while they are still plain memory. */
#pragma once

#include <stdint.h>

#include "lib/layout.h"

/* memory: the frames 0 .. layout->frames_needed - 1, in order; mfn: the machine's number of each. */
void tables_fill(const struct layout *layout, const xen_pfn_t *mfn, uint8_t *memory);
