/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers as a guest may have them.
 * M1  No write by a guest reaches a register of the machine, but for its segment bases and the prediction barrier.
 * M2  A read gives the guest's own state, a constant, or a property of the machine that CPUID would not hide.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/emulate.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/speculation.h"
#include "domain/hypercall.h"
#include "include/errno.h"
#include "privileged.h"

static struct vcpu *vcpu;
static uint32_t barriers;
static uint64_t segment_which, segment_base;

long do_set_segment_base(uint64_t which, uint64_t base)
{
	segment_which = which;
	segment_base = base;
	return base >> 47 ? -EINVAL : 0;
}

bool speculation_barrier(void)
{
	barriers += cpu_features.ibpb;
	return cpu_features.ibpb;
}

static void given_kernel(enum cpu_vendor vendor)
{
	fake_machine_reset();
	cpu_features.vendor = vendor;
	vcpu = given_domain_with(1, 2, false)->vcpu[1];
	vcpu->in_kernel = true;
	fake_run(vcpu);
	fake_msr_set(MSR_EFER, 0xffff);
	fake_msr_set(MSR_FS_BASE, 0x1111);
	fake_msr_set(MSR_GS_BASE, 0x2222);
	fake_msr_set(MSR_KERNEL_GS_BASE, 0x3333);
	fake_msr_set(0x1a0, 0x440089);
	fake_msr_set(0x277, 0xdead);
	fake_msr_set(0x1b, 0xfee00d00);
	fake_msr_set(0xc0011029, 0x3);
	barriers = 0;
}

static uint64_t machine_writes(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < FAKE_MSRS; i++)
		sum += fake_machine.msr[i].writes;
	return sum;
}

static uint64_t read_of(uint32_t msr)
{
	uint64_t value = 0xeeeeeeeeeeeeeeee;

	return msr_guest_read(vcpu, msr, &value) ? value : 0xeeeeeeeeeeeeeeee;
}

static bool exists(uint32_t msr)
{
	uint64_t value;

	return msr_guest_read(vcpu, msr, &value);
}

static void no_write_reaches_the_machine(void)	/* M1 */
{
	static const uint32_t ranges[][2] = {
		{ 0, 0x2000 }, { 0x40000000, 0x40000300 }, { 0xc0000000, 0xc0000200 }, { 0xc0010000, 0xc0012000 },
	};

	given_kernel(VENDOR_INTEL);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (uint32_t msr = ranges[i][0]; msr < ranges[i][1]; msr++) {
			uint64_t value;

			(void)(msr_guest_write(vcpu, msr, 0) ? 0 : 1);
			(void)(msr_guest_write(vcpu, msr, UINT64_MAX) ? 0 : 1);
			if (msr_guest_read(vcpu, msr, &value))
				(void)(msr_guest_write(vcpu, msr, value) ? 0 : 1);
		}
	}
	CU_ASSERT_EQUAL(machine_writes(), 0);
	CU_ASSERT_EQUAL(barriers, 0);
}

static void what_is_not_listed_does_not_exist(void)
{
	static const uint32_t hidden[] = {
		0x0, 0x17, 0x3a, 0x3b, 0x48, 0x49, 0xc1, 0xe7, 0xe8, 0x10a, 0x10b, 0x179, 0x17a, 0x186, 0x19a, 0x1d0,
		0x200, 0x2ff, 0x309, 0x38f, 0x400, 0x480, 0x6e0, 0x6a0, 0x802, 0x830, 0xda0, 0x40000000, 0x40000001, 0x40000020,
		0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000103, 0xc0010000, 0xc0010010, 0xc0010058,
		0xc0010114, 0xc0010117, 0xc0010131, 0xffffffff,
	};

	given_kernel(VENDOR_INTEL);
	fake_msr_set(0x48, 1);
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		CU_ASSERT_FALSE(exists(hidden[i]));
	CU_ASSERT_FALSE(exists(0xc0010015));	/* AMD's */
	CU_ASSERT_FALSE(exists(0xc0011029));
	CU_ASSERT_FALSE(msr_guest_write(vcpu, 0x48, 1));
}

