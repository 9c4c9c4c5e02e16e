/* SPDX-License-Identifier: MIT */
/*
 * The machine's clocks. Time is the timestamp counter, measured once against a clock of known rate; the local
 * APIC's timer is measured in the same interval.
 * C1  time_now_ns() does not go back on a CPU.
 */
#include "cpu/timer_hw.h"

#include "cpu/apic.h"
#include "cpu/cpu.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "lib/log.h"
#include "lib/spinlock.h"

#define CALIBRATE_MS	10
#define READ_TRIES	5
#define SPINS_MAX	20000000
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
	uint64_t tsc, reference;
	uint32_t apic_left;
};

uint64_t cpu_tsc(void)
{
	return tsc_read();
}

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

/*
 * At a tick of the reference. Of a few tries the one that took the shortest: whatever runs us may have interrupted
 * the others.
 */
static struct sample sample_take(const struct refclock *clock)
{
	struct sample best = { 0 }, now;
	uint64_t shortest = UINT64_MAX, before, after, last;

	for (int try = 0; try < READ_TRIES; try++) {
		last = clock->read();
		for (int spins = 0; spins < SPINS_MAX; spins++) {
			before = cpu_tsc();
			now.reference = clock->read();
			if (now.reference != last)
				break;
		}
		now.apic_left = apic_timer_left();
		after = cpu_tsc();
		now.tsc = before + (after - before) / 2;
		if (after - before < shortest) {
			shortest = after - before;
			best = now;
		}
	}
	return best;
}

void tsc_calibrate(void)
{
	struct refclock clock = refclock_start();
	uint64_t wanted = clock.hz * CALIBRATE_MS / 1000, passed, tsc_hz, apic_hz;
	struct sample first, last;

	apic_timer_mask(true);
	apic_timer_start(UINT32_MAX);
	first = sample_take(&clock);
	do {
		last = sample_take(&clock);
		passed = (last.reference - first.reference) & clock.mask;
		if (passed == 0)
			panic("clock: the %s does not tick", clock.name);
	} while (passed < wanted);
	apic_timer_start(0);

	tsc_hz = (last.tsc - first.tsc) * clock.hz / passed;
	apic_hz = (uint64_t)(first.apic_left - last.apic_left) * clock.hz / passed;
	if (tsc_hz < NSEC_PER_SEC / 1000 || apic_hz < HZ_PER_KHZ)
		panic("clock: TSC at %lu Hz, APIC timer at %lu Hz?", tsc_hz, apic_hz);
	tsc_khz = (uint32_t)((tsc_hz + HZ_PER_KHZ / 2) / HZ_PER_KHZ);
	tsc_scale = scale_of(tsc_hz, NSEC_PER_SEC);
	apic_khz = apic_hz / HZ_PER_KHZ;
	tsc_at_boot = last.tsc;
	log_info("clock: TSC at %u.%03u MHz by %s, APIC timer at %lu MHz\n", tsc_khz / 1000, tsc_khz % 1000,
		 clock.name, apic_hz / 1000000);
}

uint64_t tsc_to_ns(uint64_t tsc)
{
	int64_t ticks = (int64_t)(tsc - tsc_at_boot);

	return ticks > 0 ? scale_apply(tsc_scale, (uint64_t)ticks) : 0;
}

uint64_t time_now_ns(void)
{
	return tsc_to_ns(cpu_tsc());
}

void delay_us(uint64_t us)
{
	uint64_t end = cpu_tsc() + us * tsc_khz / 1000;

	while ((int64_t)(cpu_tsc() - end) < 0)
		cpu_pause();
}

void cpu_timer_init(void)
{
	if (cpu_features.tsc_deadline)
		apic_timer_by_deadline();
	else
		apic_timer_mask(false);
}

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

/* Two CPUs take turns to read their counters; what one reads must not be before what the other has read. */
static struct spinlock warp_lock;
static uint64_t warp_last, warp_worst;

void tsc_warp_reset(void)
{
	warp_last = 0;
}

void tsc_warp_check(void)
{
	uint64_t now;

	for (int round = 0; round < WARP_ROUNDS; round++) {
		spin_lock(&warp_lock);
		now = cpu_tsc();
		if (now < warp_last)
			warp_worst = MAX(warp_worst, warp_last - now);
		warp_last = now;
		spin_unlock(&warp_lock);
	}
}

void tsc_check_stable(void)
{
	bool is_constant = cpu_features.invariant_tsc || cpu_features.hypervisor;

	if (warp_worst > 0)
		log_warning("clock: the CPUs' TSCs differ by %lu ticks or more\n", warp_worst);
	tsc_is_stable = is_constant && warp_worst == 0;
	log_info("clock: the TSC is %s\n", tsc_is_stable ? "stable" : "not stable: guests are told so");
}
