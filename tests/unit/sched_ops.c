/* SPDX-License-Identifier: MIT */
/* sched_op, vcpu_op, set_timer_op and time in shared memory: what is refused, then what each does. */
#include "include/types.h"

#include <string.h>

#include <xen/sched.h>
#include <xen/vcpu.h>

#include "unit.h"

#include "cpu/directmap.h"
#include "cpu/timer_hw.h"
#include "domain/hypercall.h"
#include "event/event.h"
#include "fake-cpu/frames.h"
#include "include/errno.h"
#include "sched/queue.h"

#define NOWHERE 0x10ULL			/* an address that no guest has */
#define PORTS 4096
#define MS NSEC_PER_MSEC

static bool is_pending[PORTS];
static uint32_t ticks;

/* ---- event channels, as far as they matter here ---- */

bool event_port_is_valid(struct domain *domain, port_t port) { return port > 0 && port < PORTS; }
bool event_is_pending(struct domain *domain, port_t port) { return is_pending[port]; }

void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq)
{
	CU_ASSERT_EQUAL(virq, VIRQ_TIMER);
	ticks++;
	vcpu->info->evtchn_upcall_pending = 1;
	sched_vcpu_kick(vcpu);
}

static void send(struct vcpu *vcpu, port_t port)
{
	is_pending[port] = true;
	if (vcpu->poll_port == port || vcpu->poll_port == UINT32_MAX)
		sched_vcpu_kick(vcpu);
	fake_run_softirqs();
}

/* ---- guests ---- */

static struct domain *given_running(uint32_t vcpus)
{
	struct domain *domain = given_domain_with(5, vcpus, false);

	memset(is_pending, 0, sizeof(is_pending));
	ticks = 0;
	fake_run_softirqs();
	fake_on_cpu(domain->vcpu[0]->cpu->id);
	CU_ASSERT_PTR_EQUAL_FATAL(current_vcpu(), domain->vcpu[0]);
	return domain;
}

static bool runs(const struct vcpu *vcpu) { return vcpu->cpu->current == vcpu; }

static void run_for(uint64_t ns)
{
	uint64_t end_ns = fake.now_ns + ns;

	fake_run_softirqs();
	while (fake.now_ns < end_ns) {
		uint64_t next_ns = end_ns;

		for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++)
			next_ns = MIN(next_ns, fake.timer_ns[cpu]);
		fake_advance(MAX(next_ns, fake.now_ns) - fake.now_ns);
		fake_run_softirqs();
	}
}

static long sched_op(uint32_t command, void *argument)
{
	return do_sched_op(command, guest_address(argument));
}

static long vcpu_op(uint32_t command, uint32_t id, const void *argument)
{
	return do_vcpu_op(command, id, guest_address(argument));
}

/* ---- what is refused ---- */

static void unreadable_arguments_are_refused(void)
{
	const uint32_t sched[] = { SCHEDOP_shutdown, SCHEDOP_poll, SCHEDOP_watchdog };
	const uint32_t vcpu[] = { VCPUOP_initialise, VCPUOP_get_runstate_info, VCPUOP_register_runstate_memory_area,
				  VCPUOP_set_singleshot_timer, VCPUOP_register_vcpu_info,
				  VCPUOP_register_vcpu_time_memory_area };
	struct domain *domain = given_running(2);

	domain->vcpu[0]->is_initialised = false;
	for (uint32_t i = 0; i < ARRAY_SIZE(sched); i++)
		CU_ASSERT_EQUAL(do_sched_op(sched[i], NOWHERE), -EFAULT);
	for (uint32_t i = 0; i < ARRAY_SIZE(vcpu); i++)
		CU_ASSERT_EQUAL(do_vcpu_op(vcpu[i], 0, NOWHERE), -EFAULT);
	CU_ASSERT_EQUAL(fake.shutdowns, 0);
	CU_ASSERT_FALSE(domain->vcpu[0]->is_initialised);
}

static void unknown_operations_and_vcpus_do_not_exist(void)
{
	given_running(2);
	CU_ASSERT_EQUAL(do_sched_op(8, 0), -ENOSYS);
	CU_ASSERT_EQUAL(do_sched_op(UINT32_MAX, 0), -ENOSYS);
	CU_ASSERT_EQUAL(do_sched_op(SCHEDOP_shutdown_code, 0), -ENOSYS);
	CU_ASSERT_EQUAL(vcpu_op(14, 0, NULL), -ENOSYS);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_is_up, 2, NULL), -ENOENT);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_up, UINT32_MAX, NULL), -ENOENT);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_get_physid, 0, NULL), -EINVAL);
}

