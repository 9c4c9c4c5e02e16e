/* SPDX-License-Identifier: MIT */
/* The page tables of a DMA pool: its frames at their own addresses, in the largest pages that all units know. */
#pragma once

struct vtd_unit;

/* What every unit can do: call for each, at boot. False: they have no depth of tables in common. */
MUST_CHECK bool pages_limit(const struct vtd_unit *unit);
uint32_t pages_levels(void);
/* Pools have the ids 1 .. pages_pools_max() - 1. */
uint32_t pages_pools_max(void);

/* The top table of a new set that maps so many frames. -ENOMEM, -ERANGE. */
MUST_CHECK int pages_map(mfn_t first, uint64_t count, uint64_t **top);
void pages_free(uint64_t *top);
