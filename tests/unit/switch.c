/* SPDX-License-Identifier: MIT */
/* cpu/switch.c: what a vcpu does on its way out of the core, and that it comes to an end. */
#include "fake-cpu/instructions.h"

#define MSR_FS_BASE		0x100
#define MSR_GS_BASE		0x101
#define MSR_KERNEL_GS_BASE	0x102
#define EXTABLE(from, to)	""

static inline void cpu_hlt_enabled(void) { }
static inline void clts(void) { }

/* The fake CPU has these too, for all other tests. */
bool real_preempt_needed(void);
void real_cpu_relax_serving(void);
#define preempt_needed		real_preempt_needed
#define cpu_relax_serving	real_cpu_relax_serving
#include "../../hypervisor/cpu/switch.c"

#include "unit.h"

/* What no case comes to: it is not there. */
#pragma weak cpu_set_entry_frame
#pragma weak debug_load
#pragma weak debug_save
#pragma weak deferred_step
#pragma weak domain_end_dead
#pragma weak entry_exit_to_guest
#pragma weak entry_run_idle
#pragma weak fpu_load
#pragma weak fpu_save
#pragma weak irq_softirq
#pragma weak paging_load_core
#pragma weak runstate_update_area
#pragma weak sched_softirq
#pragma weak speculation_switch_domain
#pragma weak switch_reload_gdt
#pragma weak switch_reload_ldt
#pragma weak time_update_vcpu
#pragma weak timer_softirq

#define ENOUGH 100

static uint32_t nmis, events, resets;
static bool is_deadly;

/* A sibling sends the next as fast as this one is taken, if it is taken at once. */
bool bounce_to_callback(struct vcpu *vcpu, uint32_t type)
{
	uint32_t *count = type == CALLBACKTYPE_nmi ? &nmis : &events;

	if (++*count < ENOUGH)
		vcpu->work |= VCPU_WORK_NMI | (is_deadly ? VCPU_WORK_RESET : 0);
	vcpu->info->evtchn_upcall_mask = 1;
	return true;
}

void reset_continue(struct vcpu *vcpu)
{
	resets++;
	vcpu->work = 0;
}

static struct vcpu *given_vcpu(uint64_t work, bool has_event, bool dies)
{
	struct vcpu *vcpu = given_domain()->vcpu[0];

	fake_run(vcpu);
	vcpu->work = work;
	vcpu->info->evtchn_upcall_pending = has_event;
	vcpu->info->evtchn_upcall_mask = 0;
	nmis = events = resets = 0;
	is_deadly = dies;
	return vcpu;
}

static void one_nmi_or_event_is_taken_on_a_way_out(void)
{
	exit_work(given_vcpu(VCPU_WORK_NMI, true, false));
	CU_ASSERT_EQUAL(nmis, 1);
	CU_ASSERT_EQUAL(events, 0);
	CU_ASSERT_EQUAL(current_vcpu()->work, VCPU_WORK_NMI);	/* the next time */
	exit_work(given_vcpu(0, true, false));
	CU_ASSERT_EQUAL(nmis, 0);
	CU_ASSERT_EQUAL(events, 1);
	exit_work(given_vcpu(0, false, false));
	CU_ASSERT_EQUAL(nmis + events, 0);
}

/* Its stack was not there, say, and it is armed: its guest does not go on. */
static void one_that_dies_of_what_it_is_told_is_reset_at_once(void)
{
	exit_work(given_vcpu(0, true, true));
	CU_ASSERT_EQUAL(resets, 1);
	CU_ASSERT_EQUAL(current_vcpu()->work, 0);
	exit_work(given_vcpu(VCPU_WORK_NMI, false, true));
	CU_ASSERT_EQUAL(resets, 1);
	CU_ASSERT_EQUAL(nmis, 1);
}

static const struct unit_case cases[] = {
	UNIT_CASE(one_nmi_or_event_is_taken_on_a_way_out),
	UNIT_CASE(one_that_dies_of_what_it_is_told_is_reset_at_once),
};

int main(void) { return unit_run("switch", cases, ARRAY_SIZE(cases)); }
