/* SPDX-License-Identifier: MIT */
/*
 * Frames and memory for the core. Free frames form a buddy system, orders 0 to 18 (1 GiB). What is given out is clear
 * of stale TLB entries; frames for domains are zeroed.
 */
#pragma once

#define FRAME_ORDER_MAX 18

void alloc_init(void);				/* boot memory that nothing occupies becomes free */
/* Frames first .. end - 1 become free: at boot, and what the boot loader had put there later. */
void alloc_add(uint64_t first, uint64_t end);

/* 2^order frames, machine-contiguous and aligned, for the core; not zeroed. MFN_NONE if there are none. */
mfn_t frame_alloc(unsigned int order);
void frame_free(mfn_t first, unsigned int order);

/* The same below 2^address_bits (0: any), zeroed: for extent_give() to a domain that has room for it, or frame_free(). */
mfn_t extent_alloc(unsigned int order, unsigned int address_bits);
void extent_give(struct domain *domain, mfn_t first, unsigned int order);

/* Frames for a domain, in its page list, each with the owner's reference; below 2^address_bits. -ENOMEM. */
MUST_CHECK int frame_alloc_for(struct domain *domain, unsigned int order, unsigned int address_bits, mfn_t *first);

uint64_t frames_free(void);
uint64_t frames_total(void);

/* Memory for the core, zeroed, in whole frames. NULL if there is none. */
void *heap_alloc(size_t bytes);
void heap_free(void *memory);			/* NULL does nothing */
