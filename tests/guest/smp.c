/* SPDX-License-Identifier: MIT */
/*
 * Two vcpus: up and down, events between them, TLB flushes, and page tables that both change at once.
 *
 * QEMU: -smp 2
 */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/time.h"

#define WINDOW 0x6000000000UL
#define PATIENCE_NS 20000000000UL	/* a host that is busy may stop the machine for a while */

static volatile unsigned int arrivals;
static volatile uint32_t arrived_at;
static volatile bool stop;

static bool soon(volatile unsigned int *value, unsigned int wanted)
{
	for (uint64_t end = time_now_ns() + PATIENCE_NS; *value != wanted;)
		if (time_now_ns() > end)
			return false;
		else
			hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	return true;
}

static long is_up(uint32_t vcpu)
{
	return hypercall(__HYPERVISOR_vcpu_op, VCPUOP_is_up, vcpu, 0);
}

/* A vcpu that went down is down a moment after it said so. */
static void wait_until_down(void)
{
	for (uint64_t end = time_now_ns() + PATIENCE_NS; is_up(1) == 1 && time_now_ns() < end;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	check_equal(is_up(1), 0);
}

static void start(void (*function)(void *), void *argument)
{
	stop = false;
	arrivals = 0;
	check_equal(vcpu_start(1, function, argument), 0);
}

static void arrive(void *argument)
{
	(void)argument;
	arrived_at = vcpu_self()->id;
	arrivals++;
}

static void spin(void *argument)
{
	(void)argument;
	arrivals = 1;
	while (!stop)
		cpu_relax();
}

static void sleep_until_stopped(void *argument)
{
	(void)argument;
	arrivals = 1;
	while (!stop)
		event_block();
}

static void count_arrival(evtchn_port_t port)
{
	(void)port;
	arrived_at = vcpu_self()->id;
	arrivals++;
}

static void vcpu_that_was_not_initialised_cannot_go_up(void)
{
	check_equal(is_up(1), 0);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), -XEN_EINVAL);
	check_equal(is_up(1), 0);
}

static struct vcpu_guest_context context;

static void bad_context_is_refused(void)
{
	vcpu_context(&context, 1, arrive, NULL);
	context.ctrlreg[3] = ~0UL << 12;
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context), -XEN_EINVAL);
	vcpu_context(&context, 1, arrive, NULL);
	context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn(boot_info)); /* data */
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context), -XEN_EINVAL);
	vcpu_context(&context, 1, arrive, NULL);
	context.gs_base_kernel = 0x900000000000;
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context), -XEN_EINVAL);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, 0x7f1234567000), -XEN_EFAULT);
	check_equal(is_up(1), 0);
}

static void second_vcpu_comes_up_and_goes_down(void)
{
	start(arrive, NULL);
	check(soon(&arrivals, 1));
	check_equal(arrived_at, 1);
	wait_until_down();
}

/* Up again without being initialised again: it goes on behind its own VCPUOP_down. */
static void vcpu_that_went_down_comes_up_again(void)
{
	start(arrive, NULL);
	check(soon(&arrivals, 1));
	wait_until_down();
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), 0);
	check(soon(&arrivals, 2));
	wait_until_down();
}

static void vcpu_that_is_up_cannot_be_initialised(void)
{
	start(spin, NULL);
	check(soon(&arrivals, 1));
	check_equal(is_up(1), 1);
	vcpu_context(&context, 1, spin, NULL);
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, &context), -XEN_EEXIST);
	stop = true;
	wait_until_down();
}

/* Downing another works too: it stops where it stands. */
static void vcpu_is_put_down_by_another(void)
{
	start(spin, NULL);
	check(soon(&arrivals, 1));
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0), 0);
	check_equal(is_up(1), 0);
	stop = true;
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), 0);
	wait_until_down();
}

static void offline_vcpu_is_offline_in_its_runstate(void)
{
	struct vcpu_runstate_info info;
	uint64_t end = time_now_ns() + PATIENCE_NS;

	do
		check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 1, &info), 0);
	while (info.state != RUNSTATE_offline && time_now_ns() < end);
	check_equal(info.state, RUNSTATE_offline);
}

static void ipi_wakes_a_vcpu_that_blocks(void)
{
	evtchn_port_t port;

	start(sleep_until_stopped, NULL);
	check(soon(&arrivals, 1));
	check_equal(event_bind_ipi(1, &port), 0);
	event_set_handler(port, count_arrival);
	event_unmask(port);
	check_equal(event_send(port), 0);
	check(soon(&arrivals, 2));
	check_equal(arrived_at, 1);
	stop = true;
	event_send(port);
	wait_until_down();
	event_close(port);
}

