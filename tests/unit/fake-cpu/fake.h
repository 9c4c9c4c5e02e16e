/* SPDX-License-Identifier: MIT */
/*
 * A machine for tests: what hypervisor/cpu/ (and boot/power.h) declares, on the host, and under the tests' control.
 * What else a source needs from its neighbours is in core.c, each function weak: a test that links the real
 * source gets the real one. Call fake_reset() before each case.
 */
#ifndef SKINK_FAKE_H
#define SKINK_FAKE_H

#include <setjmp.h>
#include <stdio.h>

#include "include/types.h"

#include "cpu/cpu.h"
#include "domain/domain.h"
#include "domain/vcpu.h"

#define FAKE_CPUS	4
#define FAKE_RAM_BYTES	(64UL << 20)	/* the direct map: physical addresses 0 .. FAKE_RAM_BYTES - 1 */
#define FAKE_GUEST_BYTES (1UL << 20)	/* what guest_read and guest_write reach, besides fake_guest_window() */

/* What tests set and read. All 0 after fake_reset(). */
struct fake {
	uint64_t now_ns;			/* time_now_ns(); see fake_advance() */
	uint64_t timer_ns[FAKE_CPUS];		/* cpu_timer_program() of each CPU; UINT64_MAX: stopped */
	uint32_t preempt_every;			/* preempt_needed() says yes each so many calls; 0: never */
	uint32_t preempt_calls;
	uint64_t guest_fault_at;		/* an address that faults when the core touches it; 0: none */
	uint32_t guest_fault_access;		/* the n-th access from now on faults, once; 0: none does */
	uint32_t heap_fail_call;		/* the n-th heap_alloc() from now on fails, once (not mem/alloc.c's) */
	uint32_t event_checks[FAKE_CPUS];	/* cpu_send_event_check() */
	uint32_t kicks;				/* sched_vcpu_kick(), if the scheduler is not linked */
	struct vcpu *kicked;			/* the last one */
	uint32_t tlb_flushes;			/* calls of tlb_flush* that flush everything */
	uint32_t tlb_page_flushes;
	cpumask_t tlb_flushed_cpus;		/* all that were asked since the last look */
	void (*tlb_watcher)(cpumask_t cpus, uint64_t address);	/* told of each flush; tables.c's, where TLBs are modelled */
	uint32_t base_loads;			/* mmu_load_base(), if cpu/ is asked for it */
	uint32_t crashes;			/* domain_crash(), if domain/ is not linked */
	struct domain *crashed;
	uint32_t shutdowns;
	uint32_t trap_count;			/* trap_inject*() */
	uint32_t trap_vector;
	uint32_t continued_number;		/* hypercall_continue(), if domain/ is not linked */
	uint32_t continued_count;
	uint64_t continued[6];
	size_t log_length;			/* everything that was logged, NUL at the end */
	char log[65536];
};
extern struct fake fake;

/* An empty machine: FAKE_CPUS CPUs, each with its idle vcpu; the tests run on CPU 0; all domains gone. */
void fake_reset(void);

/* What tlb_clock() says, if a test has one of its own. */
uint32_t fake_tlb_clock(void);
/* The code under test runs on this CPU from now on; each thread of the host is on one. */
void fake_on_cpu(uint32_t cpu);
/* `vcpu` is current on this CPU. NULL: the idle vcpu. */
void fake_run(struct vcpu *vcpu);
/* Time goes on: CPUs whose timer is due get SOFTIRQ_TIMER. Does not run them. */
void fake_advance(uint64_t ns);
/* Each CPU does its softirqs until none is left (those whose sources are linked). */
void fake_run_softirqs(void);
/* Locks are waited for by several threads: without it, waiting is a deadlock and stops the test. */
void fake_allow_waiting(bool allowed);

/* Zeroed memory that the current guest can see at the same address. Gone at fake_reset(). */
void *fake_guest_memory(size_t bytes);
/* A copy of an operation's arguments there: GUEST_COPY(struct, .field = ...). */
#define GUEST_COPY(type, ...) \
	((type *)__builtin_memcpy(fake_guest_memory(sizeof(type)), &(type){ __VA_ARGS__ }, sizeof(type)))
static inline uint64_t guest_address(const void *memory) { return (uint64_t)(uintptr_t)memory; }
/* More that it can see (one window; NULL: none). */
void fake_guest_window(void *start, size_t bytes);

/* A frame of the fake RAM, for tests that do not link mem/alloc.c. */
mfn_t fake_frame(void);

/* Does `statement` end in panic() or a failed ASSERT()? Sets `died`. The lock it held stays held. */
extern jmp_buf *fake_death;
#define FAKE_DIES(died, statement)				\
	do {							\
		jmp_buf fake_death_;				\
		(died) = true;					\
		fake_death = &fake_death_;			\
		if (setjmp(fake_death_) == 0) {			\
			statement;				\
			(died) = false;				\
		}						\
		fake_death = NULL;				\
	} while (0)

/*
 * Domains, ready for use: with shared_info, event channels, grants and scheduler state as far as those sources
 * are linked; all vcpus up, none running. By the real domain_create() if it is linked.
 */
struct domain *given_domain(void);			/* the next free id from 1, one vcpu, not privileged */
struct domain *given_domain_zero(void);			/* id 0, privileged, two vcpus */
struct domain *given_domain_with(domid_t id, uint32_t vcpus, bool is_privileged);
/* As domain_destroy has it: it is found no more. Nothing is torn down. */
void given_dying(struct domain *domain);

/* All that were given since fake_reset(): how many, at most `room`. */
uint32_t fake_domains(struct domain **list, uint32_t room);

/* given.c's own table, for the weak domain_get(). */
struct domain *fake_domain_find(domid_t id);
void fake_given_reset(void);

/* memory.c, for fake_reset(). */
void fake_memory_reset(void);

#endif
