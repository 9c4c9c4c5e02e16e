/* SPDX-License-Identifier: MIT */
/* What the scheduler keeps in each vcpu. The lock of its queue (queue.h, S1) unless said otherwise. */
#pragma once

#include "include/types.h"

#include <xen/vcpu.h>

#include "lib/list.h"

struct sched_vcpu {
	struct list link;		/* in a run queue when runnable and not running */
	uint32_t queue_cpu;		/* whose queue */
	uint32_t state;			/* RUNSTATE_running, runnable, blocked, offline */
	uint64_t state_since_ns;
	uint64_t time_in_state[4];	/* ns, by RUNSTATE_* */
	uint64_t charged_until_ns;	/* running: virtual time is counted up to here */
	uint64_t actual_virtual_time;	/* BVT: grows by time run * SCALE / weight; compared modulo 2^64 */
	uint64_t key;			/* its place in the queue: effective virtual time */
	bool is_warped;			/* effective virtual time = actual - warp */
	bool yields;			/* it runs, and wants its peers to have a turn */
	uint64_t warp_since_ns;		/* of run time, for the warp limit */
	bool is_blocked;		/* by SCHEDOP_block or poll: until an event. Atomic, S4 */
};
