/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*no room on its kernel stack[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* A program's page fault, when the stack for its kernel leads nowhere. */
#include "crash.h"
#include "user.h"

USER_TEXT("")

static struct trap_frame frame = { .cs = CS_USER, .ss = SS_USER, .rflags = RFLAGS_IF, .rip = 0x1000 };

CRASH("page fault of a program without a stack for its kernel ends the domain", user_init();
      hypercall(__HYPERVISOR_stack_switch, 0, 0x7f1234567000); trap_resume(&frame))
