/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*exception 6, error code 0x0, and no handler for it[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Unhandled invalid opcode|Domain 0 \(vcpu#0\) crashed
 */
/* An exception for which the trap table has nothing. */
#include "crash.h"

CRASH("exception without a handler ends the domain",
      hypercall(__HYPERVISOR_set_trap_table, 0); __asm__ volatile("ud2"))
