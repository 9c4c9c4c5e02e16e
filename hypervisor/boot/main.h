/* SPDX-License-Identifier: MIT */
#ifndef SKINK_MAIN_H
#define SKINK_MAIN_H

#include "include/types.h"

/* head.S comes here: paging is on, the stack is the first CPU's, `info` is what the boot loader left. */
NORETURN void core_main(uint32_t magic, paddr_t info);

#endif
