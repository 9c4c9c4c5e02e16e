/* SPDX-License-Identifier: MIT */
/* The fake machine's CPUs: who runs where, time, TLB flushes, interrupts, and the end of everything. */
#include "fake.h"

#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "boot/power.h"
#include "cpu/features.h"
#include "cpu/irq.h"
#include "cpu/timer_hw.h"
#include "cpu/tlb.h"
#include "cpu/traps.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "mem/alloc.h"
#include "mem/mmu.h"
#include "sched/sched.h"
#include "sched/timer.h"

#pragma weak timer_softirq
#pragma weak sched_softirq
#pragma weak domain_end_dead
#pragma weak sched_init_cpu
#pragma weak alloc_init

struct fake fake;
jmp_buf *fake_death;

struct cpu *cpu_by_id[MAX_CPUS];
uint32_t cpu_count;
struct cpu_features cpu_features;
struct tsc_scale tsc_scale;
uint64_t tsc_at_boot;
uint32_t tsc_khz;
bool tsc_is_stable;

static struct cpu cpus[FAKE_CPUS];
static struct vcpu idle_vcpus[FAKE_CPUS];
static struct domain idle_domain;
static vcpu_info_t idle_info[FAKE_CPUS];
static __thread uint32_t here;
static uint32_t flush_clock;
static bool waiting_allowed;
static jmp_buf *switch_exit;
static struct { domid_t owner; bool exists, is_bound; } pirqs[PIRQ_COUNT];

static void reset_cpu(uint32_t id)
{
	idle_vcpus[id] = (struct vcpu){ .domain = &idle_domain, .id = id, .in_kernel = true, .info = &idle_info[id],
					.is_up = true, .is_running = true, .cpu = &cpus[id], .affinity = 1ULL << id };
	cpus[id] = (struct cpu){ .id = id, .apic_id = id, .current = &idle_vcpus[id], .idle = &idle_vcpus[id],
				 .online = true };
	cpu_by_id[id] = &cpus[id];
	fake.timer_ns[id] = UINT64_MAX;
}

void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	memset(pirqs, 0, sizeof(pirqs));
	memset(&idle_domain, 0, sizeof(idle_domain));
	idle_domain.id = DOMID_IDLE;
	cpu_count = FAKE_CPUS;
	cpu_features = (struct cpu_features){ .vendor = VENDOR_INTEL, .address_bits = 40, .nx = true,
					      .pge = true, .xcr0_mask = 3, .xsave_bytes = 576 };
	tsc_scale = (struct tsc_scale){ .mul = 1U << 31, .shift = 1 };	/* 1 tick = 1 ns */
	tsc_khz = 1000000;
	tsc_is_stable = true;
	flush_clock = 1;
	waiting_allowed = false;
	here = 0;
	for (uint32_t id = 0; id < FAKE_CPUS; id++)
		reset_cpu(id);
	fake_memory_reset();
	fake_given_reset();
	if (alloc_init)
		alloc_init();
	for (uint32_t id = 0; sched_init_cpu && id < FAKE_CPUS; id++) {
		here = id;
		sched_init_cpu(&cpus[id]);
	}
	here = 0;
}

void fake_on_cpu(uint32_t cpu)
{
	here = cpu;
}

void fake_run(struct vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	cpu->current->is_running = false;
	cpu->current = vcpu ? vcpu : cpu->idle;
	cpu->current->is_running = true;
	cpu->current->cpu = cpu;
}

struct cpu *this_cpu(void)
{
	return &cpus[here];
}

void cpu_raise_softirq(struct cpu *cpu, enum softirq softirq)
{
	__atomic_fetch_or(&cpu->softirqs, 1ULL << softirq, __ATOMIC_SEQ_CST);
}

void cpu_send_event_check(struct cpu *cpu)
{
	__atomic_fetch_add(&fake.event_checks[cpu->id], 1, __ATOMIC_RELAXED);
}

bool preempt_needed(void)
{
	uint32_t calls = __atomic_add_fetch(&fake.preempt_calls, 1, __ATOMIC_RELAXED);

	return fake.preempt_every && calls % fake.preempt_every == 0;
}

void cpu_relax_serving(void)
{
	if (!waiting_allowed)
		panic("deadlock: a lock is taken twice, or was never given back");
	sched_yield();
}

void fake_allow_waiting(bool allowed)
{
	waiting_allowed = allowed;
}

uint64_t cpu_tsc(void)
{
	return fake.now_ns;
}

void fake_advance(uint64_t ns)
{
	fake.now_ns += ns;
	for (uint32_t id = 0; id < FAKE_CPUS; id++) {
		if (fake.timer_ns[id] <= fake.now_ns) {
			fake.timer_ns[id] = UINT64_MAX;
			cpu_raise_softirq(&cpus[id], SOFTIRQ_TIMER);
		}
	}
}

