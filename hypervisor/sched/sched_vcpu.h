/* SPDX-License-Identifier: MIT */
/* What the scheduler keeps in each vcpu. Its own lock (of the queue) unless said otherwise. */
#ifndef SKINK_SCHED_VCPU_H
#define SKINK_SCHED_VCPU_H

#include "include/types.h"

#include <xen/vcpu.h>

#include "lib/list.h"

struct sched_vcpu {
	struct list link;		/* in a run queue when runnable and not running */
	uint32_t queue_cpu;		/* whose queue */
	uint32_t state;			/* RUNSTATE_running, runnable, blocked, offline */
	uint64_t state_since_ns;
	uint64_t time_in_state[4];	/* ns, by RUNSTATE_* */
	int64_t actual_virtual_time;	/* BVT: grows by time run * SCALE / weight */
	bool is_warped;			/* effective virtual time = actual - warp */
	uint64_t warp_since_ns;		/* of run time, for the warp limit */
	bool is_blocked;		/* by SCHEDOP_block or poll: until an event */
};

#endif
