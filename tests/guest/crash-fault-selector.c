/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain 0 crashed: vcpu 0: [^\n]*its handler's rip 0x1 or cs 0xfff3 cannot be loaded[^\n]*\n[^\n]*  rip [0-9a-f]{4}:[0-9a-f]{16} |Domain 0 \(vcpu#0\) crashed
 */
/* A program's page fault, when the code selector of its handler names nothing. */
#include "crash.h"
#include "user.h"

USER_TEXT("")

static struct trap_info table[2] = { { .vector = TRAP_PAGE_FAULT, .flags = 4, .cs = 0xfff3, .address = 1 } };
static struct trap_frame frame = { .cs = CS_USER, .ss = SS_USER, .rflags = RFLAGS_IF, .rip = 0x1000 };

CRASH("page fault whose handler has no selector ends the domain", user_init();
      hypercall(__HYPERVISOR_set_trap_table, table); trap_resume(&frame))