static void ipi_interrupts_a_vcpu_that_runs(void)
{
	evtchn_port_t port;

	start(spin, NULL);
	check(soon(&arrivals, 1));
	check_equal(event_bind_ipi(1, &port), 0);
	event_set_handler(port, count_arrival);
	event_unmask(port);
	for (unsigned int i = 0; i < 100; i++) {
		check_equal(event_send(port), 0);
		if (!soon(&arrivals, i + 2)) {
			check_that(false, "IPI %u is lost", i);
			break;
		}
	}
	check_equal(arrived_at, 1);
	stop = true;
	wait_until_down();
	event_close(port);
}

static void bound_port_moves_to_another_vcpu(void)
{
	evtchn_port_t offer, taker;

	start(spin, NULL);
	check(soon(&arrivals, 1));
	check_equal(event_alloc(DOMID_SELF, &offer), 0);
	check_equal(event_bind_interdomain(DOMID_SELF, offer, &taker), 0);
	event_clear(taker);
	event_set_handler(taker, count_arrival);
	check_equal(event_bind_vcpu(taker, 1), 0);
	event_unmask(taker);
	check_equal(event_send(offer), 0);
	check(soon(&arrivals, 2));
	check_equal(arrived_at, 1);
	check_equal(event_bind_vcpu(taker, 0), 0);
	check_equal(event_send(offer), 0);
	check(soon(&arrivals, 3));
	check_equal(arrived_at, 0);
	stop = true;
	wait_until_down();
	event_close(taker);
	event_close(offer);
}

static void poll_and_arrive(void *argument)
{
	evtchn_port_t port = (evtchn_port_t)(uint64_t)argument;

	event_poll(&port, 1, time_now_ns() + PATIENCE_NS);
	arrivals = event_is_pending(port) ? 1 : 77;
}

static void poll_is_ended_by_another_vcpu(void)
{
	evtchn_port_t offer, taker;

	check_equal(event_alloc(DOMID_SELF, &offer), 0);
	check_equal(event_bind_interdomain(DOMID_SELF, offer, &taker), 0);
	event_clear(taker);
	check_equal(event_bind_vcpu(taker, 1), 0);
	start(poll_and_arrive, (void *)(uint64_t)taker);
	time_sleep_ns(5000000);
	check_equal(event_send(offer), 0);
	check(soon(&arrivals, 1));
	wait_until_down();
	event_close(taker);
	event_close(offer);
}

static void take_own_timer(void *argument)
{
	evtchn_port_t port;

	(void)argument;
	if (event_bind_virq(VIRQ_TIMER, 1, &port))
		return;
	time_set_timer(time_now_ns() + 2000000);
	event_poll(&port, 1, time_now_ns() + PATIENCE_NS);
	arrivals = event_is_pending(port) ? 1 : 77;
	event_clear(port);
	event_close(port);
}

static void each_vcpu_has_its_own_timer(void)
{
	start(take_own_timer, NULL);
	check(soon(&arrivals, 1));
	wait_until_down();
}

/* Time */

static volatile uint64_t time_of_other;

static void tell_time(void *argument)
{
	(void)argument;
	arrivals = 1;
	while (!stop)
		__atomic_store_n(&time_of_other, time_now_ns(), __ATOMIC_SEQ_CST);
}

static void system_time_is_one_for_both(void)
{
	uint64_t worst = 0;

	start(tell_time, NULL);
	check(soon(&arrivals, 1));
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t other = __atomic_load_n(&time_of_other, __ATOMIC_SEQ_CST), now = time_now_ns();

		if (other > now && other - now > worst)
			worst = other - now;
	}
	stop = true;
	wait_until_down();
	printf("# the other's time was ahead by at most %lu ns\n", worst);
	check(worst < 1000000);
}

/* FPU */

static void scribble_vectors(void *argument)
{
	uint64_t mine = (uint64_t)argument, back;

	__asm__ volatile("movq %0, %%xmm9" : : "r"(mine));
	arrivals = 1;
	while (!stop) {
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		__asm__ volatile("movq %%xmm9, %0" : "=r"(back));
		if (back != mine)
			arrivals = 77;
	}
}

static void vector_registers_are_each_vcpus_own(void)
{
	uint64_t back;

	__asm__ volatile("movq %0, %%xmm9" : : "r"(0x1111UL));
	start(scribble_vectors, (void *)0x2222);
	check(soon(&arrivals, 1));
	time_sleep_ns(20000000);
	__asm__ volatile("movq %%xmm9, %0" : "=r"(back));
	check_equal(back, 0x1111);
	check_equal(arrivals, 1);
	stop = true;
	wait_until_down();
}

