/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*no room on its kernel stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* The page fault handler is not mapped: faults upon faults, until the stack ends. On bare hardware a triple fault. */
#include "crash.h"

static struct trap_info bad_handler[2] = { { TRAP_PAGE_FAULT, 0, FLAT_KERNEL_CS, 0x7f1234567000 } };

CRASH("page fault handler that is not mapped ends the domain",
      hypercall(__HYPERVISOR_set_trap_table, bad_handler); *(volatile char *)0x7f1234568000 = 1)
