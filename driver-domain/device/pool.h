/* SPDX-License-Identifier: MIT */
/*
 * The DMA pool: the only memory that a device reaches, machine-contiguous, mapped one to one. It is cut into buffers of a page; what a driver
 * needs for its rings it takes once, at start.
 * P1  A buffer is free, or has one owner. Freeing one that is free ends the domain.
 * P2  A successor claims what its predecessor left in buffers before it takes the first one; what it claims is given to nobody else.
 *
 *      pool_at                                                    pool_at + pool_bytes
 *        | taken for rings -->        never given out        <-- buffers |
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_BYTES 4096u
#define POOL_PAGES_MAX 4096u

/* A part of it, for a device to read or to write. */
struct pool_part {
	void *at;
	uint32_t length;		/* never 0 */
};

extern uint8_t *pool_at;
extern uint64_t pool_bytes, pool_first_machine;

void pool_init(void *at, uint64_t machine, uint64_t pages);
void pool_reset(void);				/* as after pool_init(): for a successor */

void *pool_take(size_t bytes);			/* for rings: page-aligned, contiguous, zeroed; ends the domain if there is none */
void *buffer_alloc(void);			/* NULL: none is left; not cleared */
void buffer_free(void *buffer);			/* any address in it */
uint32_t buffer_free_count(void);
uint32_t buffer_number(const void *buffer);
bool buffer_claim(const void *at);		/* the buffer that `at` lies in; false: it is none, or it has an owner */

static inline bool pool_has(const void *at, size_t bytes)
{
	uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)pool_at);

	return offset < pool_bytes && bytes <= pool_bytes - offset;
}

/* What the device calls it. */
static inline uint64_t pool_machine(const void *at)
{
	return pool_first_machine + (uint64_t)((uintptr_t)at - (uintptr_t)pool_at);
}
