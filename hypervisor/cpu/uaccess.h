/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory through the address space that is loaded: the current vcpu's. Addresses are the
 * guest's word and are checked: not canonical or inside the core's own range is -EFAULT, as is a page fault.
 * A write that fails may have written a part. Read once, then judge the copy.
 */
#pragma once

/* Takes stac and clac out of the text, on CPUs without SMAP. Boot CPU, before paging_init() makes text read-only. */
void smap_init(void);

MUST_CHECK int guest_read(void *to, uint64_t from, size_t bytes);
/* Two words, side by side; quicker. False: it may be that guest_read() can. */
MUST_CHECK bool guest_read_two(uint64_t *first, uint64_t *second, uint64_t from);
MUST_CHECK int guest_write(uint64_t to, const void *from, size_t bytes);

/* True if [address, address + bytes) is canonical and outside the core's range. */
bool guest_range_ok(uint64_t address, uint64_t bytes);

/* Bits 63 to 47 the same: an address that the CPU accepts. */
static inline bool address_is_canonical(uint64_t address) { return (uint64_t)((int64_t)(address << 16) >> 16) == address; }

/* For XEN_GUEST_HANDLE(): the address of the element `index`. */
#define handle_address(handle, index)	((uint64_t)(uintptr_t)(handle).p + (index) * sizeof(*(handle).p))
/* Copies one element in or out: 0 or -EFAULT. */
#define handle_read(to, handle, index)	guest_read((to), handle_address(handle, index), sizeof(*(to)))
#define handle_write(handle, index, from) \
	guest_write(handle_address(handle, index), (from), sizeof(*(from)))
