/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain-0 has ended|[Ww]atchdog
 */
/* A watchdog that nobody strokes. */
#include "crash.h"

static struct sched_watchdog watchdog = { .id = 0, .timeout = 1 };

CRASH("watchdog that is not stroked ends the domain",
      hypercall(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &watchdog); for (;;) cpu_relax())
