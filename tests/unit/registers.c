/* SPDX-License-Identifier: MIT */
/*
 * FPU and debug registers of vcpus: the FPU's are the host's own, the debug registers those of the fake machine.
 * P1  All components that any guest may switch on are saved and loaded, whatever a vcpu's own XCR0.
 * B1  No breakpoint address lies in the core's range.
 * B2  There is no I/O breakpoint.
 */
#include "unit.h"

#include <string.h>

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/registers.h"
#include "cpu/traps.h"
#include "domain/hypercall.h"
#include "include/errno.h"
#include "privileged.h"

#define CORE_ADDRESS	0xffff800000000000ULL

static struct vcpu *vcpu, *other;

void cpu_load_guest_cr4(const struct vcpu *loaded) { fake_machine.cr[4] = loaded->guest_cr4; }

/* Saved and loaded by whatever the host has; AVX if it has that. */
static void given_two(void)
{
	uint32_t out[4];

	fake_machine_reset();
	cpuid_read(1, 0, out);
	cpu_features.xsave = out[2] >> 27 & 1;
	if (cpu_features.xsave) {
		cpuid_read(0xd, 0, out);
		cpu_features.xcr0_mask = out[0] & 7;
		cpu_features.xsave_bytes = 1024;
	}
	vcpu = given_domain()->vcpu[0];
	other = given_domain()->vcpu[0];
	fpu_vcpu_init(vcpu);
	fpu_vcpu_init(other);
	fake_run(vcpu);
}

static void put(uint64_t value)
{
	asm volatile("movq %0, %%xmm9\n\tmovq %0, %%mm3\n\temms\n\tfildll %1" : : "r"(value), "m"(value) : "xmm9");
}

static uint64_t get_sse(void)
{
	uint64_t value;

	asm volatile("movq %%xmm9, %0" : "=r"(value));
	return value;
}

static void registers_are_kept_apart(void)
{
	given_two();
	fpu_load(vcpu);
	put(0x1234);
	fpu_save(vcpu);
	fpu_load(other);
	CU_ASSERT_EQUAL(get_sse(), 0);
	put(0x5678);
	fpu_save(other);
	fpu_load(vcpu);
	CU_ASSERT_EQUAL(get_sse(), 0x1234);
	fpu_save(vcpu);
	fpu_load(other);
	CU_ASSERT_EQUAL(get_sse(), 0x5678);
	asm volatile("fninit");
}

static void fxsave_does_as_well(void)
{
	given_two();
	cpu_features.xsave = false;
	fpu_load(vcpu);
	put(0x1234);
	fpu_save(vcpu);
	fpu_load(other);
	CU_ASSERT_EQUAL(get_sse(), 0);
	fpu_load(vcpu);
	CU_ASSERT_EQUAL(get_sse(), 0x1234);
	asm volatile("fninit");
	CU_ASSERT_FALSE(fpu_set_xcr0(vcpu, 0, 3));
}

static void get_avx(uint64_t value[4])
{
	asm volatile("vmovdqu %%ymm9, %0" : "=m"(*(uint64_t (*)[4])value));
}

/* The fake CPU has the guest's; xgetbv is nobody's privilege and tells the host's own: what that is already is not loaded. */
static bool xcr0_is(uint64_t value)
{
	uint32_t low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return fake_machine.xcr0 == value || low == value;
}

static void what_is_switched_on_starts_empty(void)	/* P1 */
{
	uint64_t high[4] = { 1, 2, 3, 4 };

	given_two();
	if (cpu_features.xcr0_mask == 7) {
		fpu_load(other);
		CU_ASSERT_TRUE(fpu_set_xcr0(other, 0, 7));
		asm volatile("vmovdqu %0, %%ymm9" : : "m"(high));
		fpu_save(other);
		fpu_load(vcpu);
		CU_ASSERT_EQUAL(fake_machine.xcr0, 3);
		CU_ASSERT_TRUE(fpu_set_xcr0(vcpu, 0, 7));
		CU_ASSERT_TRUE(xcr0_is(7));
		get_avx(high);
		CU_ASSERT_EQUAL(high[0] | high[1] | high[2] | high[3], 0);

		/* Switched off, it is still saved: nobody else finds it. */
		high[2] = 5;
		asm volatile("vmovdqu %0, %%ymm9" : : "m"(high));
		CU_ASSERT_TRUE(fpu_set_xcr0(vcpu, 0, 3));
		CU_ASSERT_EQUAL(fake_machine.xcr0, 3);
		fpu_save(vcpu);
		fpu_load(other);
		get_avx(high);
		CU_ASSERT_EQUAL(high[2], 3);
		fpu_load(vcpu);
		CU_ASSERT_TRUE(fpu_set_xcr0(vcpu, 0, 7));
		get_avx(high);
		CU_ASSERT_EQUAL(high[2], 5);
	}
}

