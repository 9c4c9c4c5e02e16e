/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*no room on its kernel stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* A trap while the stack pointer leads nowhere: the frame cannot be written. */
#include "crash.h"

CRASH("trap on a stack that is not there ends the domain",
      __asm__ volatile("mov $0x7f1234567000, %%rsp\nud2" : : : "memory"))
