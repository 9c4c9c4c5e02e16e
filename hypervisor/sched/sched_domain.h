/* SPDX-License-Identifier: MIT */
/* What the scheduler keeps in each domain, and account.c's part of it. */
#pragma once

#include "include/types.h"
#include "lib/spinlock.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define WATCHDOGS 2			/* of each domain, as the ABI has it */

enum throttle {				/* why no vcpu of the domain runs until its next period */
	THROTTLE_CPU_TIME = 1,
	THROTTLE_COUNT = 2,
};

struct sched_domain {
	struct spinlock lock;		/* a leaf but for timers' */
	struct sched_params params;	/* written with the lock held, each field read alone without it */
	uint32_t throttled;		/* bits of enum throttle; read without the lock */
	uint64_t period_start_ns;
	uint64_t cpu_time_ns;		/* used in this period; what was used too much is carried over */
	struct timer period;		/* set while it is throttled */

	struct spinlock watchdog_lock;
	uint32_t watchdogs_used;	/* bit n: watchdog n + 1 */
	struct timer watchdog[WATCHDOGS];

	int32_t shutdown_code;		/* SCHEDOP_shutdown_code; -1: none. Atomic */
};

/* account.c. The vcpu's queue is locked in the first two. */
void account_charge_cpu_time(struct domain *domain, uint64_t run_ns, uint64_t now_ns);
uint64_t account_cpu_time_left_ns(const struct domain *domain);	/* for one of its vcpus; UINT64_MAX: no cap */
void account_domain_init(struct domain *domain);
/* The limits have changed. */
void account_refresh(struct domain *domain);

/* ops.c */
void watchdog_domain_init(struct domain *domain);
