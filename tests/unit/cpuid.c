/* SPDX-License-Identifier: MIT */
/*
 * What a guest sees by the emulated cpuid, on whatever machine this test runs.
 * C1  No feature is shown that a PV guest cannot use.
 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include <xen/arch-x86/cpuid.h>

#include "cpu/emulate.h"
#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"

static struct vcpu *vcpu;
static uint32_t out[4];

/* A CPU with all that this host has, as cpu_features_init() would find it. */
static void given_machine(uint64_t xcr0_mask)
{
	uint32_t words[4];

	vcpu = given_domain_with(1, 4, false)->vcpu[2];
	vcpu->in_kernel = false;
	cpuid_read(0, 0, words);
	cpu_features.max_leaf = words[0];
	cpuid_read(0x80000000, 0, words);
	cpu_features.max_extended_leaf = words[0];
	cpu_features.xsave = xcr0_mask != 0;
	cpu_features.xcr0_mask = xcr0_mask ? xcr0_mask : 3;
	cpu_features.xsave_bytes = 832;
}

static const uint32_t *ask(uint32_t leaf, uint32_t subleaf)
{
	memset(out, 0xee, sizeof(out));
	cpuid_for_guest(vcpu, leaf, subleaf, out);
	return out;
}

static bool is_empty(uint32_t leaf, uint32_t subleaf)
{
	const uint32_t *words = ask(leaf, subleaf);

	return !words[0] && !words[1] && !words[2] && !words[3];
}

static void nothing_is_shown_that_the_machine_lacks(void)
{
	static const uint32_t added[4][4] = {
		{ 0, ~0U, 1U << 31 | 1U << 27, 0 }, { 0, 0, 0, 0 }, { 0, 0, 0, 1U << 11 }, { 0xff00, 1U << 12, 0, 0 },
	};
	static const uint32_t leaves[4] = { 1, 7, 0x80000001, 0x80000008 };
	uint32_t machine[4];

	given_machine(0xe7);
	for (int i = 0; i < 4; i++) {
		cpuid_read(leaves[i], 0, machine);
		ask(leaves[i], 0);
		for (int word = leaves[i] == 7 ? 1 : 0; word < 4; word++)
			CU_ASSERT_EQUAL(out[word] & ~machine[word] & ~added[i][word], 0);
	}
}

static void what_a_pv_guest_cannot_use_is_hidden(void)	/* C1 */
{
	given_machine(0xe7);
	ask(1, 0);
	/* DTES64, MONITOR, DS-CPL, VMX, SMX, EST, TM2, PDCM, PCID, DCA, x2APIC, TSC deadline */
	CU_ASSERT_EQUAL(out[2] & 0x012681fc, 0);
	/* VME, PSE, MCE, MTRR, PGE, MCA, PSE36, DS, ACPI, HTT, TM, PBE */
	CU_ASSERT_EQUAL(out[3] & 0xb062708a, 0);
	ask(7, 0);
	/* FSGSBASE, TSC_ADJUST, SGX, HLE, SMEP, INVPCID, RTM, PQM, MPX, PQE, SMAP, PT */
	CU_ASSERT_EQUAL(out[1] & 0x0210dc97, 0);
	/* UMIP, PKU, OSPKE, WAITPKG, SHSTK, LA57, RDPID, KL, ENQCMD, SGX_LC, PKS */
	CU_ASSERT_EQUAL(out[2] & 0xe0c100bc, 0);
	/* RTM_FORCE_ABORT, hybrid, PCONFIG, IBT, AMX, IBRS, STIBP, L1D_FLUSH, ARCH_CAP, CORE_CAP, SSBD */
	CU_ASSERT_EQUAL(out[3] & 0xff55a000, 0);
	ask(0x80000001, 0);
	/* SVM, EXTAPIC, OSVW, IBS, SKINIT, WDT, LWP, NODEID, TOPOEXT, PERFCTR, DBEXT, PTSC, MWAITX */
	CU_ASSERT_EQUAL(out[2] & 0x3dc8b60c, 0);
	/* 1 GiB pages, FFXSR, RDTSCP */
	CU_ASSERT_EQUAL(out[3] & 0x0e000000, 0);
	CU_ASSERT_TRUE(is_empty(5, 0));
	CU_ASSERT_TRUE(is_empty(6, 0));
	CU_ASSERT_TRUE(is_empty(0xa, 0));
	CU_ASSERT_TRUE(is_empty(0xb, 1));
}

static void leaves_beyond_the_last_are_empty(void)
{
	given_machine(0xe7);
	CU_ASSERT_TRUE(ask(0, 0)[0] <= 0xd);
	CU_ASSERT_TRUE(ask(0x80000000, 0)[0] <= 0x80000008);
	CU_ASSERT_TRUE(is_empty(0xe, 0));
	CU_ASSERT_TRUE(is_empty(0x14, 0));
	CU_ASSERT_TRUE(is_empty(0x1f, 0));
	CU_ASSERT_TRUE(is_empty(0x3fffffff, 0));
	CU_ASSERT_TRUE(is_empty(0x40000006, 0));
	CU_ASSERT_TRUE(is_empty(0x40000100, 0));
	CU_ASSERT_TRUE(is_empty(0x80000009, 0));
	CU_ASSERT_TRUE(is_empty(0x8000001d, 0));
	CU_ASSERT_TRUE(is_empty(UINT32_MAX, UINT32_MAX));
	srandom(5);
	for (int i = 0; i < 10000; i++)
		ask((uint32_t)random() << 1, (uint32_t)random());
}

