/* SPDX-License-Identifier: MIT */
/* Kernels are unpacked once, and kept: lib/cache.h. */
#pragma once

#include "lib/kernel.h"

/* Where they are kept; NULL: nowhere, for kernel_cache_kib is 0. */
const char *kernels_folder(void);

/* Takes the kernel, and keeps it if it is new. */
void kernels_keep(struct kernel *kernel);

/* Unpacks what prepare_kernels names, when nobody needs the CPU: a first `create` need not wait for it then. */
void kernels_prepare(void);
