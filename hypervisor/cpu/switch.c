/* SPDX-License-Identifier: MIT */
/*
 * The switch from one vcpu to another, and the ways out of the core. General registers need no switch: they lie in
 * vcpu->regs already.
 */
#include "cpu/entry.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/registers.h"
#include "cpu/speculation.h"
#include "cpu/tlb.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"
#include "mem/deferred.h"
#include "reset/reset.h"

void cpu_relax_serving(void)
{
	cpu_pause();
	tlb_serve_requests();
}

bool preempt_needed(void)
{
	struct cpu *cpu = this_cpu();

	if (vcpu_is_idle(cpu->current))
		return false;		/* at boot there is nobody to make room for */
	asm volatile("sti\n\tnop\n\tcli" : : : "memory");
	return read_once(&cpu->softirqs) != 0;
}

#define SEGMENT_READ(name) asm volatile("mov %%" #name ", %0" : "=r"(vcpu->regs.name))

void switch_note_selectors(struct vcpu *vcpu)
{
	SEGMENT_READ(ds);
	SEGMENT_READ(es);
	SEGMENT_READ(fs);
	SEGMENT_READ(gs);
}

/* If there is no such descriptor, `ok` becomes false and selector 0 is loaded. */
#define SEGMENT_LOAD(name, selector, ok)							\
	asm volatile("1: mov %1, %%" #name "\n\tjmp 3f\n\t"					\
		     "2: mov %2, %%" #name "\n\tmovb $0, %0\n\t3:\n\t" EXTABLE("1b", "2b")	\
		     : "+q"(ok) : "r"((uint32_t)(selector)), "r"(0) : "memory")

static void segments_save(struct vcpu *vcpu)
{
	uint64_t active = msr_read(MSR_GS_BASE), other = msr_read(MSR_KERNEL_GS_BASE);

	switch_note_selectors(vcpu);
	vcpu->fs_base = msr_read(MSR_FS_BASE);
	vcpu->gs_base_kernel = vcpu->in_kernel ? active : other;
	vcpu->gs_base_user = vcpu->in_kernel ? other : active;
}

/* A selector that no longer names a descriptor becomes 0, and the guest's failsafe callback hears of it. */
static void segments_load(struct vcpu *vcpu)
{
	bool ok = true;

	SEGMENT_LOAD(ds, vcpu->regs.ds, ok);
	SEGMENT_LOAD(es, vcpu->regs.es, ok);
	SEGMENT_LOAD(fs, vcpu->regs.fs, ok);
	SEGMENT_LOAD(gs, vcpu->regs.gs, ok);
	msr_write(MSR_FS_BASE, vcpu->fs_base);
	msr_write(MSR_GS_BASE, vcpu->in_kernel ? vcpu->gs_base_kernel : vcpu->gs_base_user);
	msr_write(MSR_KERNEL_GS_BASE, vcpu->in_kernel ? vcpu->gs_base_user : vcpu->gs_base_kernel);
	if (!ok)
		__atomic_fetch_or(&vcpu->work, VCPU_WORK_FAILSAFE, __ATOMIC_SEQ_CST);
}

void switch_save_current(struct vcpu *vcpu)
{
	segments_save(vcpu);
	fpu_save(vcpu);
	fpu_load(vcpu);
}

/* Its CPU has no TLB entries of it then, and makes none. */
void switch_leave_current(struct vcpu *vcpu)
{
	debug_save(vcpu);
	paging_load_core();
	__atomic_fetch_and(&vcpu->domain->dirty_cpus, ~(1ULL << cpu_id()), __ATOMIC_SEQ_CST);
}

static void load(struct cpu *cpu, struct vcpu *prev, struct vcpu *next)
{
	if (next->domain != prev->domain)
		speculation_switch_domain();
	/* Before its page tables are loaded: from now on it is told to flush. */
	__atomic_fetch_or(&next->domain->dirty_cpus, 1ULL << cpu->id, __ATOMIC_SEQ_CST);
	cpu_set_entry_frame(cpu, next);
	mmu_load_base(next);
	switch_reload_gdt(next);
	switch_reload_ldt(next);
	segments_load(next);
	debug_load(next);
	fpu_load(next);
}

void switch_enter_current(struct vcpu *vcpu)
{
	clts();		/* what it had in its registers is dropped, and whether it wanted #NM */
	load(this_cpu(), vcpu, vcpu);
	time_update_vcpu(vcpu);
}

