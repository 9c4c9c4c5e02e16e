/* SPDX-License-Identifier: MIT */
/*
 * The run queue of one CPU, sorted by effective virtual time, and the virtual time that passes there.
 *
 * S1  What the scheduler keeps in a vcpu is under the lock of the queue that queue_cpu names; it gets another queue
 *     only with both locks held, the one of the lower CPU first.
 * S2  A vcpu is in a queue if and only if its state is RUNSTATE_runnable; it is the queue's `running` if and only
 *     if its state is RUNSTATE_running. The idle vcpus are neither.
 * S3  A vcpu whose is_running is still set is not given to another CPU (V2).
 * S4  Whoever blocks says so first and then looks for events; whoever sends sets them first and then looks who blocks.
 * S5  A vcpu that wakes is not before its queue's virtual time: nobody saves up time by sleeping.
 */
#pragma once

#include "include/types.h"
#include "domain/vcpu.h"
#include "lib/list.h"
#include "lib/spinlock.h"
#include "sched/sched_domain.h"
#include "sched/timer.h"

#define VIRTUAL_SHIFT	16		/* 1 ns of a vcpu of weight 1 is 1 << 16 of virtual time */
#define WEIGHT_USUAL	256
#define WEIGHT_MAX	65535

struct sched_queue {
	struct spinlock lock;
	struct cpu *cpu;		/* NULL: not online */
	struct list waiting;		/* by key; equal ones in order of arrival */
	uint32_t count;			/* of waiting; others read it without the lock, as a hint */
	struct vcpu *running;		/* NULL: the idle vcpu */
	uint64_t virtual_time;		/* the least actual virtual time of running and waiting; never goes back */
	struct timer slice;		/* set only while somebody waits or a cap runs down */
};

extern struct sched_queue sched_queue[MAX_CPUS];
extern cpumask_t sched_cpus;		/* with a queue; atomic */
extern cpumask_t sched_idle_cpus;	/* where nobody runs or is about to; atomic, a hint */

static inline bool virtual_before(uint64_t a, uint64_t b) { return (int64_t)(a - b) < 0; }

static inline struct vcpu *queue_first(const struct sched_queue *queue)
{
	return list_is_empty(&queue->waiting) ? NULL : list_first(&queue->waiting, struct vcpu, sched.link);
}

/* Is it up, awake, not paused, not shut down, not throttled? */
bool vcpu_may_run(const struct vcpu *vcpu);
/* The CPUs it may use: its affinity, or all if none of that is online. */
cpumask_t vcpu_cpus(const struct vcpu *vcpu);
uint64_t vcpu_effective_time(const struct vcpu *vcpu);
uint64_t vcpu_run_time_ns(const struct vcpu *vcpu, uint64_t now_ns);
/* Run time until its warp is withdrawn; UINT64_MAX: it is not warped, or has no limit. */
uint64_t warp_left_ns(const struct vcpu *vcpu, uint64_t now_ns);
uint32_t vcpu_weight(const struct vcpu *vcpu);
void vcpu_set_state(struct vcpu *vcpu, uint32_t state, uint64_t now_ns);

/* The queue is locked. */
void queue_charge(struct sched_queue *queue, uint64_t now_ns);	/* what `running` used so far; virtual time goes on */
void queue_insert(struct sched_queue *queue, struct vcpu *vcpu, uint64_t now_ns);	/* becomes runnable */
void queue_remove(struct sched_queue *queue, struct vcpu *vcpu);	/* the caller gives it another state */

/* Locks the queue of a vcpu, and queue `also`. Returns whose the vcpu's is. */
uint32_t queue_lock_of(struct vcpu *vcpu, uint32_t also);
void queue_unlock(uint32_t cpu, uint32_t also);

/* From one queue to another, both locked: its lead over the others goes along. It is in neither. */
void queue_adopt(struct vcpu *vcpu, uint32_t to);

/* balance.c */
uint32_t balance_choose(const struct vcpu *vcpu);	/* the best CPU for who becomes runnable: a guess, no lock needed */
void balance_offer(const struct vcpu *vcpu);		/* it waits: an idle CPU may come and take it */
void balance_steal(uint32_t cpu);			/* into this CPU's queue; maybe one that has not left its CPU yet */
