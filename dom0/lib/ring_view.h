/* SPDX-License-Identifier: MIT */
/*
 * A ring between a front-end and a driver domain, as it is at one instant: for who wants to look, never to take part.
 * RV1  Both ends may write while it is copied, and either may lie: the copy is bounded, and nothing in it is believed.
 */
#pragma once

#include <stdint.h>

#include "lib/core.h"

struct ring_view {
	uint32_t req_prod, req_event, rsp_prod, rsp_event;
	uint32_t slots;
	uint32_t slot_bytes;
	uint8_t *pages;			/* a copy of all of it; the caller frees */
};

/*
 * The pages that `front` has granted to `back` by these references. -EINVAL: one of them is no grant to it; -errno: a page cannot be
 * mapped. Then *view has nothing to free.
 */
int ring_view_read(struct core *core, domid_t front, domid_t back, const uint32_t *gref, uint32_t pages, uint32_t slot_bytes,
		   struct ring_view *view);

/* The frame that `front` has granted to `back` by this reference; -EINVAL: it has not. */
int ring_view_frame(struct core *core, domid_t front, domid_t back, uint32_t gref, xen_pfn_t *mfn);

/* Of the slot to which the index belongs. */
const void *ring_view_slot(const struct ring_view *view, uint32_t index);

struct ring_shared;

/* The page with the indices, for as long as it is watched; NULL and errno. It goes with ring_watch_end(). */
const volatile struct ring_shared *ring_watch(struct core *core, domid_t front, domid_t back, uint32_t gref);
void ring_watch_end(struct core *core, const volatile struct ring_shared *shared);