static void what_would_change_a_driver_that_is_ready_is_refused(void)		/* R2 of reset/reset.h */
{
	static const uint32_t commands[] = { VCPUOP_initialise, VCPUOP_up, VCPUOP_down, VCPUOP_register_vcpu_info,
					     VCPUOP_register_runstate_memory_area, VCPUOP_register_vcpu_time_memory_area };
	struct domain *domain = given_running(1);

	domain->is_frozen = true;
	for (uint32_t i = 0; i < ARRAY_SIZE(commands); i++)
		CU_ASSERT_EQUAL(vcpu_op(commands[i], 0, NULL), -EPERM);
	CU_ASSERT_TRUE(domain->vcpu[0]->is_up);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_is_up, 0, NULL), 1);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
}

static void nobody_shuts_another_down_by_this(void)
{
	struct domain *zero;

	given_running(1);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_remote_shutdown, GUEST_COPY(struct sched_remote_shutdown, .domain_id = 99)),
			-ENOSYS);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_pin_override, NULL), -EPERM);
	CU_ASSERT_EQUAL(fake.shutdowns, 0);

	zero = given_domain_zero();
	zero->vcpu[0]->affinity = 8;
	sched_vcpu_update(zero->vcpu[0]);
	run_for(20 * MS);
	fake_on_cpu(zero->vcpu[0]->cpu->id);
	CU_ASSERT_EQUAL(current_vcpu()->domain, zero);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_pin_override, NULL), -ENOSYS);
}

static void polls_that_make_no_sense_are_refused(void)
{
	evtchn_port_t *port;
	struct sched_poll *poll;
	struct domain *domain = given_running(1);

	port = fake_guest_memory(200 * sizeof(*port));
	poll = GUEST_COPY(struct sched_poll, .nr_ports = 129);
	set_xen_guest_handle(poll->ports, port);
	for (int i = 0; i < 200; i++)
		port[i] = 1;
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_poll, poll), -EINVAL);
	poll->nr_ports = 3;
	port[2] = PORTS;
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_poll, poll), -EINVAL);
	set_xen_guest_handle(poll->ports, (evtchn_port_t *)NOWHERE);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_poll, poll), -EFAULT);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(domain->vcpu[0]));
	CU_ASSERT_EQUAL(domain->vcpu[0]->poll_port, 0);
}

static void timers_of_others_and_periods_are_refused(void)
{
	given_running(2);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 1, GUEST_COPY(struct vcpu_set_singleshot_timer)), -EINVAL);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_periodic_timer, 0,
				GUEST_COPY(struct vcpu_set_periodic_timer, .period_ns = 2 * MS)), -ENOSYS);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	run_for(100 * MS);
	CU_ASSERT_EQUAL(ticks, 0);
}

static void an_info_that_crosses_its_page_or_is_not_the_domains_is_refused(void)
{
	struct domain *domain = given_running(2), *other = given_domain();
	mfn_t mine = given_frame(domain), theirs = given_frame(other), table = given_page_table(domain);
	const struct { mfn_t frame; uint32_t offset; uint32_t id; long error; } bad[] = {
		{ mine, PAGE_SIZE - 63, 0, -ENXIO }, { mine, UINT32_MAX, 0, -ENXIO }, { mine, 4, 0, -ENXIO },
		{ theirs, 0, 0, -EINVAL }, { table, 0, 0, -EINVAL }, { mfn(UINT64_MAX), 0, 0, -EINVAL },
		{ mine, 0, 1, -EINVAL },		/* another one that is up */
	};
	vcpu_info_t *before = domain->vcpu[0]->info;

	fake_on_cpu(domain->vcpu[0]->cpu->id);
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, bad[i].id,
					GUEST_COPY(struct vcpu_register_vcpu_info, .mfn = bad[i].frame.raw,
						   .offset = bad[i].offset)), bad[i].error);
	CU_ASSERT_PTR_EQUAL(domain->vcpu[0]->info, before);
	CU_ASSERT_EQUAL(frame_references(mine), 0);
	CU_ASSERT_EQUAL(frame_references(theirs), 0);
}

