/* SPDX-License-Identifier: MIT */
/* What the files of sched/ tell each other besides queue.h. */
#ifndef SKINK_SCHED_OPS_H
#define SKINK_SCHED_OPS_H

#include "include/types.h"

struct vcpu;

/* bvt.c: the current vcpu has blocked itself and finds that it need not have. */
void sched_unblock_current(void);

/* vcpu_op.c: the vcpu's own timers. */
void vcpu_timers_init(struct vcpu *vcpu);
void vcpu_timers_stop(struct vcpu *vcpu);

/* time.c */
void runstate_left(struct vcpu *vcpu);		/* it was current, and its address space is still loaded */
void time_register_area(struct vcpu *vcpu);	/* the first write of a new time_area; the caller's address space is loaded */
void runstate_register_area(struct vcpu *vcpu);

#endif
