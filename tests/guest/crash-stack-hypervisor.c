/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: no room on its kernel stack|domain 0 crashed|Domain 0 \(vcpu#0\) crashed
 */
/* The same with a stack inside the hypervisor: it must not be made to write over itself. */
#include "crash.h"

CRASH("trap on a stack inside the hypervisor ends the domain",
      __asm__ volatile("movabs $0xffff830000100000, %%rsp\nud2" : : : "memory"))