static void areas_inside_the_core_are_refused(void)
{
	struct domain *domain = given_running(1);

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0,
				GUEST_COPY(struct vcpu_register_runstate_memory_area,
					   .addr.p = 0xffff800000000000ULL - 8)), -EFAULT);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				GUEST_COPY(struct vcpu_register_time_memory_area,
					   .addr.p = 0xffff830000000000ULL)), -EFAULT);
	CU_ASSERT_EQUAL(domain->vcpu[0]->runstate_area, 0);
	CU_ASSERT_EQUAL(domain->vcpu[0]->time_area, 0);
}

/* ---- sched_op ---- */

static void block_unmasks_and_waits_for_an_event(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	vcpu->info->evtchn_upcall_mask = 1;
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_mask, 0);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(vcpu));
	vcpu->info->evtchn_upcall_pending = 1;
	sched_vcpu_kick(vcpu);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
	vcpu->info->evtchn_upcall_mask = 1;
	CU_ASSERT_EQUAL(do_sched_op(SCHEDOP_block, 0), 0);	/* it was masked, and is pending */
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
}

static long poll(const evtchn_port_t *ports, uint32_t count, uint64_t deadline_ns)
{
	evtchn_port_t *copy = fake_guest_memory((count + 1) * sizeof(*copy));
	struct sched_poll *operation = GUEST_COPY(struct sched_poll, .nr_ports = count, .timeout = deadline_ns);

	for (uint32_t i = 0; i < count; i++)
		copy[i] = ports[i];
	set_xen_guest_handle(operation->ports, copy);
	return sched_op(SCHEDOP_poll, operation);
}

static void poll_ends_with_its_port_and_no_other(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	vcpu->info->evtchn_upcall_mask = 1;
	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 7 }, 1, 0), 0);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(vcpu));
	send(vcpu, 8);
	CU_ASSERT_FALSE(runs(vcpu));
	send(vcpu, 7);
	CU_ASSERT_TRUE(runs(vcpu));

	is_pending[7] = false;				/* what it polled for does not wake it when it blocks */
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
	fake_run_softirqs();
	send(vcpu, 7);
	CU_ASSERT_FALSE(runs(vcpu));
}

static void poll_of_what_is_pending_does_not_wait(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	is_pending[3] = true;
	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 1, 2, 3 }, 3, 0), 0);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
	vcpu->info->evtchn_upcall_pending = 1;		/* nor when an event is to be delivered */
	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 1 }, 1, 0), 0);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
}

/* Another CPU has given it the work, and found it awake. */
static void whoever_has_work_does_not_sleep(void)			/* S4 */
{
	const enum vcpu_work works[] = { VCPU_WORK_NMI, VCPU_WORK_RESET };
	struct vcpu *vcpu = given_running(1)->vcpu[0];

	for (uint32_t i = 0; i < ARRAY_SIZE(works); i++) {
		vcpu->work = works[i];
		CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
		fake_run_softirqs();
		CU_ASSERT_TRUE(runs(vcpu));
		CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 7 }, 1, 0), 0);
		fake_run_softirqs();
		CU_ASSERT_TRUE(runs(vcpu));
	}
	vcpu->work = 0;
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(vcpu));
}

static void poll_ends_at_its_deadline(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	CU_ASSERT_EQUAL(poll(NULL, 0, fake.now_ns + 5 * MS), 0);
	run_for(5 * MS - 1);
	CU_ASSERT_FALSE(runs(vcpu));
	run_for(1);
	CU_ASSERT_TRUE(runs(vcpu));
	CU_ASSERT_EQUAL(poll(NULL, 0, 1), 0);		/* it is past */
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
}

static void the_deadline_of_an_old_poll_does_not_end_a_block(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 7 }, 1, fake.now_ns + 5 * MS), 0);
	fake_run_softirqs();
	send(vcpu, 7);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
	run_for(20 * MS);
	CU_ASSERT_FALSE(runs(vcpu));
}