static void run_softirqs_here(uint64_t softirqs)
{
	jmp_buf after_switch;

	if ((softirqs & 1ULL << SOFTIRQ_TIMER) && timer_softirq)
		timer_softirq();
	if ((softirqs & 1ULL << SOFTIRQ_DOMAIN) && domain_end_dead)
		domain_end_dead();
	if ((softirqs & 1ULL << SOFTIRQ_SCHEDULE) && sched_softirq) {
		switch_exit = &after_switch;
		if (setjmp(after_switch) == 0)
			sched_softirq();
		switch_exit = NULL;
	}
}

void fake_run_softirqs(void)
{
	uint32_t before = here;
	bool again;

	do {
		again = false;
		for (uint32_t id = 0; id < FAKE_CPUS; id++) {
			uint64_t softirqs = __atomic_exchange_n(&cpus[id].softirqs, 0, __ATOMIC_SEQ_CST);

			here = id;
			run_softirqs_here(softirqs);
			again = again || softirqs;
		}
	} while (again);
	here = before;
}

/* What cpu/switch.c does, without registers. */
__attribute__((weak)) NORETURN void context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct cpu *cpu = this_cpu();

	cpu->current = next;
	next->cpu = cpu;
	next->is_running = true;
	if (prev != next)
		prev->is_running = false;
	if (!switch_exit)
		panic("a context switch outside fake_run_softirqs()");
	longjmp(*switch_exit, 1);
}

void cpu_halt_all(void)
{
	panic("cpu_halt_all");
}

/* ---- time ---- */

void tsc_calibrate(void) { }
void tsc_check_stable(void) { }
void cpu_timer_init(void) { }
uint64_t time_now_ns(void) { return read_once(&fake.now_ns); }
uint64_t tsc_to_ns(uint64_t tsc) { return tsc; }
uint64_t rtc_read_seconds(void) { return 1700000000; }

void cpu_timer_program(uint64_t deadline_ns)
{
	fake.timer_ns[here] = deadline_ns;
	if (deadline_ns <= fake.now_ns)
		fake_advance(0);
}

/* ---- TLB ---- */

void tlb_flush(cpumask_t on, uint64_t address)
{
	uint32_t cpu;

	fake.tlb_flushed_cpus |= on;
	if (fake.tlb_watcher)
		fake.tlb_watcher(on, address);
	if (address != TLB_ALL_PAGES) {
		fake.tlb_page_flushes++;
		return;
	}
	fake.tlb_flushes++;
	flush_clock++;
	bits_each(cpu, on & ((1ULL << FAKE_CPUS) - 1))
		cpus[cpu].flushed_at = flush_clock;
}

void tlb_flush_page_local(uint64_t address) { tlb_flush(1ULL << here, address); }
uint32_t fake_tlb_clock(void) { return flush_clock; }
__attribute__((weak)) uint32_t tlb_clock(void) { return fake_tlb_clock(); }
void tlb_serve_requests(void) { }

cpumask_t tlb_not_flushed_since(cpumask_t of, uint32_t stamp)
{
	cpumask_t not_flushed = 0;
	uint32_t cpu;

	bits_each(cpu, of & ((1ULL << FAKE_CPUS) - 1))
		if (cpus[cpu].flushed_at <= stamp)
			not_flushed |= 1ULL << cpu;
	return not_flushed;
}

__attribute__((weak)) void mmu_load_base(struct vcpu *vcpu)
{
	fake.base_loads++;
}

/* ---- traps and interrupts ---- */

void trap_inject(struct vcpu *vcpu, enum trap_vector vector)
{
	fake.trap_count++;
	fake.trap_vector = vector;
}

void trap_show_guest(struct vcpu *vcpu) { }

int pirq_create(struct domain *domain, uint32_t *pirq, uint64_t *msi_address, uint32_t *msi_data)
{
	for (uint32_t i = 16; i < PIRQ_COUNT; i++) {
		if (pirqs[i].exists)
			continue;
		pirqs[i].exists = true;
		pirqs[i].owner = domain->id;
		*pirq = i;
		*msi_address = 0xfee00000;
		*msi_data = i;
		return 0;
	}
	return -ENOSPC;
}

int pirq_destroy(uint32_t pirq)
{
	if (pirqs[pirq].is_bound)
		return -EBUSY;
	pirqs[pirq].exists = false;
	return 0;
}

int pirq_attach(struct domain *domain, uint32_t pirq)
{
	if (pirq >= PIRQ_COUNT || !pirqs[pirq].exists || pirqs[pirq].owner != domain->id)
		return -EPERM;
	if (pirqs[pirq].is_bound)
		return -EBUSY;
	pirqs[pirq].is_bound = true;
	return 0;
}

void pirq_detach(uint32_t pirq)
{
	ASSERT(pirqs[pirq].is_bound, "E3");
	pirqs[pirq].is_bound = false;
}

/* ---- the end ---- */

static NORETURN void die(const char *what)
{
	if (fake_death)
		longjmp(*fake_death, 1);
	fprintf(stderr, "%s\n%s", what, fake.log);
	abort();
}

__attribute__((weak)) void panic(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	die(text);
}

void power_domain_zero_ended(unsigned int reason) { die("power_domain_zero_ended"); }
