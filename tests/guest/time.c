/* SPDX-License-Identifier: MIT */
/*
 * System time, the wall clock, timers, runstate; and the memory areas that show them. By QEMU's own clock, so that a busy
 * host changes nothing.
 *
 * QEMU: -icount shift=0,sleep=off
 */
#include "tap.h"

#include "runtime/events.h"
#include "runtime/time.h"

static unsigned int ticks;
static evtchn_port_t timer;

static void count_tick(evtchn_port_t port)
{
	(void)port;
	ticks++;
}

static void given_timer(void)
{
	check_equal(event_bind_virq(VIRQ_TIMER, 0, &timer), 0);
	event_set_handler(timer, count_tick);
	event_unmask(timer);
	ticks = 0;
}

static long vcpu_op(int command, uint32_t vcpu, void *argument)
{
	return hypercall(__HYPERVISOR_vcpu_op, command, vcpu, argument);
}

static void spin_ns(uint64_t duration)
{
	for (uint64_t end = time_now_ns() + duration; time_now_ns() < end;)
		cpu_relax();
}

static void system_time_never_goes_back(void)
{
	uint64_t last = time_now_ns();

	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t now = time_now_ns();

		if (now < last) {
			check_that(false, "%lu after %lu", now, last);
			return;
		}
		last = now;
	}
}

static void time_page_has_an_even_version_and_a_frequency(void)
{
	struct vcpu_time_info *info = &vcpu_self()->info->time;
	uint64_t hertz = time_tsc_per_second();

	check_equal(info->version & 1, 0);
	check(info->tsc_to_system_mul != 0);
	check_that(hertz > 100000000 && hertz < 10000000000, "%lu Hz", hertz);
}

static void wall_clock_is_of_this_century(void)
{
	uint64_t seconds = time_wall_ns() / 1000000000;

	check_that(seconds > 1577836800 && seconds < 4102444800, "%lu", seconds);
}

static void wall_clock_runs_with_system_time(void)
{
	uint64_t wall = time_wall_ns(), system = time_now_ns();

	spin_ns(5000000);
	check(time_wall_ns() - wall >= 5000000);
	check(time_wall_ns() - wall < (time_now_ns() - system) + 50000000);
}

static void timer_fires_at_its_deadline(void)
{
	uint64_t start;

	given_timer();
	start = time_now_ns();
	check_equal(time_set_timer(start + 5000000), 0);
	while (!ticks && time_now_ns() < start + 2000000000)
		cpu_relax();
	check_equal(ticks, 1);
	check(time_now_ns() >= start + 5000000);
	event_close(timer);
}

static void timer_in_the_past_fires_at_once(void)
{
	given_timer();
	check_equal(time_set_timer(1), 0);
	spin_ns(3000000);
	check_equal(ticks, 1);
	event_close(timer);
}

static void stopped_timer_does_not_fire(void)
{
	given_timer();
	time_set_timer(time_now_ns() + 5000000);
	check_equal(time_set_timer(0), 0);
	spin_ns(15000000);
	check_equal(ticks, 0);
	event_close(timer);
}

static void timer_that_is_set_again_fires_once(void)
{
	given_timer();
	time_set_timer(time_now_ns() + 3000000);
	time_set_timer(time_now_ns() + 6000000);
	spin_ns(30000000);
	check_equal(ticks, 1);
	event_close(timer);
}

static void single_shot_timer_of_a_vcpu_fires(void)
{
	struct vcpu_set_singleshot_timer shot = { 0 };

	given_timer();
	shot.timeout_abs_ns = time_now_ns() + 3000000;
	check_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, &shot), 0);
	spin_ns(20000000);
	check_equal(ticks, 1);
	shot.timeout_abs_ns = time_now_ns() + 5000000;
	check_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, &shot), 0);
	check_equal(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	spin_ns(20000000);
	check_equal(ticks, 1);
	event_close(timer);
}

static void single_shot_timer_in_the_past_is_etime_where_asked(void)
{
	struct vcpu_set_singleshot_timer shot = { .timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future };
	long result;

	given_timer();
	result = vcpu_op(VCPUOP_set_singleshot_timer, 0, &shot);
	check(result == -XEN_ETIME || result == 0); /* "can be ignored by the hypervisor" */
	spin_ns(1000000);
	event_close(timer);
}

static void periodic_timer_can_be_stopped(void)
{
	check_equal(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	given_timer();
	spin_ns(50000000);
	check_equal(ticks, 0);
	event_close(timer);
}

static void periodic_timer_may_be_refused_but_not_too_fast(void)
{
	struct vcpu_set_periodic_timer period = { .period_ns = 1 };

	check(vcpu_op(VCPUOP_set_periodic_timer, 0, &period) < 0);
	period.period_ns = ~0UL;
	check(vcpu_op(VCPUOP_set_periodic_timer, 0, &period) < 0);
	period.period_ns = 5000000;
	given_timer();
	if (vcpu_op(VCPUOP_set_periodic_timer, 0, &period) == 0) {
		spin_ns(60000000);
		check_that(ticks >= 3, "%u ticks", ticks);
		vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL);
	}
	event_close(timer);
}

