/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*no room on its kernel stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* The same with a stack inside the hypervisor: it must not be made to write over itself. */
#include "crash.h"

CRASH("trap on a stack inside the hypervisor ends the domain",
      __asm__ volatile("movabs $0xffff830000100000, %%rsp\nud2" : : : "memory"))
