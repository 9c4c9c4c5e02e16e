/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*iret with an unreadable stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* iret from a stack that cannot be read. */
#include "crash.h"

CRASH("iret from a stack that is not there ends the domain",
      __asm__ volatile("mov $0x7f1234567000, %%rsp\nmov $23, %%eax\nsyscall" : : : "memory", "rax"))