static void the_deadline_of_an_old_poll_does_not_end_the_next(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];

	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 7 }, 1, fake.now_ns + 5 * MS), 0);
	fake_run_softirqs();
	send(vcpu, 7);
	CU_ASSERT_TRUE(runs(vcpu));
	CU_ASSERT_EQUAL(poll((evtchn_port_t[]){ 8 }, 1, 0), 0);
	run_for(20 * MS);
	CU_ASSERT_FALSE(runs(vcpu));
}

static long watchdog(uint32_t id, uint32_t timeout_s)
{
	return sched_op(SCHEDOP_watchdog, GUEST_COPY(struct sched_watchdog, .id = id, .timeout = timeout_s));
}

static void a_watchdog_barks_unless_it_is_poked(void)
{
	struct domain *domain = given_running(1);

	CU_ASSERT_EQUAL(watchdog(0, 0), -EINVAL);
	CU_ASSERT_EQUAL(watchdog(1, 5), -EINVAL);
	CU_ASSERT_EQUAL(watchdog(3, 5), -EINVAL);
	CU_ASSERT_EQUAL(watchdog(0, 10), 1);
	CU_ASSERT_EQUAL(watchdog(0, 10), 2);
	CU_ASSERT_EQUAL(watchdog(0, 10), -ENOSPC);
	CU_ASSERT_EQUAL(watchdog(2, 0), 0);
	CU_ASSERT_EQUAL(watchdog(2, 10), -EINVAL);
	for (int i = 0; i < 5; i++) {
		run_for(9000 * MS);
		CU_ASSERT_EQUAL(watchdog(1, 10), 0);
	}
	CU_ASSERT_EQUAL(fake.shutdowns, 0);
	run_for(10000 * MS);
	CU_ASSERT_EQUAL(fake.shutdowns, 1);
	CU_ASSERT_EQUAL(domain->shutdown_reason, SHUTDOWN_watchdog);
}

/* ---- timers ---- */

static void a_single_shot_timer_fires_and_can_be_stopped(void)
{
	given_running(1);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0,
				GUEST_COPY(struct vcpu_set_singleshot_timer, .timeout_abs_ns = 5 * MS)), 0);
	run_for(5 * MS - 1);
	CU_ASSERT_EQUAL(ticks, 0);
	run_for(50 * MS);
	CU_ASSERT_EQUAL(ticks, 1);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0,
				GUEST_COPY(struct vcpu_set_singleshot_timer, .timeout_abs_ns = fake.now_ns + 1)), 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	run_for(5 * MS);
	CU_ASSERT_EQUAL(ticks, 1);
}

static void a_deadline_that_is_past_is_etime_only_if_asked(void)
{
	given_running(1);
	run_for(10 * MS);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0,
				GUEST_COPY(struct vcpu_set_singleshot_timer, .timeout_abs_ns = 1,
					   .flags = VCPU_SSHOTTMR_future)), -ETIME);
	run_for(1 * MS);
	CU_ASSERT_EQUAL(ticks, 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_set_singleshot_timer, 0,
				GUEST_COPY(struct vcpu_set_singleshot_timer, .timeout_abs_ns = 1)), 0);
	run_for(1 * MS);
	CU_ASSERT_EQUAL(ticks, 1);
}

static void set_timer_op_sets_and_stops(void)
{
	given_running(1);
	CU_ASSERT_EQUAL(do_set_timer_op(3 * MS), 0);
	CU_ASSERT_EQUAL(do_set_timer_op(0), 0);
	run_for(10 * MS);
	CU_ASSERT_EQUAL(ticks, 0);
	CU_ASSERT_EQUAL(do_set_timer_op(fake.now_ns + 3 * MS), 0);
	run_for(10 * MS);
	CU_ASSERT_EQUAL(ticks, 1);
}

static void a_timer_wakes_whoever_sleeps(void)
{
	struct domain *domain = given_running(1);

	CU_ASSERT_EQUAL(do_set_timer_op(3 * MS), 0);
	CU_ASSERT_EQUAL(sched_op(SCHEDOP_block, NULL), 0);
	run_for(2 * MS);
	CU_ASSERT_FALSE(runs(domain->vcpu[0]));
	run_for(1 * MS);
	CU_ASSERT_TRUE(runs(domain->vcpu[0]));
}

/* ---- up and down ---- */

