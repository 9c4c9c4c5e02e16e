/* SPDX-License-Identifier: MIT */
/*
 * Kernels that were unpacked once. To unpack xz takes seconds and to unpack lz4 tenths of them: so what came out of a bzImage
 * stays, packed again with lz4, beside the identity of the file that it came out of. There are two kinds.
 *   kept       what a `create` unpacked: found by the file's place and times; packed as fast as can be; the oldest go
 *   prepared   what was unpacked before anybody asked: found by the file's contents, so that it can be made on another
 *              machine (the Dom0 image's); packed a little smaller; the administrator says of which files
 *
 * CA1  What is kept is used only if the file is the same still: device, inode, size, time of change of contents and of inode.
 * CA2  It is trusted no more than the file is: whatever is wrong with it, the file is unpacked instead.
 * CA3  Nothing but what the administrator names is prepared: such a sum can be made to fit. Who makes a file that fits boots a
 *      kernel of the administrator's; nobody else boots his.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/unpack.h"

enum cache_kind { CACHE_KEPT, CACHE_PREPARED };

struct cache_key {
	uint64_t kind;			/* enum cache_kind */
	uint64_t bytes;
	uint64_t place[2];		/* device and inode; of what is prepared XXH3's 64 bits and 0 */
	int64_t changed_s, changed_ns, inode_changed_s, inode_changed_ns;	/* of what is prepared 0 */
};

/* By its place. False: there is no such file. */
bool cache_key(int descriptor, struct cache_key *key);

/* By its contents. */
struct cache_key cache_key_of(const struct bytes *file);

/* False: it is not there, or cannot be used. */
bool cache_find(const char *folder, const struct cache_key *key, struct bytes *elf);

/* Whether it seems to be there: only its first bytes are looked at. */
bool cache_has(const char *folder, const struct cache_key *key);

/* Older ones that are kept go until all of those have at most limit_kib. 0 or -errno. Takes some tenths of a second. */
int cache_keep(const char *folder, const struct cache_key *key, const struct bytes *elf, uint64_t limit_kib);

/*
 * Waits until nobody else prepares: who does so reads the list of files, prepares them and forgets the others in one piece, or the
 * one who began with an older list would forget what the other has just prepared. The lock, or -errno; close() gives it back.
 */
int cache_lock(const char *folder);

/* Removes what is prepared or half prepared, but for these. Under the lock. */
void cache_forget_others(const char *folder, const struct cache_key *keys, size_t count);
