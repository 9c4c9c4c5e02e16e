/* SPDX-License-Identifier: MIT */
/*
 * The machine's clocks. Time is the timestamp counter, measured once against ACPI's PM timer; the local APIC's timer is
 * measured in the same interval.
 * C1  time_now_ns() does not go back on a CPU.
 */
#include "cpu/timer_hw.h"

#include "boot/acpi.h"
#include "cpu/apic.h"
#include "cpu/features.h"
#include "cpu/ops.h"

#define PM_TIMER_HZ	3579545ULL
#define PM_TIMER_MASK	0xffffff	/* the bits that all of them have */
#define CALIBRATE_TICKS	(PM_TIMER_HZ / 50)
#define TSC_TICKS_MAX	(1ULL << 34)	/* seconds: the PM timer stands still */
#define READ_TRIES	5
#define WARP_ROUNDS	1000
#define HZ_PER_KHZ	1000
#define LONGEST_WAIT_NS	NSEC_PER_SEC

struct tsc_scale tsc_scale;
uint64_t tsc_at_boot;
uint32_t tsc_khz;
bool tsc_is_stable;

static uint64_t apic_khz;

/* All clocks at one moment. */
struct sample {
	uint64_t tsc;
	uint32_t reference, apic_left;
};

uint64_t cpu_tsc(void) { return tsc_read(); }

/* `to` units for each `from`, as a factor between 1/2 and 1 and a shift. Both rates are not 0; `to` below 2^32. */
static struct tsc_scale scale_of(uint64_t from, uint64_t to)
{
	struct tsc_scale scale = { 0, 0 };

	for (; from <= to; from <<= 1)
		scale.shift++;
	for (; from > 2 * to; from >>= 1)
		scale.shift--;
	scale.mul = (uint32_t)MIN((to << 32) / from, UINT32_MAX);
	return scale;
}

static uint64_t scale_apply(struct tsc_scale scale, uint64_t value)
{
	value = scale.shift < 0 ? value >> -scale.shift : value << scale.shift;
	return (uint64_t)(((unsigned __int128)value * scale.mul) >> 32);
}

/* Of a few tries the one that took the shortest: whatever runs us may have interrupted the others. */
static struct sample sample_take(void)
{
	uint64_t shortest = UINT64_MAX, took;
	struct sample best = { 0 }, now;

	for (int try = 0; try < READ_TRIES; try++) {
		now.tsc = cpu_tsc();
		now.reference = port_in32(acpi_info.pm_timer_port);
		now.apic_left = apic_timer_left();
		took = cpu_tsc() - now.tsc;
		if (took < shortest) {
			shortest = took;
			best = now;
		}
	}
	return best;
}

void tsc_calibrate(void)
{
	uint64_t passed, tsc_hz, apic_hz;
	struct sample first, last;

	if (!acpi_info.pm_timer_port)
		refuse_to_run("clock: this machine has no ACPI PM timer, by which its other clocks are measured");
	apic_timer_set(APIC_TIMER_MASKED);
	apic_timer_start(UINT32_MAX);
	first = sample_take();
	do {
		last = sample_take();
		passed = (last.reference - first.reference) & PM_TIMER_MASK;
		if (last.tsc - first.tsc > TSC_TICKS_MAX)
			panic("clock: the PM timer does not tick");
	} while (passed < CALIBRATE_TICKS);
	apic_timer_start(0);

	tsc_hz = (last.tsc - first.tsc) * PM_TIMER_HZ / passed;
	apic_hz = (uint64_t)(first.apic_left - last.apic_left) * PM_TIMER_HZ / passed;
	if (tsc_hz < NSEC_PER_SEC / 1000 || apic_hz < HZ_PER_KHZ)
		panic("clock: TSC at %lu Hz, APIC timer at %lu Hz?", tsc_hz, apic_hz);
	tsc_khz = (uint32_t)((tsc_hz + HZ_PER_KHZ / 2) / HZ_PER_KHZ);
	tsc_scale = scale_of(tsc_hz, NSEC_PER_SEC);
	apic_khz = apic_hz / HZ_PER_KHZ;
	tsc_at_boot = last.tsc;
	log_info("clock: TSC at %u.%03u MHz, APIC timer at %lu MHz\n", tsc_khz / 1000, tsc_khz % 1000,
		 apic_hz / 1000000);
}

uint64_t tsc_to_ns(uint64_t tsc)
{
	int64_t ticks = (int64_t)(tsc - tsc_at_boot);

	return ticks > 0 ? scale_apply(tsc_scale, (uint64_t)ticks) : 0;
}

uint64_t time_now_ns(void) { return tsc_to_ns(cpu_tsc()); }

void delay_us(uint64_t us)
{
	uint64_t end = cpu_tsc() + us * tsc_khz / 1000;

	while ((int64_t)(cpu_tsc() - end) < 0)
		cpu_pause();
}

void cpu_timer_init(void) { apic_timer_set(cpu_features.tsc_deadline ? APIC_TIMER_BY_DEADLINE : APIC_TIMER_ONCE); }

void cpu_timer_program(uint64_t deadline_ns)
{
	uint64_t now = cpu_tsc(), now_ns = tsc_to_ns(now), left, ticks;

	if (deadline_ns <= now_ns) {
		cpu_raise_softirq(this_cpu(), SOFTIRQ_TIMER);
		return;
	}
	/* One that is further away than this interrupts early, and whoever set it sets it again. */
	left = MIN(deadline_ns - now_ns, LONGEST_WAIT_NS);
	ticks = deadline_ns == UINT64_MAX ? 0 :
		left * (cpu_features.tsc_deadline ? tsc_khz : apic_khz) / NSEC_PER_MSEC + 1;
	if (cpu_features.tsc_deadline)
		msr_write(MSR_TSC_DEADLINE, ticks ? now + ticks : 0);
	else
		apic_timer_start((uint32_t)MIN(ticks, UINT32_MAX));
}

/* What one CPU reads must not be before what another has read: the last reading of any of them. */
static uint64_t warp_last;
static bool warp_found;

void tsc_warp_check(void)
{
	for (int round = 0; round < WARP_ROUNDS; round++) {
		uint64_t last = load_acquire(&warp_last), now = cpu_tsc();

		if (now < last)
			warp_found = true;
		store_release(&warp_last, now);
	}
}

void tsc_check_stable(void)
{
	tsc_is_stable = !warp_found && (cpu_features.invariant_tsc || cpu_features.hypervisor);
	log_info("clock: the TSC is %s\n", tsc_is_stable ? "stable" : "not stable: guests are told so");
}
