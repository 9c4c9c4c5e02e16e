/* SPDX-License-Identifier: MIT */
/*
 * Borrowed virtual time (Duda and Cheriton, SOSP 1999) over per-CPU queues. A vcpu that is runnable, not
 * paused and not past a limit of its domain runs in order of effective virtual time.
 */
#pragma once

#include <xen/vcpu.h>

/* What it keeps in each vcpu. The lock of its queue (queue.h, S1) unless said otherwise. */
struct sched_vcpu {
	struct list link;		/* in a run queue when runnable and not running */
	uint32_t queue_cpu;		/* whose queue */
	uint32_t state;			/* RUNSTATE_running, runnable, blocked, offline */
	uint64_t state_since_ns;
	uint64_t time_in_state[4];	/* ns, by RUNSTATE_* */
	uint64_t charged_until_ns;	/* running: virtual time is counted up to here */
	uint64_t actual_virtual_time;	/* BVT: grows by time run * SCALE / weight; compared modulo 2^64 */
	uint64_t key;			/* its place in the queue: effective virtual time */
	uint64_t warp_left_ns;		/* run time; not 0: warped, effective virtual time = actual - warp */
	uint32_t hurry_us;		/* warped by so much at least: sched_vcpu_hurry() */
	bool yields;			/* it runs, and wants its peers to have a turn */
	bool is_blocked;		/* by SCHEDOP_block or poll: until an event. Atomic, S4 */
};

struct sched_params {
	uint32_t weight;		/* share of CPU time: 1 .. 65535, 256 is usual */
	uint32_t cap_percent;		/* of one CPU, over 10 ms periods; 0: none */
	uint32_t warp_us;		/* virtual time that a waking vcpu borrows; 0: none */
	uint32_t warp_limit_us;		/* run time before warp is withdrawn; 0: no limit */
};

void sched_init_cpu(struct cpu *cpu);		/* on each CPU, with cpu->idle as current */
MUST_CHECK int sched_domain_init(struct domain *domain);	/* usual weight; -ENOMEM */
void sched_domain_destroy(struct domain *domain);
void sched_vcpu_init(struct vcpu *vcpu);	/* vcpu->affinity is set; chooses vcpu->cpu, which is set then; state: offline */
void sched_vcpu_destroy(struct vcpu *vcpu);	/* it is not running and stays so */

MUST_CHECK int sched_set_params(struct domain *domain, const struct sched_params *params);

/*
 * "May it run" has changed: is_up, pause_count, the domain's pause_count, shutdown, its limits. Puts
 * the vcpu on a queue or takes it off; if it runs on another CPU that CPU is asked to choose again.
 */
void sched_vcpu_update(struct vcpu *vcpu);

/* As sched_vcpu_update, and returns only when `vcpu` (not the current one) has left its CPU, state saved. */
void sched_vcpu_wait_until_off(struct vcpu *vcpu);

/* An event or other reason to go on: unblocks it if blocked; if it runs in the guest, its CPU looks. */
void sched_vcpu_kick(struct vcpu *vcpu);

/* Others wait for what it does next: for the first part of a millisecond that it runs, it borrows so much virtual time at least. */
void sched_vcpu_hurry(struct vcpu *vcpu, uint32_t borrows_us);

/* The current vcpu gives up its CPU: until kicked; to its peers. Takes effect on the exit path. */
void sched_block_current(void);
void sched_yield_current(void);

/* No timer of it or its domain's watchdogs is set, no handler of one runs, it polls for nothing. It is current or does not run. */
void sched_vcpu_forget(struct vcpu *vcpu);

/* SOFTIRQ_SCHEDULE: chooses, and calls context_switch() if it chose another. May not return. */
void sched_softirq(void);

/* cpu/switch.c: saves prev, loads next, clears prev's is_running when that is done (V2); does not return. */
NORETURN void context_switch(struct vcpu *prev, struct vcpu *next);

/* Runstate and time as a guest may see them; `now` inclusive. */
void sched_get_runstate(struct vcpu *vcpu, struct vcpu_runstate_info *info);

/* sched/time.c: writes vcpu->info->time (and the registered copies, if it is current). */
void time_update_vcpu(struct vcpu *vcpu);
/* Writes the registered runstate area, when the vcpu is current and its address space loaded. */
void runstate_update_area(struct vcpu *vcpu);
/* The wall clock at time_now_ns() == 0; copied to every domain's shared_info. */
void time_set_wall_clock(uint64_t seconds, uint32_t nanoseconds, uint64_t at_ns);
void time_init_domain(struct domain *domain);