static void a_vcpu_is_initialised_once_and_then_comes_up(void)
{
	struct domain *domain = given_running(2);
	void *context = fake_guest_memory(sizeof(struct vcpu_guest_context));

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_initialise, 1, context), -EEXIST);
	domain->vcpu[1]->is_up = domain->vcpu[1]->is_initialised = false;
	sched_vcpu_update(domain->vcpu[1]);
	fake_run_softirqs();
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_is_up, 1, NULL), 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL);
	domain->vcpu[1]->is_being_set = true;		/* a third vcpu is at it */
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_initialise, 1, context), -EBUSY);
	domain->vcpu[1]->is_being_set = false;
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_initialise, 1, context), 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_up, 1, NULL), 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_is_up, 1, NULL), 1);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(domain->vcpu[1]));
}

static void when_the_last_vcpu_goes_down_the_domain_ends(void)
{
	struct domain *domain = given_running(2);

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_down, 1, NULL), 0);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(domain->vcpu[1]));
	CU_ASSERT_EQUAL(fake.shutdowns, 0);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_down, 0, NULL), 0);
	CU_ASSERT_EQUAL(fake.shutdowns, 1);
	CU_ASSERT_EQUAL(domain->shutdown_reason, SHUTDOWN_poweroff);
}

static void a_vcpu_that_goes_down_itself_can_be_brought_up_again(void)
{
	struct domain *domain = given_running(2);

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_down, 0, NULL), 0);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(domain->vcpu[0]));
	fake_on_cpu(domain->vcpu[1]->cpu->id);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_up, 0, NULL), 0);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(domain->vcpu[0]));
}

static void an_nmi_wakes_its_vcpu(void)
{
	struct domain *domain = given_running(2);

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_send_nmi, 1, (void *)8), -EINVAL);
	fake_on_cpu(domain->vcpu[1]->cpu->id);
	sched_block_current();
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(domain->vcpu[1]));
	fake_on_cpu(domain->vcpu[0]->cpu->id);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_send_nmi, 1, NULL), 0);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(domain->vcpu[1]));
	CU_ASSERT_TRUE(domain->vcpu[1]->work & VCPU_WORK_NMI);
}

/* ---- shared memory ---- */

static void a_registered_info_takes_over_what_the_old_one_said(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];
	mfn_t frame = given_frame(domain);

	time_update_vcpu(vcpu);
	vcpu->info->evtchn_upcall_mask = 1;
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 0,
				GUEST_COPY(struct vcpu_register_vcpu_info, .mfn = frame.raw, .offset = 128)), 0);
	CU_ASSERT_PTR_NOT_EQUAL(vcpu->info, &domain->shared_info->vcpu_info[0]);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_mask, 1);
	CU_ASSERT_EQUAL(vcpu->info->time.tsc_to_system_mul, tsc_scale.mul);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 1);
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 0,
				GUEST_COPY(struct vcpu_register_vcpu_info, .mfn = frame.raw)), -EINVAL);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 1);
}

/* As in the shared info page, which is the guest's to name. */
static void an_info_may_move_onto_itself(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];
	mfn_t frame = given_frame(domain);

	vcpu->info = mfn_to_virt(frame);
	vcpu->info->evtchn_upcall_mask = 1;
	vcpu->info->time.tsc_to_system_mul = 0x12345678;
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_info, 0,
				GUEST_COPY(struct vcpu_register_vcpu_info, .mfn = frame.raw, .offset = 56)), 0);
	CU_ASSERT_EQUAL(vcpu->info->evtchn_upcall_mask, 1);
	CU_ASSERT_EQUAL(vcpu->info->time.tsc_to_system_mul, 0x12345678);
}

static uint64_t guest_reads(const struct vcpu_time_info *time, uint64_t tsc)
{
	uint64_t ticks_since = tsc - time->tsc_timestamp;

	ticks_since = time->tsc_shift >= 0 ? ticks_since << time->tsc_shift : ticks_since >> -time->tsc_shift;
	return time->system_time + (uint64_t)((unsigned __int128)ticks_since * time->tsc_to_system_mul >> 32);
}