/* TLB */

static void read_window(void *argument)
{
	volatile uint64_t *window = argument;

	arrivals = (unsigned int)*window;
	while (!stop)
		arrivals = (unsigned int)*window;
}

static void flush_reaches_the_other_vcpu(void)
{
	uint64_t *first = page_alloc(), *second = page_alloc(), mask = 2;
	struct mmuext_op op = { .cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = WINDOW };

	*first = 1;
	*second = 2;
	check_equal(memory_map(WINDOW, virt_to_mfn(first) << 12 | PTE_KERNEL), 0);
	start(read_window, (void *)WINDOW);
	check(soon(&arrivals, 1));
	check_equal(memory_update(memory_entry_address(memory_entry(memory_base_mfn, WINDOW, 1)),
				  virt_to_mfn(second) << 12 | PTE_KERNEL), 0);
	set_xen_guest_handle(op.arg2.vcpumask, &mask);
	check_equal(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF), 0);
	check(soon(&arrivals, 2));
	/* And by update_va_mapping, and to all. */
	check_equal(hypercall(__HYPERVISOR_update_va_mapping, WINDOW, virt_to_mfn(first) << 12 | PTE_KERNEL,
			      UVMF_INVLPG | UVMF_ALL), 0);
	check(soon(&arrivals, 1));
	check_equal(hypercall(__HYPERVISOR_update_va_mapping, WINDOW, virt_to_mfn(second) << 12 | PTE_KERNEL,
			      (uint64_t)&mask | UVMF_TLB_FLUSH | UVMF_MULTI), 0);
	check(soon(&arrivals, 2));
	stop = true;
	wait_until_down();
	memory_map(WINDOW, 0);
}

static void flush_of_vcpus_that_are_not_there_harms_nobody(void)
{
	uint64_t mask = ~0UL;
	struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_MULTI };

	set_xen_guest_handle(op.arg2.vcpumask, &mask);
	check_equal(hypercall(__HYPERVISOR_mmuext_op, &op, 1, NULL, DOMID_SELF), 0);
}

/* A race for a frame's type: one maps it writable, the other pins it as a table. Never both. */

static uint64_t *contested;
static volatile bool is_pinned;
static volatile unsigned int pins, conflicts;

static void pin_and_unpin(void *argument)
{
	unsigned long mfn = virt_to_mfn(contested);

	(void)argument;
	arrivals = 1;
	while (!stop) {
		if (memory_ext(MMUEXT_PIN_L1_TABLE, mfn))
			continue;
		is_pinned = true;
		pins++;
		for (volatile unsigned int i = 0; i < 200; i++)
			;
		is_pinned = false;
		memory_ext(MMUEXT_UNPIN_TABLE, mfn);
		for (volatile unsigned int i = 0; i < 5000; i++)
			;
	}
}

static void frame_is_never_table_and_writable_at_once(void)
{
	unsigned int mapped = 0;

	contested = page_alloc();
	pins = conflicts = 0;
	check_equal(memory_protect(contested, PTE_KERNEL_RO), 0);
	check_equal(memory_map(WINDOW, 0), 0);
	start(pin_and_unpin, NULL);
	check(soon(&arrivals, 1));
	for (unsigned int i = 0; i < 20000; i++) {
		if (hypercall(__HYPERVISOR_update_va_mapping, WINDOW, virt_to_mfn(contested) << 12 | PTE_KERNEL, 0))
			continue;
		mapped++;
		if (is_pinned)
			conflicts++;
		hypercall(__HYPERVISOR_update_va_mapping, WINDOW, 0, UVMF_INVLPG | UVMF_ALL);
	}
	stop = true;
	wait_until_down();
	printf("# %u times mapped, %u times pinned\n", mapped, pins);
	check_equal(conflicts, 0);
	check_equal(memory_protect(contested, PTE_KERNEL), 0);
	page_free(contested);
}

/* Unpins and goes down in one multicall: what it has yet to take apart must not wait until it is up again. */
static void unpin_and_go_down(void *argument)
{
	struct mmuext_op op = { .cmd = MMUEXT_UNPIN_TABLE, .arg1.mfn = virt_to_mfn(contested) };
	struct multicall_entry calls[] = {
		{ .op = __HYPERVISOR_mmuext_op, .args = { (uint64_t)&op, 1, 0, DOMID_SELF } },
		{ .op = __HYPERVISOR_vcpu_op, .args = { VCPUOP_down, 1, 0 } },
	};

	(void)argument;
	arrivals = 1;
	hypercall(__HYPERVISOR_multicall, calls, 2);
}