static void bases_are_those_of_the_mode(void)
{
	given_kernel(VENDOR_INTEL);
	CU_ASSERT_EQUAL(read_of(MSR_FS_BASE), 0x1111);
	CU_ASSERT_EQUAL(read_of(MSR_GS_BASE), 0x2222);
	CU_ASSERT_EQUAL(read_of(MSR_KERNEL_GS_BASE), 0x3333);
	CU_ASSERT_TRUE(msr_guest_write(vcpu, MSR_GS_BASE, 0x1000));
	CU_ASSERT_EQUAL(segment_which, SEGBASE_GS_KERNEL);
	CU_ASSERT_EQUAL(segment_base, 0x1000);
	CU_ASSERT_TRUE(msr_guest_write(vcpu, MSR_KERNEL_GS_BASE, 0x2000));
	CU_ASSERT_EQUAL(segment_which, SEGBASE_GS_USER);
	CU_ASSERT_FALSE(msr_guest_write(vcpu, MSR_FS_BASE, 1ULL << 63));
	CU_ASSERT_EQUAL(segment_which, SEGBASE_FS);
}

static void constants_may_be_written_as_they_are(void)
{
	static const uint32_t constants[] = { 0x1b, 0x277, MSR_EFER, 0x1a0, 0xce, 0x140, 0xfe, 0x1d9 };

	given_kernel(VENDOR_INTEL);
	for (size_t i = 0; i < ARRAY_SIZE(constants); i++) {
		CU_ASSERT_TRUE(exists(constants[i]));
		CU_ASSERT_TRUE(msr_guest_write(vcpu, constants[i], read_of(constants[i])));
		CU_ASSERT_FALSE(msr_guest_write(vcpu, constants[i], read_of(constants[i]) ^ 1));
	}
	CU_ASSERT_EQUAL(read_of(0x277), 0x050100070406);
	CU_ASSERT_EQUAL(read_of(MSR_EFER), 0xd01);
	CU_ASSERT_EQUAL(read_of(0x1b), 0xfee00800);
	CU_ASSERT_EQUAL(read_of(0xfe), 0);
	CU_ASSERT_EQUAL(read_of(0x1a0), 0x801809);
	vcpu = vcpu->domain->vcpu[0];
	CU_ASSERT_EQUAL(read_of(0x1b), 0xfee00900);
}

static void system_calls_are_set_up_by_callbacks(void)
{
	given_kernel(VENDOR_INTEL);
	for (uint32_t msr = MSR_STAR; msr <= MSR_SFMASK; msr++)
		CU_ASSERT_TRUE(msr_guest_write(vcpu, msr, random()));
	for (uint32_t msr = 0x174; msr <= 0x176; msr++) {
		CU_ASSERT_TRUE(msr_guest_write(vcpu, msr, random()));
		CU_ASSERT_EQUAL(read_of(msr), 0);
	}
	CU_ASSERT_EQUAL(machine_writes(), 0);
}

static void a_barrier_is_for_who_has_one(void)
{
	given_kernel(VENDOR_INTEL);
	CU_ASSERT_FALSE(msr_guest_write(vcpu, 0x49, 1));
	cpu_features.ibpb = true;
	CU_ASSERT_TRUE(msr_guest_write(vcpu, 0x49, 1));
	CU_ASSERT_EQUAL(barriers, 1);
	CU_ASSERT_TRUE(msr_guest_write(vcpu, 0x49, 0));
	CU_ASSERT_FALSE(msr_guest_write(vcpu, 0x49, 3));
	CU_ASSERT_EQUAL(barriers, 1);
}

static void amds_own_are_amds(void)
{
	given_kernel(VENDOR_AMD);
	CU_ASSERT_EQUAL(read_of(0xc0010015), 1 << 24);
	CU_ASSERT_EQUAL(read_of(0xc0011029), 2);
	CU_ASSERT_EQUAL(read_of(0xc001001f), 0);
	CU_ASSERT_FALSE(exists(0x1a0));
	CU_ASSERT_FALSE(exists(0xce));
	CU_ASSERT_FALSE(msr_guest_write(vcpu, 0xc0010015, 0));
}

static const struct unit_case cases[] = {
	UNIT_CASE(no_write_reaches_the_machine),
	UNIT_CASE(what_is_not_listed_does_not_exist),
	UNIT_CASE(a_barrier_is_for_who_has_one),
	UNIT_CASE(bases_are_those_of_the_mode),
	UNIT_CASE(constants_may_be_written_as_they_are),
	UNIT_CASE(system_calls_are_set_up_by_callbacks),
	UNIT_CASE(amds_own_are_amds),
};

int main(void) { return unit_run("model-specific registers", cases, ARRAY_SIZE(cases)); }