static void xcr0_is_what_the_cpu_would_take(void)
{
	static const uint64_t bad[] = { 0, 2, 5, 4, 0x23, 0x27, 0x67, 0xe3, 0x100, 1ULL << 63, 0x8 | 3, 0x60 | 7 };

	given_two();
	cpu_features.xcr0_mask = 0xe7;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_FALSE(fpu_set_xcr0(vcpu, 0, bad[i]));
	CU_ASSERT_FALSE(fpu_set_xcr0(vcpu, 1, 3));
	CU_ASSERT_EQUAL(vcpu->xcr0, 3);
	CU_ASSERT_TRUE(fpu_set_xcr0(vcpu, 0, 1));
	CU_ASSERT_EQUAL(vcpu->xcr0, 1);
}

static void registers_given_by_a_toolstack_cannot_make_us_fault(void)
{
	uint8_t area[512];

	given_two();
	memset(area, 0xff, sizeof(area));
	fpu_set_registers(other, area);
	fpu_load(other);
	CU_ASSERT_EQUAL(get_sse(), UINT64_MAX);
	fpu_save(other);
	asm volatile("fninit\n\tldmxcsr %0" : : "m"((uint32_t){ 0x1f80 }));
	CU_ASSERT_EQUAL(memcmp(area + 160, (const uint8_t *)other->fpu + 160, 256), 0);
}

static void task_switched_is_the_guests_and_cleared_by_its_trap(void)
{
	given_two();
	CU_ASSERT_EQUAL(do_fpu_taskswitch(7), 0);
	CU_ASSERT_EQUAL(fake_machine.cr[0], CR0_TS);
	fpu_save(vcpu);
	CU_ASSERT_EQUAL(fake_machine.cr[0], 0);
	fpu_load(other);
	CU_ASSERT_EQUAL(fake_machine.cr[0], 0);
	fpu_load(vcpu);
	CU_ASSERT_EQUAL(fake_machine.cr[0], CR0_TS);
	fpu_no_device(vcpu);
	CU_ASSERT_EQUAL(fake_machine.cr[0], 0);
	CU_ASSERT_EQUAL(fake.trap_vector, TRAP_NO_DEVICE);
	CU_ASSERT_EQUAL(vcpu->guest_cr0_ts, 0);
	CU_ASSERT_EQUAL(do_fpu_taskswitch(0), 0);
}

/* ---- debug registers ---- */

static void breakpoints_never_watch_the_core(void)	/* B1 */
{
	static const uint64_t bad[] = { CORE_ADDRESS, CORE_ADDRESS - 1, 0xffff87ffffffffff, 1ULL << 47, 1ULL << 63,
					UINT64_MAX };

	given_two();
	for (uint64_t reg = 0; reg < 4; reg++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CU_ASSERT_EQUAL(do_set_debugreg(reg, bad[i]), -EPERM);
		CU_ASSERT_EQUAL(do_get_debugreg(reg), 0);
		CU_ASSERT_EQUAL(do_set_debugreg(reg, 0x1000 + reg), 0);
		CU_ASSERT_EQUAL(do_get_debugreg(reg), 0x1000 + (long)reg);
	}
	CU_ASSERT_EQUAL(fake_machine.dr[0], 0);		/* none is enabled */
}

static void controls_that_are_not_a_guests_are_refused(void)
{
	static const uint64_t bad[] = {
		1ULL << 13,				/* general detect */
		1ULL << 32, 1ULL << 63,
		0x20001,				/* I/O */
		0x40001, 0xc0001,			/* execute, of more than one byte */
	};

	given_two();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(do_set_debugreg(7, bad[i]), -EPERM);
	CU_ASSERT_EQUAL(do_get_debugreg(7), (long)DR7_FIXED);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0xd0001), 0);
	CU_ASSERT_EQUAL(do_get_debugreg(7), 0xd0401);
}

static void io_breakpoints_are_refused(void)	/* B2 */
{
	given_two();
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0x20001), -EPERM);
	vcpu->guest_cr4 = CR4_DE;
	CU_ASSERT_EQUAL(do_set_debugreg(0, 0x3f8), 0);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0x00020001), -EPERM);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0x00d20007), -EPERM);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0x20000000), -EPERM);	/* nor one that is not enabled */
	CU_ASSERT_EQUAL(do_get_debugreg(7), (long)DR7_FIXED);
	CU_ASSERT_EQUAL(fake_machine.dr[7], 0);
}