static void tables_of_a_vcpu_that_went_down_are_free(void)
{
	contested = page_alloc();
	check_equal(memory_protect(contested, PTE_KERNEL_RO), 0);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(contested)), 0);
	start(unpin_and_go_down, NULL);
	check(soon(&arrivals, 1));
	wait_until_down();
	check_equal(memory_protect(contested, PTE_KERNEL), 0);
	page_free(contested);
	/* It is in the middle of its function still. */
	check_equal(hypercall(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), 0);
	wait_until_down();
}

static void churn(void *argument)
{
	uint64_t base = (uint64_t)argument;
	void *page = contested;

	arrivals = 1;
	while (!stop) {
		hypercall(__HYPERVISOR_update_va_mapping, base, virt_to_mfn(page) << 12 | PTE_KERNEL, UVMF_INVLPG);
		hypercall(__HYPERVISOR_update_va_mapping, base, 0, UVMF_INVLPG | UVMF_ALL);
	}
	hypercall(__HYPERVISOR_update_va_mapping, base, 0, UVMF_INVLPG | UVMF_ALL);
}

/* Both change the same entry of the same table: the counts come out even, so the frame can be a table after. */
static void both_change_the_same_entry(void)
{
	contested = page_alloc();
	check_equal(memory_map(WINDOW, 0), 0);
	start(churn, (void *)WINDOW);
	check(soon(&arrivals, 1));
	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t *entry = memory_entry(memory_base_mfn, WINDOW, 1);

		memory_update(memory_entry_address(entry), i & 1 ? virt_to_mfn(contested) << 12 | PTE_KERNEL : 0);
		if (i % 16 == 0)
			*(volatile uint64_t *)entry = virt_to_mfn(contested) << 12 | PTE_KERNEL_RO;
	}
	stop = true;
	wait_until_down();
	check_equal(memory_map(WINDOW, 0), 0);
	check_equal(memory_protect(contested, PTE_KERNEL_RO), 0);
	check_equal(memory_ext(MMUEXT_PIN_L1_TABLE, virt_to_mfn(contested)), 0);
	check_equal(memory_ext(MMUEXT_UNPIN_TABLE, virt_to_mfn(contested)), 0);
	check_equal(memory_protect(contested, PTE_KERNEL), 0);
	page_free(contested);
}

/* One opens and closes what the other sends to. */
static volatile evtchn_port_t contested_port;

static void send_always(void *argument)
{
	(void)argument;
	arrivals = 1;
	while (!stop)
		event_send(contested_port);
}

static void ports_are_closed_while_they_are_sent_to(void)
{
	start(send_always, NULL);
	check(soon(&arrivals, 1));
	for (unsigned int i = 0; i < 5000; i++) {
		evtchn_port_t offer, taker;

		check_equal(event_alloc(DOMID_SELF, &offer), 0);
		check_equal(event_bind_interdomain(DOMID_SELF, offer, &taker), 0);
		contested_port = offer;
		event_bind_vcpu(taker, i & 1);
		check_equal(event_close(i & 2 ? offer : taker), 0);
		check_equal(event_close(i & 2 ? taker : offer), 0);
	}
	stop = true;
	wait_until_down();
}

static const struct tap_test tests[] = {
	TEST(vcpu_that_was_not_initialised_cannot_go_up),
	TEST(bad_context_is_refused),
	TEST(second_vcpu_comes_up_and_goes_down),
	TEST(vcpu_that_went_down_comes_up_again),
	TEST(vcpu_that_is_up_cannot_be_initialised),
	TEST(vcpu_is_put_down_by_another),
	TEST(offline_vcpu_is_offline_in_its_runstate),
	TEST(ipi_wakes_a_vcpu_that_blocks),
	TEST(ipi_interrupts_a_vcpu_that_runs),
	TEST(bound_port_moves_to_another_vcpu),
	TEST(poll_is_ended_by_another_vcpu),
	TEST(each_vcpu_has_its_own_timer),
	TEST(system_time_is_one_for_both),
	TEST(vector_registers_are_each_vcpus_own),
	TEST(flush_reaches_the_other_vcpu),
	TEST(flush_of_vcpus_that_are_not_there_harms_nobody),
	TEST(frame_is_never_table_and_writable_at_once),
	TEST(tables_of_a_vcpu_that_went_down_are_free),
	TEST(both_change_the_same_entry),
	TEST(ports_are_closed_while_they_are_sent_to),
};

TAP_MAIN(tests)
