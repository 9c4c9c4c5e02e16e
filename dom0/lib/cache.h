/* SPDX-License-Identifier: MIT */
/*
 * Kernels that were unpacked once. To unpack xz takes seconds and to unpack lz4 tenths of them, so what came out of a bzImage
 * is kept, packed again with lz4, beside the identity of the file that it came out of.
 * CA1  What is kept is used only if the file is the same still: device, inode, size, time of change of contents and of inode.
 * CA2  It is trusted no more than the file is: whatever is wrong with it, the file is unpacked instead.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/unpack.h"

struct cache_key {
	uint64_t device, inode, bytes;
	int64_t changed_s, changed_ns, inode_changed_s, inode_changed_ns;
};

/* False: there is no such file. */
bool cache_key(int descriptor, struct cache_key *key);

/* False: it is not there, or cannot be used. */
bool cache_find(const char *folder, const struct cache_key *key, struct bytes *elf);

/* Older ones go until all have at most limit_kib. 0 or -errno. Takes some tenths of a second. */
int cache_keep(const char *folder, const struct cache_key *key, const struct bytes *elf, uint64_t limit_kib);