static void a_stable_tsc_needs_one_writing(void)			/* C1 */
{
	struct domain *domain = given_running(1);
	struct vcpu_time_info *time = &domain->vcpu[0]->info->time;
	uint32_t version;

	run_for(7 * MS);
	time_update_vcpu(domain->vcpu[0]);
	version = time->version;
	CU_ASSERT_EQUAL(version & 1, 0);
	CU_ASSERT_EQUAL(time->flags, XEN_PVCLOCK_TSC_STABLE_BIT);
	CU_ASSERT_EQUAL(guest_reads(time, cpu_tsc()), time_now_ns());
	run_for(1000000 * MS);
	time_update_vcpu(domain->vcpu[0]);
	CU_ASSERT_EQUAL(time->version, version);
	CU_ASSERT_EQUAL(guest_reads(time, cpu_tsc()), time_now_ns());
}

static void an_unstable_tsc_is_written_each_time(void)			/* C2 */
{
	struct domain *domain = given_running(1);
	struct vcpu_time_info *area = fake_guest_memory(sizeof(*area)), *time = &domain->vcpu[0]->info->time;

	tsc_is_stable = false;
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				GUEST_COPY(struct vcpu_register_time_memory_area, .addr.v = area)), 0);
	for (int i = 0; i < 3; i++) {
		run_for(7 * MS);
		time_update_vcpu(domain->vcpu[0]);
		CU_ASSERT_EQUAL(time->flags, 0);
		CU_ASSERT_EQUAL(time->tsc_timestamp, cpu_tsc());
		CU_ASSERT_EQUAL(memcmp(time, area, sizeof(*time)), 0);
		CU_ASSERT_EQUAL(area->version & 1, 0);
	}
}

static void the_vdsos_copy_is_written_when_it_is_registered(void)
{
	struct domain *domain = given_running(1);
	struct vcpu_time_info *area = fake_guest_memory(sizeof(*area));

	time_update_vcpu(domain->vcpu[0]);
	memset(area, 0xff, sizeof(*area));
	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0,
				GUEST_COPY(struct vcpu_register_time_memory_area, .addr.v = area)), 0);
	CU_ASSERT_EQUAL(area->version & 1, 0);
	CU_ASSERT_EQUAL(area->flags, XEN_PVCLOCK_TSC_STABLE_BIT);
	CU_ASSERT_EQUAL(guest_reads(area, cpu_tsc()), time_now_ns());
}

static void the_runstate_area_says_what_the_hypercall_says(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];
	struct vcpu_runstate_info *area = fake_guest_memory(sizeof(*area)), *info = fake_guest_memory(sizeof(*info));

	CU_ASSERT_EQUAL(vcpu_op(VCPUOP_register_runstate_memory_area, 0,
				GUEST_COPY(struct vcpu_register_runstate_memory_area, .addr.v = area)), 0);
	CU_ASSERT_EQUAL(area->state, RUNSTATE_running);
	for (int with_flag = 0; with_flag < 2; with_flag++) {
		domain->vm_assist = (uint64_t)with_flag << VMASST_TYPE_runstate_update_flag;
		do_set_timer_op(fake.now_ns + 5 * MS);
		vcpu->info->evtchn_upcall_pending = 0;
		sched_op(SCHEDOP_block, NULL);
		fake_run_softirqs();
		CU_ASSERT_EQUAL(area->state, with_flag ? RUNSTATE_blocked : RUNSTATE_running);
		run_for(5 * MS);
		runstate_update_area(vcpu);		/* as the switch does */
		vcpu_op(VCPUOP_get_runstate_info, 0, info);
		CU_ASSERT_EQUAL(memcmp(area, info, sizeof(*info)), 0);
		CU_ASSERT_EQUAL(area->time[RUNSTATE_blocked], 5 * MS * (uint64_t)(with_flag + 1));
		CU_ASSERT_EQUAL(area->state_entry_time & XEN_RUNSTATE_UPDATE, 0);
	}
}

static void an_area_of_a_vcpu_in_user_mode_is_written_through_its_kernels_tables(void)
{
	struct domain *domain = given_running(1);
	struct vcpu *vcpu = domain->vcpu[0];
	struct vcpu_runstate_info *area = fake_guest_memory(sizeof(*area));

	vcpu_op(VCPUOP_register_runstate_memory_area, 0,
		GUEST_COPY(struct vcpu_register_runstate_memory_area, .addr.v = area));
	CU_ASSERT_EQUAL(fake.base_loads, 0);
	vcpu->in_kernel = false;
	runstate_update_area(vcpu);
	CU_ASSERT_EQUAL(fake.base_loads, 2);
	CU_ASSERT_FALSE(vcpu->in_kernel);
}