/* Another vcpu's timer is its own business. */
static void timers_of_another_vcpu_are_refused(void)
{
	struct vcpu_set_singleshot_timer shot = { .timeout_abs_ns = 1 };

	check(vcpu_op(VCPUOP_set_singleshot_timer, 1, &shot) < 0);
	check(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL) < 0);
}

/* Runstate */

static void runstate_adds_up_to_system_time(void)
{
	struct vcpu_runstate_info first, second;
	uint64_t sum = 0, start = time_now_ns(), spent;

	check_equal(vcpu_op(VCPUOP_get_runstate_info, 0, &first), 0);
	spin_ns(10000000);
	time_sleep_ns(10000000);
	check_equal(vcpu_op(VCPUOP_get_runstate_info, 0, &second), 0);
	spent = time_now_ns() - start;
	for (unsigned int state = 0; state < 4; state++)
		sum += second.time[state] - first.time[state];
	check_that(sum <= spent && sum >= spent - 5000000, "%lu of %lu ns", sum, spent);
	check_that(second.time[RUNSTATE_blocked] - first.time[RUNSTATE_blocked] >= 5000000, "blocked %lu ns",
		   second.time[RUNSTATE_blocked] - first.time[RUNSTATE_blocked]);
	check_equal(second.state, RUNSTATE_running);
}

static void runstate_area_is_kept_current(void)
{
	static struct vcpu_runstate_info area;
	struct vcpu_register_runstate_memory_area where = { .addr.v = &area };

	memset(&area, 0xff, sizeof(area));
	check_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where), 0);
	time_sleep_ns(3000000);
	check_equal(area.state, RUNSTATE_running);
	check(area.state_entry_time <= time_now_ns());
	where.addr.v = NULL;
	check_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where), 0);
}

/* The address is only tried: an area that cannot be written is no reason to crash anybody. */
static void runstate_area_at_a_bad_address_harms_nobody(void)
{
	static const uint64_t bad[] = { 0x7f1234567000, 0x900000000000, 0xffff830000000000 };

	for (unsigned int i = 0; i < 3; i++) {
		struct vcpu_register_runstate_memory_area where = { .addr.p = bad[i] };

		vcpu_op(VCPUOP_register_runstate_memory_area, 0, &where);
		time_sleep_ns(1000000);
	}
	struct vcpu_register_runstate_memory_area none = { .addr.p = 0 };

	vcpu_op(VCPUOP_register_runstate_memory_area, 0, &none);
	check_equal(hypercall(__HYPERVISOR_xen_version, XENVER_pagesize, 0), 4096);
}

static void time_area_is_kept_current(void)
{
	static struct vcpu_time_info area;
	struct vcpu_register_time_memory_area where = { .addr.v = &area };
	uint64_t now;

	check_equal(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &where), 0);
	time_sleep_ns(3000000);
	now = time_now_ns();
	check(area.tsc_to_system_mul != 0);
	check(time_from(&area) >= now && time_from(&area) < now + 100000000);
	where.addr.v = NULL;
	vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &where);
}

static void runstate_of_a_vcpu_that_is_not_there_is_enoent(void)
{
	struct vcpu_runstate_info info;

	check_equal(vcpu_op(VCPUOP_get_runstate_info, 1000, &info), -XEN_ENOENT);
	check_equal(vcpu_op(VCPUOP_is_up, 1000, NULL), -XEN_ENOENT);
	check_equal(vcpu_op(VCPUOP_up, 1000, NULL), -XEN_ENOENT);
}

static const struct tap_test tests[] = {
	TEST(system_time_never_goes_back),
	TEST(time_page_has_an_even_version_and_a_frequency),
	TEST(wall_clock_is_of_this_century),
	TEST(wall_clock_runs_with_system_time),
	TEST(periodic_timer_can_be_stopped),
	TEST(timer_fires_at_its_deadline),
	TEST(timer_in_the_past_fires_at_once),
	TEST(stopped_timer_does_not_fire),
	TEST(timer_that_is_set_again_fires_once),
	TEST(single_shot_timer_of_a_vcpu_fires),
	TEST(single_shot_timer_in_the_past_is_etime_where_asked),
	TEST(periodic_timer_may_be_refused_but_not_too_fast),
	TEST(timers_of_another_vcpu_are_refused),
	TEST(runstate_adds_up_to_system_time),
	TEST(runstate_area_is_kept_current),
	TEST(runstate_area_at_a_bad_address_harms_nobody),
	TEST(time_area_is_kept_current),
	TEST(runstate_of_a_vcpu_that_is_not_there_is_enoent),
};

TAP_MAIN(tests)