static void vectors_go_with_xcr0(void)
{
	given_machine(0);
	CU_ASSERT_EQUAL(ask(1, 0)[2] & (1U << 26 | 1U << 27 | 1U << 28 | 1U << 12 | 1U << 29), 0);
	CU_ASSERT_TRUE(is_empty(0xd, 0));
	CU_ASSERT_TRUE(is_empty(0xd, 1));
	ask(7, 0);
	CU_ASSERT_EQUAL(out[1] & 0xdc230020, 0);
	CU_ASSERT_EQUAL(out[2] & 0x00005e42, 0);

	fake_reset();
	given_machine(0x7);
	CU_ASSERT_EQUAL(ask(7, 0)[1] & 0xdc230000, 0);
	CU_ASSERT_EQUAL(ask(0xd, 0)[0], 7);
	CU_ASSERT_TRUE(is_empty(0xd, 5));
	CU_ASSERT_TRUE(is_empty(0xd, 9));
	CU_ASSERT_TRUE(is_empty(0xd, 64));
	CU_ASSERT_TRUE(is_empty(0xd, UINT32_MAX));
	CU_ASSERT_EQUAL(ask(0xd, 1)[0] & ~7U, 0);
}

static void osxsave_is_what_the_guest_has_set(void)
{
	given_machine(7);
	CU_ASSERT_EQUAL(ask(1, 0)[2] & 1U << 27, 0);
	vcpu->guest_cr4 = CR4_OSXSAVE;
	CU_ASSERT_NOT_EQUAL(ask(1, 0)[2] & 1U << 27, 0);
	vcpu->guest_cr4 = 0;
	vcpu->in_kernel = true;
	CU_ASSERT_NOT_EQUAL(ask(1, 0)[2] & 1U << 27, 0);
	cpu_features.xsave = false;
	CU_ASSERT_EQUAL(ask(1, 0)[2] & 1U << 27, 0);
}

static void xen_is_found(void)
{
	given_machine(7);
	ask(0x40000000, 0);
	CU_ASSERT_EQUAL(memcmp(&out[1], "XenVMMXenVMM", 12), 0);
	CU_ASSERT_EQUAL(out[0], 0x40000005);
	CU_ASSERT_EQUAL(ask(0x40000001, 0)[0], 4 << 16 | 17);
	CU_ASSERT_EQUAL(ask(0x40000002, 0)[0], 0);
	CU_ASSERT_EQUAL(out[1], 0);
	tsc_is_stable = false;
	CU_ASSERT_EQUAL(ask(0x40000003, 0)[1], 0);
	tsc_is_stable = true;
	CU_ASSERT_EQUAL(ask(0x40000003, 0)[1], 2);
	CU_ASSERT_EQUAL(out[2], tsc_khz);
	CU_ASSERT_TRUE(is_empty(0x40000003, 1));
	CU_ASSERT_TRUE(is_empty(0x40000004, 0));
	CU_ASSERT_EQUAL(ask(0x40000005, 0)[1], cpu_features.address_bits);
	CU_ASSERT_NOT_EQUAL(ask(1, 0)[2] & 1U << 31, 0);
}

static void each_vcpu_is_a_package_of_its_own(void)
{
	given_machine(7);
	CU_ASSERT_EQUAL(ask(1, 0)[1] >> 16, 2 << 8 | 1);
	CU_ASSERT_EQUAL(out[3] & 1U << 28, 0);
	for (uint32_t cache = 0; cache < 4; cache++)
		CU_ASSERT_EQUAL(ask(4, cache)[0] >> 14, 0);
}

static void a_barrier_is_offered_only_where_there_is_one(void)
{
	given_machine(7);
	CU_ASSERT_EQUAL(ask(0x80000008, 0)[1] & 1U << 12, 0);
	cpu_features.ibpb = true;
	CU_ASSERT_NOT_EQUAL(ask(0x80000008, 0)[1] & 1U << 12, 0);
	CU_ASSERT_EQUAL(out[0] >> 8 & 0xff, 48);
}

static const struct unit_case cases[] = {
	UNIT_CASE(nothing_is_shown_that_the_machine_lacks),
	UNIT_CASE(what_a_pv_guest_cannot_use_is_hidden),
	UNIT_CASE(leaves_beyond_the_last_are_empty),
	UNIT_CASE(vectors_go_with_xcr0),
	UNIT_CASE(osxsave_is_what_the_guest_has_set),
	UNIT_CASE(xen_is_found),
	UNIT_CASE(each_vcpu_is_a_package_of_its_own),
	UNIT_CASE(a_barrier_is_offered_only_where_there_is_one),
};

int main(void) { return unit_run("CPUID", cases, ARRAY_SIZE(cases)); }