static void registers_that_are_not_there(void)
{
	given_two();
	CU_ASSERT_EQUAL(do_set_debugreg(8, 0), -ENODEV);
	CU_ASSERT_EQUAL(do_set_debugreg(UINT64_MAX, 0), -ENODEV);
	CU_ASSERT_EQUAL(do_get_debugreg(8), -ENODEV);
	CU_ASSERT_EQUAL(do_get_debugreg(UINT64_MAX), -ENODEV);
	CU_ASSERT_EQUAL(do_set_debugreg(6, 0x4001), 0);
	CU_ASSERT_EQUAL(do_get_debugreg(6), (long)(DR6_FIXED | 0x4001));
	CU_ASSERT_EQUAL(do_set_debugreg(4, 0), -ENODEV);
	CU_ASSERT_EQUAL(do_get_debugreg(4), -ENODEV);
	CU_ASSERT_EQUAL(do_get_debugreg(5), -ENODEV);
}

static void breakpoints_follow_their_vcpu(void)
{
	given_two();
	vcpu->guest_cr4 = CR4_TSD;
	CU_ASSERT_EQUAL(do_set_debugreg(2, 0x4000), 0);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0x20), 0);
	CU_ASSERT_EQUAL(fake_machine.dr[2], 0x4000);
	CU_ASSERT_EQUAL(fake_machine.dr[7], 0x420);
	CU_ASSERT_EQUAL(do_set_debugreg(2, 0x5000), 0);
	CU_ASSERT_EQUAL(fake_machine.dr[2], 0x5000);
	debug_save(vcpu);
	CU_ASSERT_EQUAL(fake_machine.dr[7], DR7_FIXED);
	fake_machine.dr[2] = 0;
	debug_load(other);
	CU_ASSERT_EQUAL(fake_machine.dr[7], DR7_FIXED);
	debug_load(vcpu);
	CU_ASSERT_EQUAL(fake_machine.dr[2], 0x5000);
	CU_ASSERT_EQUAL(fake_machine.dr[7], 0x420);
	CU_ASSERT_EQUAL(fake_machine.cr[4], CR4_TSD);
	CU_ASSERT_EQUAL(do_set_debugreg(7, 0), 0);
	CU_ASSERT_EQUAL(fake_machine.dr[7], DR7_FIXED);
}

static void a_status_is_taken_once(void)
{
	given_two();
	fake_machine.dr[6] = DR6_FIXED | 0x4002;
	debug_take_status(vcpu);
	CU_ASSERT_EQUAL(fake_machine.dr[6], DR6_FIXED);
	debug_take_status(vcpu);
	CU_ASSERT_EQUAL(do_get_debugreg(6), (long)(DR6_FIXED | 0x4002));
}

static void a_context_sets_all_or_nothing(void)
{
	uint64_t values[8] = { 1, 2, 3, CORE_ADDRESS, 0, 0, 0xf, 1 };

	given_two();
	CU_ASSERT_EQUAL(debug_set_registers(vcpu, values), -EPERM);
	CU_ASSERT_EQUAL(vcpu->debug_register[0], 0);
	values[3] = 4;
	values[7] = 1ULL << 13;
	CU_ASSERT_EQUAL(debug_set_registers(vcpu, values), -EPERM);
	CU_ASSERT_EQUAL(vcpu->debug_register[0], 0);
	values[7] = 1;
	CU_ASSERT_EQUAL(debug_set_registers(vcpu, values), 0);
	CU_ASSERT_EQUAL(vcpu->debug_register[3], 4);
	CU_ASSERT_EQUAL(vcpu->debug_register[7], 1);
}

static const struct unit_case cases[] = {
	UNIT_CASE(xcr0_is_what_the_cpu_would_take),
	UNIT_CASE(registers_given_by_a_toolstack_cannot_make_us_fault),
	UNIT_CASE(registers_are_kept_apart),
	UNIT_CASE(fxsave_does_as_well),
	UNIT_CASE(what_is_switched_on_starts_empty),
	UNIT_CASE(task_switched_is_the_guests_and_cleared_by_its_trap),
	UNIT_CASE(breakpoints_never_watch_the_core),
	UNIT_CASE(controls_that_are_not_a_guests_are_refused),
	UNIT_CASE(io_breakpoints_are_refused),
	UNIT_CASE(registers_that_are_not_there),
	UNIT_CASE(breakpoints_follow_their_vcpu),
	UNIT_CASE(a_status_is_taken_once),
	UNIT_CASE(a_context_sets_all_or_nothing),
};

int main(void) { return unit_run("FPU and debug registers", cases, ARRAY_SIZE(cases)); }
