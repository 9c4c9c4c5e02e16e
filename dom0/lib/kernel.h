/* SPDX-License-Identifier: MIT */
/*
 * From a kernel's file to its ELF: a file may be that ELF, plain or packed, or a bzImage with a packed ELF in it.
 * U2  No byte of the file is trusted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/unpack.h"

#define KERNEL_FILE_MAX	(256UL << 20)	/* of the file, and of what is in it */

/* 0 or -errno and *error. The caller frees *elf. */
int kernel_load(const char *file, struct bytes *elf, struct build_error *error);

/* The same of a file that is in memory: *image is taken over, and freed if need be. */
int kernel_extract(struct bytes *image, struct bytes *elf, struct build_error *error);
