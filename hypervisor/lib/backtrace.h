/* SPDX-License-Identifier: MIT */
/* Who called whom, by name: for panics and faults of the core. */
#ifndef SKINK_BACKTRACE_H
#define SKINK_BACKTRACE_H

#include "include/types.h"

/* "name+0x12", or the address if it is not in the core's text. */
void backtrace_name(char *to, size_t room, uint64_t address);

/* Prints `address` and the callers that the frame pointer (rbp) leads to; a broken chain ends it. */
void backtrace_print(uint64_t address, uint64_t frame_pointer);

#endif
