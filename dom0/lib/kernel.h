/* SPDX-License-Identifier: MIT */
/*
 * From a kernel's file to its ELF: a file may be that ELF, plain or packed, or a bzImage with a packed ELF in it.
 * U2  No byte of the file is trusted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cache.h"
#include "lib/unpack.h"

#define KERNEL_FILE_MAX	(256UL << 20)	/* of the file, and of what is in it */

struct kernel {
	struct bytes elf;		/* the caller frees it */
	struct cache_key key;		/* what file it came out of ... */
	bool is_new;			/* ... and it is worth keeping: it was unpacked, and not found */
};

/* cache: a folder (lib/cache.h) where it may have been kept; NULL: there is none. 0 or -errno and *error. */
int kernel_load(const char *file, const char *cache, struct kernel *kernel, struct build_error *error);

/*
 * Sees to it that what is in the file is prepared (CA3), and says by *key which that is. An ELF need not be: 1, and no key.
 * Takes seconds if it is not there yet. 0, 1, or -errno and *error.
 */
int kernel_prepare(const char *file, const char *cache, struct cache_key *key, struct build_error *error);

/* As kernel_load(), of a file that is in memory: *image is taken over, and freed if need be. */
int kernel_extract(struct bytes *image, struct bytes *elf, struct build_error *error);
