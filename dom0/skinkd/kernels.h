/* SPDX-License-Identifier: MIT */
/* Kernels are unpacked once, and kept: lib/cache.h. */
#pragma once

#include <stdbool.h>

#include "lib/kernel.h"

/* Where they are kept; NULL: nowhere, for kernel_cache_kib is 0. */
const char *kernels_folder(void);

/* Takes the kernel, and keeps it if it is new. */
void kernels_keep(struct kernel *kernel);

/*
 * Unpacks what prepare_kernels names, if it is not there yet: a first `create` need not wait for it then. What was prepared
 * of other files goes. False: it said what cannot be unpacked, and did the others.
 */
bool kernels_prepare(void);

/* The same when nobody needs the CPU. */
void kernels_prepare_in_background(void);