/* The idle vcpus' domain takes part in none of this: it has no state, no tables and no TLB entries. */
NOINLINE void context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct cpu *cpu = this_cpu();

	if (!vcpu_is_idle(prev)) {
		segments_save(prev);
		debug_save(prev);
		fpu_save(prev);
	}
	cpu->current = next;
	if (vcpu_is_idle(next))
		paging_load_core();
	else
		load(cpu, prev, next);
	/* The base pointer that was loaded has flushed all entries of `prev`: but `next` may have made new ones. */
	if (prev->domain != next->domain)
		__atomic_fetch_and(&prev->domain->dirty_cpus, ~(1ULL << cpu->id), __ATOMIC_SEQ_CST);
	store_release(&prev->is_running, false);	/* V2 */
	if (vcpu_is_idle(next))
		entry_run_idle();
	time_update_vcpu(next);
	runstate_update_area(next);
	entry_exit_to_guest();
}

static void do_softirqs(struct cpu *cpu)
{
	uint64_t bits = __atomic_exchange_n(&cpu->softirqs, 0, __ATOMIC_SEQ_CST);

	if (bits & 1ULL << SOFTIRQ_TIMER)
		timer_softirq();
	if (bits & 1ULL << SOFTIRQ_IRQ)
		irq_softirq();
	if (bits & 1ULL << SOFTIRQ_DOMAIN)
		domain_end_dead();
	if (bits & 1ULL << SOFTIRQ_SCHEDULE)
		sched_softirq();	/* may not return: last */
}

static bool work_take(struct vcpu *vcpu, enum vcpu_work work)
{
	return (read_once(&vcpu->work) & work) &&
	       (__atomic_fetch_and(&vcpu->work, ~(uint64_t)work, __ATOMIC_SEQ_CST) & work);
}

/* One thing at a time that a vcpu must do before it enters its guest; false when there is none left. */
static bool work_step(struct vcpu *vcpu)
{
	if (vcpu->deferred_tables) {
		deferred_step(vcpu);
		(void)preempt_needed();		/* a tree may be large: lets interrupts in between its tables */
		return true;
	}
	if (unlikely(read_once(&vcpu->work) & VCPU_WORK_RESET)) {
		reset_continue(vcpu);
		return true;
	}
	/* The frame tells what could not be loaded; the registers hold 0 instead. */
	if (work_take(vcpu, VCPU_WORK_FAILSAFE) && bounce_to_callback(vcpu, CALLBACKTYPE_failsafe))
		return true;
	/* Both once: other vcpus may send the next NMI, or clear the mask, as fast as this sets it. */
	if (work_take(vcpu, VCPU_WORK_NMI))
		(void)bounce_to_callback(vcpu, CALLBACKTYPE_nmi);
	if (vcpu_has_deliverable_event(vcpu))
		(void)bounce_to_callback(vcpu, CALLBACKTYPE_event);
	/* One of these may have been its death. */
	return read_once(&vcpu->work) & VCPU_WORK_RESET;
}

void exit_work(struct vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();

	do {
		while (unlikely(read_once(&cpu->softirqs)))
			do_softirqs(cpu);
	} while (work_step(vcpu) || read_once(&cpu->softirqs));
}

void cpu_idle_loop(void)
{
	struct cpu *cpu = this_cpu();

	for (;;) {
		if (read_once(&cpu->softirqs))
			do_softirqs(cpu);
		else
			cpu_hlt_enabled();
	}
}

long do_set_segment_base(uint64_t which, uint64_t value)
{
	static const uint32_t msr[] = {
		[SEGBASE_FS] = MSR_FS_BASE, [SEGBASE_GS_USER] = MSR_KERNEL_GS_BASE, [SEGBASE_GS_KERNEL] = MSR_GS_BASE,
	};
	bool ok = true;

	if (which == SEGBASE_GS_USER_SEL) {
		asm volatile("swapgs" : : : "memory");
		SEGMENT_LOAD(gs, value & 0xffff, ok);
		asm volatile("swapgs" : : : "memory");
		return 0;	/* one that names nothing is 0 now, and no error: Linux does not survive one */
	}
	if (which >= ARRAY_SIZE(msr) || !address_is_canonical(value))
		return -EINVAL;
	msr_write(msr[which], value);
	return 0;
}
