/* SPDX-License-Identifier: MIT */
/* What the files of sched/ tell each other besides queue.h. */
#pragma once

#include "include/types.h"

struct vcpu;

/* bvt.c: the current vcpu has blocked itself and finds that it need not have. */
void sched_unblock_current(void);

/* vcpu_op.c: the vcpu's own timers. */
void vcpu_timers_init(struct vcpu *vcpu);
void vcpu_timers_stop(struct vcpu *vcpu);

/* time.c: the first two write what is registered; the loaded address space is its kernel's. */
void time_write_area(struct vcpu *vcpu);
void runstate_write_area(struct vcpu *vcpu);
void runstate_left(struct vcpu *vcpu);		/* it was current, and its address space is still loaded */
