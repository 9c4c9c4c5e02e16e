/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*no room on its kernel stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* The same with a stack inside a page table, which a frame would overwrite with entries of the guest's choice. */
#include "crash.h"

CRASH("trap on a stack in a page table ends the domain",
      __asm__ volatile("mov %0, %%rsp\nud2" : : "r"((char *)mfn_to_virt(memory_base_mfn) + 1024) : "memory"))
