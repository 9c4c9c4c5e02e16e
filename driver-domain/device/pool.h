/* SPDX-License-Identifier: MIT */
/*
 * The DMA pool: the only memory that a device reaches, machine-contiguous, mapped one to one. It is cut into buffers of a page; what a driver
 * needs for its rings it takes once, at start.
 * P1  A buffer is free, or has one owner. Freeing one that is free ends the domain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_BYTES 4096u

void pool_init(uint64_t pfn, uint64_t pages);
void pool_reset(void);				/* as after pool_init(): for a successor */

void *pool_take(size_t bytes);			/* for rings: page-aligned, contiguous, zeroed; ends the domain if there is none */
void *buffer_alloc(void);			/* NULL: none is left; not cleared */
void buffer_free(void *buffer);			/* any address in it */
uint32_t buffer_free_count(void);

uint64_t pool_machine(const void *at);		/* what the device calls it */
bool pool_has(const void *at, size_t bytes);
