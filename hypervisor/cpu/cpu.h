/* SPDX-License-Identifier: MIT */
/*
 * One CPU of the machine: who runs on it and what it has been asked to do.
 * Interrupts are off wherever the core runs, but in preempt_needed(), cpu_idle() and the guest; an interrupt
 * handler sets a softirq bit and does nothing longer. The host build replaces this header's functions by
 * tests/unit/fake-cpu.
 */
#pragma once

#include "cpu/layout.h"

enum softirq {
	SOFTIRQ_TIMER,		/* timer_softirq: a deadline has passed */
	SOFTIRQ_SCHEDULE,	/* sched_softirq: choose again who runs here */
	SOFTIRQ_IRQ,		/* irq_softirq: devices have interrupted */
	SOFTIRQ_DOMAIN,		/* domain_end_dead: nobody holds anything of a dying domain any more */
	SOFTIRQ_COUNT
};

struct cpu {
	uint32_t id;			/* set at boot, never changes: 0 .. cpu_count - 1 */
	uint32_t apic_id;
	uint64_t softirqs;		/* bits of enum softirq; any CPU sets, the owner clears; atomic */
	struct vcpu *current;		/* who runs here: the idle vcpu if nobody; owner only */
	struct vcpu *idle;		/* set at boot */
	uint64_t kernel_stack;		/* where the stack of this CPU begins (its highest address) */
	uint32_t flushed_at;		/* tlb.c: the flush clock at this CPU's last whole flush */
	bool online;
};

extern struct cpu *cpu_by_id[MAX_CPUS];
extern uint32_t cpu_count;		/* CPUs that are up; they have the ids 0 .. cpu_count - 1 */

/* The CPU that runs this: found from its stack, no segment register needed. */
#if __STDC_HOSTED__
struct cpu *this_cpu(void);
#else
static inline struct cpu *this_cpu(void)
{
	uint64_t stack;

	asm("mov %%rsp, %0" : "=r"(stack));
	return *(struct cpu **)((stack | (STACK_SPAN - 1)) + 1 - STACK_CPU_OFFSET);
}
#endif
static inline uint32_t cpu_id(void) { return this_cpu()->id; }
static inline struct vcpu *current_vcpu(void) { return this_cpu()->current; }

/* Asks a CPU to do `softirq` before it next runs a guest; sends an interrupt if it is another CPU. */
void cpu_raise_softirq(struct cpu *cpu, enum softirq softirq);

/* An interrupt that does nothing but bring the CPU through its exit path (an event for its vcpu). */
void cpu_send_event_check(struct cpu *cpu);

/* Lets pending interrupts in, then says whether a long operation should stop and be continued. */
bool preempt_needed(void);

/* `pause`, and serve TLB flush requests: for every loop that waits for another CPU. */
void cpu_relax_serving(void);

/* The timestamp counter, ordered after earlier loads. */
uint64_t cpu_tsc(void);

/* Since boot, monotonic on each CPU. */
uint64_t time_now_ns(void);

/* For good: the others, when they next take an interrupt; all. */
void cpu_halt_others(void);
NORETURN void cpu_halt_all(void);
