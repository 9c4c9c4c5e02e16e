/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: no handler for it|Unhandled invalid opcode|domain 0 crashed|Domain 0 \(vcpu#0\) crashed
 */
/* An exception for which the trap table has nothing. */
#include "crash.h"

CRASH("exception without a handler ends the domain",
      hypercall(__HYPERVISOR_set_trap_table, 0); __asm__ volatile("ud2"))
