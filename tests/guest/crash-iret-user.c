/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*iret to user mode without its page tables[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* iret to user mode where no user page tables were ever given. */
#include "crash.h"

static struct trap_frame frame = { .cs = CS_USER, .ss = SS_USER, .rflags = RFLAGS_IF, .rip = 0x400000 };

CRASH("iret to user mode without user page tables ends the domain", trap_resume(&frame))
