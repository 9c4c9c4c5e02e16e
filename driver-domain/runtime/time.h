/* SPDX-License-Identifier: MIT */
/* System time in nanoseconds since the hypervisor's boot, the wall clock, and this vcpu's one timer. */
#ifndef RUNTIME_TIME_H
#define RUNTIME_TIME_H

#include "runtime/xen.h"

uint64_t time_from(const struct vcpu_time_info *info); /* reads one time page consistently */
uint64_t time_now_ns(void);
uint64_t time_wall_ns(void);
uint64_t time_tsc_per_second(void);

/* Absolute system time, 0 stops it. It arrives as VIRQ_TIMER. */
int time_set_timer(uint64_t deadline_ns);
void time_sleep_ns(uint64_t duration_ns); /* by poll: needs no port, takes no upcall */

#endif