static void an_area_that_is_gone_harms_nobody(void)
{
	struct domain *domain = given_running(1);

	domain->vcpu[0]->runstate_area = NOWHERE;
	domain->vcpu[0]->time_area = NOWHERE;
	domain->vm_assist = 1ULL << VMASST_TYPE_runstate_update_flag;
	tsc_is_stable = false;
	time_update_vcpu(domain->vcpu[0]);
	runstate_update_area(domain->vcpu[0]);
	CU_ASSERT_EQUAL(fake.crashes, 0);
}

static void the_wall_clock_reaches_every_domain(void)
{
	struct domain *domain = given_running(1), *later;

	domain->time_offset_s = -100;
	fake_advance(5 * MS);
	time_set_wall_clock(0x123456789ULL, 7000000, 5 * MS);
	CU_ASSERT_EQUAL(domain->shared_info->wc_sec, 0x23456789U - 100);
	CU_ASSERT_EQUAL(domain->shared_info->wc_sec_hi, 1);
	CU_ASSERT_EQUAL(domain->shared_info->wc_nsec, 2000000);
	CU_ASSERT_EQUAL(domain->shared_info->wc_version & 1, 0);
	CU_ASSERT_EQUAL(domain->references, 1);
	later = given_domain();
	time_init_domain(later);
	CU_ASSERT_EQUAL(later->shared_info->wc_sec, 0x23456789U);
}

static const struct unit_case cases[] = {
	UNIT_CASE(unreadable_arguments_are_refused),
	UNIT_CASE(unknown_operations_and_vcpus_do_not_exist),
	UNIT_CASE(what_would_change_a_driver_that_is_ready_is_refused),
	UNIT_CASE(nobody_shuts_another_down_by_this),
	UNIT_CASE(polls_that_make_no_sense_are_refused),
	UNIT_CASE(timers_of_others_and_periods_are_refused),
	UNIT_CASE(an_info_that_crosses_its_page_or_is_not_the_domains_is_refused),
	UNIT_CASE(areas_inside_the_core_are_refused),
	UNIT_CASE(block_unmasks_and_waits_for_an_event),
	UNIT_CASE(poll_ends_with_its_port_and_no_other),
	UNIT_CASE(poll_of_what_is_pending_does_not_wait),
	UNIT_CASE(whoever_has_work_does_not_sleep),
	UNIT_CASE(poll_ends_at_its_deadline),
	UNIT_CASE(the_deadline_of_an_old_poll_does_not_end_a_block),
	UNIT_CASE(the_deadline_of_an_old_poll_does_not_end_the_next),
	UNIT_CASE(a_watchdog_barks_unless_it_is_poked),
	UNIT_CASE(a_single_shot_timer_fires_and_can_be_stopped),
	UNIT_CASE(a_deadline_that_is_past_is_etime_only_if_asked),
	UNIT_CASE(set_timer_op_sets_and_stops),
	UNIT_CASE(a_timer_wakes_whoever_sleeps),
	UNIT_CASE(a_vcpu_is_initialised_once_and_then_comes_up),
	UNIT_CASE(when_the_last_vcpu_goes_down_the_domain_ends),
	UNIT_CASE(a_vcpu_that_goes_down_itself_can_be_brought_up_again),
	UNIT_CASE(an_nmi_wakes_its_vcpu),
	UNIT_CASE(a_registered_info_takes_over_what_the_old_one_said),
	UNIT_CASE(an_info_may_move_onto_itself),
	UNIT_CASE(a_stable_tsc_needs_one_writing),
	UNIT_CASE(an_unstable_tsc_is_written_each_time),
	UNIT_CASE(the_vdsos_copy_is_written_when_it_is_registered),
	UNIT_CASE(the_runstate_area_says_what_the_hypercall_says),
	UNIT_CASE(an_area_of_a_vcpu_in_user_mode_is_written_through_its_kernels_tables),
	UNIT_CASE(an_area_that_is_gone_harms_nobody),
	UNIT_CASE(the_wall_clock_reaches_every_domain),
};

int main(void)
{
	return unit_run("scheduler's hypercalls and time", cases, ARRAY_SIZE(cases));
}
