/* SPDX-License-Identifier: MIT */
/* cpu/tsc.c on a fake CPU: calibration, the scales, one-shot timers by count and by TSC deadline, the warp check. */
#include "fake-cpu/instructions.h"

/* The fake CPU has these too, for all other tests. */
#define tsc_scale		real_tsc_scale
#define tsc_khz			real_tsc_khz
#define tsc_at_boot		real_tsc_at_boot
#define tsc_is_stable		real_tsc_is_stable
#define cpu_tsc			real_cpu_tsc
#define tsc_calibrate		real_tsc_calibrate
#define tsc_check_stable	real_tsc_check_stable
#define time_now_ns		real_time_now_ns
#define tsc_to_ns		real_tsc_to_ns
#define cpu_timer_init		real_cpu_timer_init
#define cpu_timer_program	real_cpu_timer_program
#include "../../hypervisor/cpu/tsc.c"

#include "unit.h"

#include <string.h>

#define PM_TIMER_PORT	0x608

/* The machine: a TSC of `tsc_hz`, an APIC timer of `apic_hz`, a PM timer that may wrap and may have more than 24 bits. */
static uint64_t tsc_hz, apic_hz;
static uint32_t apic_started;
static enum apic_timer mode;
static uint64_t apic_started_at;
struct acpi_info acpi_info;

static uint32_t pm_timer(uint16_t port)
{
	CU_ASSERT_EQUAL(port, PM_TIMER_PORT);
	fake_tsc += 700;	/* a port is slow */
	return (uint32_t)((unsigned __int128)fake_tsc * PM_TIMER_HZ / tsc_hz + 0x5fff000);
}

static uint32_t stuck(uint16_t port)
{
	fake_tsc += 1 << 24;
	return 5;
}

void apic_timer_set(enum apic_timer new_mode) { mode = new_mode; }
void apic_timer_start(uint32_t ticks) { apic_started = ticks; apic_started_at = fake_tsc; }

uint32_t apic_timer_left(void)
{
	uint64_t passed = (uint64_t)((unsigned __int128)(fake_tsc - apic_started_at) * apic_hz / tsc_hz);

	return passed < apic_started ? apic_started - (uint32_t)passed : 0;
}

static void given(uint64_t tsc, uint64_t apic, bool has_deadline)
{
	fake_instructions_reset();
	fake_tsc_step = 20;
	tsc_hz = tsc;
	apic_hz = apic;
	fake_port_in = pm_timer;
	acpi_info.pm_timer_port = PM_TIMER_PORT;
	cpu_features = (struct cpu_features){ .tsc_deadline = has_deadline, .invariant_tsc = true };
	warp_last = 0;
	warp_found = false;
	real_tsc_calibrate();
	real_cpu_timer_init();
	this_cpu()->softirqs = 0;
}

static bool is_near(uint64_t a, uint64_t b, uint64_t per_million)
{
	uint64_t difference = a > b ? a - b : b - a;

	return difference <= b / 1000000 * per_million + 2;
}

static const uint64_t rates[] = { 800000000, 1000000000, 2399987000, 3000000000, 4294967296, 5800000000 };

static void a_machine_without_a_reference_is_refused(void)
{
	bool died;

	given(1000000000, 1000000000, false);
	acpi_info.pm_timer_port = 0;
	FAKE_DIES(died, real_tsc_calibrate());
	CU_ASSERT_TRUE(died);

	given(1000000000, 1000000000, false);
	fake_port_in = stuck;
	FAKE_DIES(died, real_tsc_calibrate());
	CU_ASSERT_TRUE(died);
}

static void rates_are_measured_to_some_parts_per_million(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		given(rates[i], 25000000, false);
		CU_ASSERT_TRUE(is_near(tsc_khz, rates[i] / 1000, 300));
		CU_ASSERT_TRUE(is_near(real_tsc_to_ns(tsc_at_boot + rates[i]), NSEC_PER_SEC, 300));
	}
}

static void the_scale_is_exact_over_days(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct real_tsc_scale scale = scale_of(rates[i], NSEC_PER_SEC);

		CU_ASSERT_TRUE(scale.mul >> 31);
		for (uint64_t seconds = 1; seconds < 10000000; seconds *= 10)
			CU_ASSERT_TRUE(is_near(scale_apply(scale, rates[i] * seconds), seconds * NSEC_PER_SEC, 1));
	}
}

static void time_before_the_start_is_zero(void)
{
	given(3000000000, 1000000000, false);
	CU_ASSERT_EQUAL(real_tsc_to_ns(tsc_at_boot - 1), 0);
	CU_ASSERT_EQUAL(real_tsc_to_ns(tsc_at_boot), 0);
}

