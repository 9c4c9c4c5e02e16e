/* SPDX-License-Identifier: MIT */
/*
 * The run queue of one CPU, sorted by effective virtual time, the virtual time that passes there, and what
 * the files of sched/ tell each other.
 *
 * S1  What the scheduler keeps in a vcpu is under the lock of the queue that queue_cpu names; it gets another queue
 *     only with both locks held (spin_lock_two).
 * S2  A vcpu is in a queue if and only if its state is RUNSTATE_runnable; it is the queue's `running` if and only
 *     if its state is RUNSTATE_running. The idle vcpus are in none.
 * S3  A vcpu whose is_running is still set is not given to another CPU (V2).
 * S4  Whoever blocks says so first and then looks for events; whoever sends sets them first and then looks who blocks.
 * S5  A vcpu that wakes is not before its queue's virtual time: nobody saves up time by sleeping.
 * S6  Only a vcpu itself says what it polls for: who wakes it may be so slow that it sleeps for the next thing already.
 *
 * tests/model/sleep.pml has S4 and S6.
 */
#pragma once

/* Not to be found through a table of addresses: the core has none. For functions whose address another file takes. */
#define HIDDEN		__attribute__((visibility("hidden")))

#define VIRTUAL_SHIFT	16		/* 1 ns of a vcpu of weight 1 is 1 << 16 of virtual time */
#define WATCHDOGS	2		/* of each domain, as the ABI has it */

struct sched_queue {
	struct spinlock lock;
	struct cpu *cpu;		/* NULL: not online */
	struct list waiting;		/* by key; equal ones in order of arrival */
	uint32_t count;			/* of waiting; others read it without the lock, as a hint */
	struct vcpu *running;		/* NULL: the idle vcpu */
	uint64_t virtual_time;		/* the least actual virtual time of running and waiting; never goes back */
	struct timer slice;		/* set only while somebody waits or a cap runs down */
};

struct sched_domain {
	struct spinlock lock;		/* a leaf but for timers' */
	struct sched_params params;	/* written with the lock held, each field read alone without it */
	bool throttled;			/* none of its vcpus runs until its next period; read without the lock */
	uint64_t period_start_ns;
	uint64_t cpu_time_ns;		/* used in this period; what was used too much is carried over */
	struct timer period;		/* set while it is throttled */
	struct timer watchdog[WATCHDOGS];
};

extern struct sched_queue sched_queue[MAX_CPUS];
extern cpumask_t sched_cpus;		/* with a queue; atomic */
extern cpumask_t sched_idle_cpus;	/* where nobody runs or is about to; atomic, a hint */

/* CPUs' clocks may differ a little. */
static inline uint64_t elapsed_ns(uint64_t since, uint64_t now) { return now > since ? now - since : 0; }

static inline struct vcpu *queue_first(const struct sched_queue *queue)
{
	return list_is_empty(&queue->waiting) ? NULL : list_first(&queue->waiting, struct vcpu, sched.link);
}

/* Is it up, awake, not paused, not shut down, not throttled? */
bool vcpu_may_run(const struct vcpu *vcpu);
/* The CPUs it may use: its affinity, or all if none of that is online. */
cpumask_t vcpu_cpus(const struct vcpu *vcpu);
bool vcpu_may_use(const struct vcpu *vcpu, uint32_t cpu);
uint64_t vcpu_effective_time(const struct vcpu *vcpu);
uint32_t vcpu_weight(const struct vcpu *vcpu);
void vcpu_set_state(struct vcpu *vcpu, uint32_t state, uint64_t now_ns);

/* The queue is locked. */
void queue_charge(struct sched_queue *queue, uint64_t now_ns);	/* what `running` used so far; virtual time goes on */
void queue_insert(struct sched_queue *queue, struct vcpu *vcpu, uint64_t now_ns);	/* becomes runnable */
void queue_remove(struct sched_queue *queue, struct vcpu *vcpu, uint32_t state, uint64_t now_ns);

/* Locks the queue of a vcpu, and queue `also`. Returns whose the vcpu's is: for spin_unlock_two(). */
uint32_t queue_lock_of(struct vcpu *vcpu, uint32_t also);

/* From one queue to another, both locked: its lead over the others goes along. It is in neither. */
void queue_adopt(struct vcpu *vcpu, uint32_t to);

/* Which CPU. */
uint32_t balance_choose(const struct vcpu *vcpu);	/* the best one for who becomes runnable: a guess, no lock needed */
void balance_steal(uint32_t cpu);			/* into this CPU's queue; maybe one that has not left its CPU yet */

/* account.c. The vcpu's queue is locked in the first two. */
void account_charge_cpu_time(struct domain *domain, uint64_t run_ns, uint64_t now_ns);
uint64_t account_cpu_time_left_ns(const struct domain *domain);	/* for one of its vcpus; UINT64_MAX: no cap */
HIDDEN void account_refresh(void *domain);			/* the limits have changed, or its period ends */

/* bvt.c: the current vcpu has blocked itself and finds that it need not have. */
void sched_unblock_current(void);

/* ops.c: what timers call. */
HIDDEN void watchdog_barks(void *domain);
void vcpu_timers_init(struct vcpu *vcpu);

/* time.c: the first two write what is registered; the loaded address space is its kernel's. */
void time_write_area(struct vcpu *vcpu);
void runstate_write_area(struct vcpu *vcpu);
void runstate_left(struct vcpu *vcpu);		/* it was current, and its address space is still loaded */