static void time_does_not_go_back(void)		/* C1 */
{
	uint64_t last = 0, now;

	given(2399987000, 1000000000, false);
	fake_tsc_step = 1;
	for (int i = 0; i < 10000; i++, last = now) {
		now = real_time_now_ns();
		CU_ASSERT_TRUE(now >= last);
	}
}

static void a_deadline_that_is_past_fires_at_once(void)
{
	for (int deadline_mode = 0; deadline_mode < 2; deadline_mode++) {
		given(3000000000, 1000000000, deadline_mode);
		real_cpu_timer_program(0);
		CU_ASSERT_TRUE(this_cpu()->softirqs & 1 << SOFTIRQ_TIMER);
		this_cpu()->softirqs = 0;
		real_cpu_timer_program(real_time_now_ns());
		CU_ASSERT_TRUE(this_cpu()->softirqs & 1 << SOFTIRQ_TIMER);
	}
}

static void the_counter_reaches_the_deadline_and_not_before(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		uint64_t now;

		given(rates[i], 66666666, false);
		CU_ASSERT_EQUAL(mode, APIC_TIMER_ONCE);
		now = real_time_now_ns();
		real_cpu_timer_program(now + NSEC_PER_MSEC);
		CU_ASSERT_TRUE(is_near(apic_started, 66666, 500));
		CU_ASSERT_EQUAL(this_cpu()->softirqs, 0);
		real_cpu_timer_program(UINT64_MAX);
		CU_ASSERT_EQUAL(apic_started, 0);
	}
}

static void the_tsc_deadline_is_where_it_should_be(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		uint64_t now;

		given(rates[i], 66666666, true);
		CU_ASSERT_EQUAL(mode, APIC_TIMER_BY_DEADLINE);
		now = real_time_now_ns();
		real_cpu_timer_program(now + NSEC_PER_MSEC);
		CU_ASSERT_TRUE(is_near(real_tsc_to_ns(fake_msr[MSR_TSC_DEADLINE]), now + NSEC_PER_MSEC, 20));
		real_cpu_timer_program(UINT64_MAX);
		CU_ASSERT_EQUAL(fake_msr[MSR_TSC_DEADLINE], 0);
	}
}

static void an_absurd_deadline_is_neither_past_nor_zero(void)
{
	static const uint64_t deadlines[] = { UINT64_MAX - 1, 1ULL << 63, 1ULL << 62, 1ULL << 50 };

	for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
		given(3000000000, 4000000000, true);
		real_cpu_timer_program(deadlines[i]);
		CU_ASSERT_TRUE(fake_msr[MSR_TSC_DEADLINE] > fake_tsc);
		given(3000000000, 4000000000, false);
		real_cpu_timer_program(deadlines[i]);
		CU_ASSERT_TRUE(apic_started > 1000000);
		CU_ASSERT_EQUAL(this_cpu()->softirqs, 0);
	}
}

static void a_tsc_is_stable_if_it_is_constant_and_the_same_everywhere(void)
{
	given(3000000000, 1000000000, false);
	tsc_warp_check();
	real_tsc_check_stable();
	CU_ASSERT_TRUE(tsc_is_stable);

	fake_tsc -= 100000;	/* what another CPU reads */
	tsc_warp_check();
	real_tsc_check_stable();
	CU_ASSERT_FALSE(tsc_is_stable);

	given(3000000000, 1000000000, false);
	cpu_features.invariant_tsc = false;
	real_tsc_check_stable();
	CU_ASSERT_FALSE(tsc_is_stable);
	cpu_features.hypervisor = true;
	real_tsc_check_stable();
	CU_ASSERT_TRUE(tsc_is_stable);
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_machine_without_a_reference_is_refused),
	UNIT_CASE(rates_are_measured_to_some_parts_per_million),
	UNIT_CASE(the_scale_is_exact_over_days),
	UNIT_CASE(time_before_the_start_is_zero),
	UNIT_CASE(time_does_not_go_back),
	UNIT_CASE(a_deadline_that_is_past_fires_at_once),
	UNIT_CASE(the_counter_reaches_the_deadline_and_not_before),
	UNIT_CASE(the_tsc_deadline_is_where_it_should_be),
	UNIT_CASE(an_absurd_deadline_is_neither_past_nor_zero),
	UNIT_CASE(a_tsc_is_stable_if_it_is_constant_and_the_same_everywhere),
};

int main(void)
{
	return unit_run("clock", cases, ARRAY_SIZE(cases));
}
