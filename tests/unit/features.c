/* SPDX-License-Identifier: MIT */
/*
 * CPUs that the machine of these tests is not: what is found on them, what is switched on, what is said at boot.
 * The sources under test are included, with instructions of this file's own in place of cpu/ops.h.
 */
#include "unit.h"

#include <string.h>

#include "lib/log.h"
#include "privileged.h"

#define SKINK_OPS_H
#define cpu_features tested_features

#define CR4_TSD		(1ULL << 2)
#define CR4_DE		(1ULL << 3)
#define CR4_PAE		(1ULL << 5)
#define CR4_PGE		(1ULL << 7)
#define CR4_OSFXSR	(1ULL << 9)
#define CR4_OSXMMEXCPT	(1ULL << 10)
#define CR4_OSXSAVE	(1ULL << 18)
#define CR4_SMEP	(1ULL << 20)
#define CR4_SMAP	(1ULL << 21)
#define MSR_PRED_CMD	0x49
#define MSR_EFER	0xc0000080

static struct { uint32_t leaf, subleaf, out[4]; } leaves[16];
static unsigned int leaf_count;

static inline void cpuid_read(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	memset(out, 0, 16);
	for (unsigned int i = 0; i < leaf_count; i++)
		if (leaves[i].leaf == leaf && leaves[i].subleaf == subleaf)
			memcpy(out, leaves[i].out, 16);
}

static inline uint64_t msr_read(uint32_t msr) { return fake_msr_get(msr); }
static inline uint64_t cr4_read(void) { return fake_machine.cr[4]; }
static inline void cr0_write(uint64_t value) { fake_machine.cr[0] = value; }
static inline void cr4_write(uint64_t value) { fake_machine.cr[4] = value; }

static uint32_t barriers;

static inline void msr_write(uint32_t msr, uint64_t value)
{
	barriers += msr == 0x49 && value == 1;
	fake_msr_set(msr, value);
}

#include "../../hypervisor/cpu/features.c"
#include "../../hypervisor/cpu/speculation.c"

static void given_leaf(uint32_t leaf, uint32_t subleaf, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	leaves[leaf_count].leaf = leaf;
	leaves[leaf_count].subleaf = subleaf;
	memcpy(leaves[leaf_count++].out, (uint32_t[]){ a, b, c, d }, 16);
}

/* A CPU of `vendor` with all that the core uses, and these bits of leaf 7's edx. */
static void given_cpu(const char *vendor, uint32_t signature, uint32_t leaf7_edx)
{
	uint32_t name[3];

	fake_machine_reset();
	memset(&tested_features, 0, sizeof(tested_features));
	has_mds = has_enhanced_ibrs = false;
	leaf_count = 0;
	barriers = 0;
	memcpy(name, vendor, 12);
	given_leaf(0, 0, 0xd, name[0], name[2], name[1]);
	given_leaf(1, 0, signature, 0, 1U << 17 | 1U << 21 | 1U << 24 | 1U << 26, 1U << 13 | 1U << 19);
	given_leaf(7, 0, 0, 1U << 0 | 1U << 7 | 1U << 20, 1U << 2, leaf7_edx);
	given_leaf(0xd, 0, 0x602e7, 0, 0, 0);
	given_leaf(0xd, 1, 1, 0, 0, 0);
	given_leaf(0xd, 2, 256, 576, 0, 0);
	given_leaf(0xd, 5, 64, 1088, 0, 0);
	given_leaf(0xd, 6, 512, 1152, 0, 0);
	given_leaf(0xd, 7, 1024, 1664, 0, 0);
	given_leaf(0x80000000, 0, 0x80000008, 0, 0, 0);
	given_leaf(0x80000001, 0, 0, 0, 0, 1U << 20 | 1U << 26 | 1U << 27);
	given_leaf(0x80000007, 0, 0, 0, 0, 1U << 8);
	given_leaf(0x80000008, 0, 0x302e, 0, 0, 0);
}

#define SKYLAKE	0x000506e3
#define ICELAKE	0x000606a6
#define ZEN	0x00800f12

#define MD_CLEAR	(1U << 10)
#define IBRS_IBPB	(1U << 26)
#define ARCH_CAP	(1U << 29)

static void all_that_there_is_is_found(void)
{
	given_cpu("GenuineIntel", ICELAKE, IBRS_IBPB);
	cpu_features_init();
	CU_ASSERT_EQUAL(tested_features.vendor, VENDOR_INTEL);
	CU_ASSERT_EQUAL(tested_features.address_bits, 46);
	CU_ASSERT_EQUAL(tested_features.xcr0_mask, 0xe7);
	CU_ASSERT_EQUAL(tested_features.xsave_bytes, 2688);
	CU_ASSERT_TRUE(tested_features.ibpb && tested_features.smep && tested_features.smap && tested_features.nx);
	CU_ASSERT_TRUE(tested_features.x2apic && tested_features.tsc_deadline && tested_features.invariant_tsc);
	cpu_features_enable();
	CU_ASSERT_EQUAL(fake_machine.cr[4], 0x3406e0);
	CU_ASSERT_EQUAL(fake_machine.cr[0], 0x80050033);
	CU_ASSERT_EQUAL(fake_machine.xcr0, 3);
	CU_ASSERT_EQUAL(fake_msr_get(MSR_EFER), 0x801);
	CU_ASSERT_EQUAL(fake_msr_get(0x277), 0x050100070406);
}

static void vendors_are_known_by_name(void)
{
	given_cpu("AuthenticAMD", ZEN, 0);
	cpu_features_init();
	CU_ASSERT_EQUAL(tested_features.vendor, VENDOR_AMD);
	given_cpu("HygonGenuine", ZEN, 0);
	cpu_features_init();
	CU_ASSERT_EQUAL(tested_features.vendor, VENDOR_AMD);
	given_cpu("CentaurHauls", ZEN, 0);
	cpu_features_init();
	CU_ASSERT_EQUAL(tested_features.vendor, VENDOR_OTHER);
}

static void leaves_that_are_not_there_are_not_asked(void)
{
	given_cpu("GenuineIntel", SKYLAKE, IBRS_IBPB);
	leaves[0].out[0] = 1;
	leaves[9].out[0] = 0x80000004;
	cpu_features_init();
	CU_ASSERT_FALSE(tested_features.smap || tested_features.ibpb || tested_features.xsave);
	CU_ASSERT_TRUE(tested_features.nx && tested_features.pge);
	CU_ASSERT_FALSE(tested_features.invariant_tsc);
	CU_ASSERT_EQUAL(tested_features.address_bits, 36);
	CU_ASSERT_EQUAL(tested_features.xsave_bytes, 512);
}

static void meltdown_is_said_where_it_is(void)
{
	static const struct { const char *vendor; uint32_t signature, edx; uint64_t capabilities; bool has_it; } cpus[] = {
		{ "GenuineIntel", SKYLAKE, 0, 0, true },
		{ "GenuineIntel", SKYLAKE, ARCH_CAP, 0x8, true },
		{ "GenuineIntel", ICELAKE, ARCH_CAP, 0x2b, false },
		{ "CentaurHauls", ICELAKE, 0, 0, false },
		{ "AuthenticAMD", ZEN, 0, 0, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		fake_reset();
		given_cpu(cpus[i].vendor, cpus[i].signature, cpus[i].edx);
		fake_msr_set(0x10a, cpus[i].capabilities);
		cpu_features_init();
		speculation_report();
		CU_ASSERT_EQUAL(strstr(fake.log, "Meltdown") != NULL, cpus[i].has_it);
		CU_ASSERT_EQUAL(speculation_l1tf_limit != 0, cpus[i].has_it);
	}
}

static void buffers_are_cleared_where_the_microcode_can(void)
{
	given_cpu("GenuineIntel", SKYLAKE, MD_CLEAR);
	cpu_features_init();
	CU_ASSERT_TRUE(speculation_clear_buffers);
	given_cpu("GenuineIntel", SKYLAKE, 0);
	cpu_features_init();
	CU_ASSERT_FALSE(speculation_clear_buffers);
	speculation_report();
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "MDS"));
	given_cpu("GenuineIntel", ICELAKE, ARCH_CAP | MD_CLEAR);
	fake_msr_set(0x10a, 0x2b);
	cpu_features_init();
	CU_ASSERT_FALSE(speculation_clear_buffers);
}

static void enhanced_ibrs_stays_on(void)
{
	given_cpu("GenuineIntel", ICELAKE, ARCH_CAP | IBRS_IBPB);
	fake_msr_set(0x10a, 0x2b);
	cpu_features_init();
	cpu_features_enable();
	CU_ASSERT_EQUAL(fake_msr_get(0x48), 1);
	given_cpu("GenuineIntel", SKYLAKE, IBRS_IBPB);
	cpu_features_init();
	speculation_enable();
	CU_ASSERT_EQUAL(fake_msr_get(0x48), 0);
}

static void a_barrier_stands_between_two_domains(void)
{
	struct vcpu *one = given_domain()->vcpu[0], *two = given_domain()->vcpu[0];

	given_cpu("GenuineIntel", SKYLAKE, IBRS_IBPB);
	cpu_features_init();
	fake_run(one);
	speculation_switch_domain();
	CU_ASSERT_EQUAL(barriers, 1);
	speculation_switch_domain();		/* from idle back to it */
	CU_ASSERT_EQUAL(barriers, 1);
	fake_run(two);
	speculation_switch_domain();
	CU_ASSERT_EQUAL(barriers, 2);
	fake_run(one);
	speculation_switch_domain();
	CU_ASSERT_EQUAL(barriers, 3);
	fake_on_cpu(1);
	fake_run(one);
	speculation_switch_domain();
	CU_ASSERT_EQUAL(barriers, 4);
	one->domain->id = 77;			/* it was freed, and another came to lie there */
	speculation_switch_domain();
	CU_ASSERT_EQUAL(barriers, 5);
	fake_on_cpu(0);
}

static void an_entry_that_is_not_present_names_no_ram_under_l1tf(void)
{
	given_cpu("GenuineIntel", SKYLAKE, 0);
	cpu_features_init();
	CU_ASSERT_TRUE(speculation_entry_is_safe(0));
	CU_ASSERT_FALSE(speculation_entry_is_safe(0x12345000));
	CU_ASSERT_TRUE(speculation_entry_is_safe(0x000fffffff345000));	/* inverted, as Linux does */
	given_cpu("AuthenticAMD", ZEN, 0);
	cpu_features_init();
	CU_ASSERT_TRUE(speculation_entry_is_safe(0x12345000));
}

static void an_index_stays_in_its_array(void)
{
	CU_ASSERT_EQUAL(array_index(0, 10), 0);
	CU_ASSERT_EQUAL(array_index(9, 10), 9);
	CU_ASSERT_EQUAL(array_index(10, 10), 0);
	CU_ASSERT_EQUAL(array_index(UINT64_MAX, 10), 0);
	CU_ASSERT_EQUAL(array_index(5, 0), 0);
	CU_ASSERT_EQUAL(array_index(UINT64_MAX - 1, UINT64_MAX), UINT64_MAX - 1);
}

static void cr4_follows_the_guest_in_two_bits(void)
{
	struct vcpu *vcpu = given_domain()->vcpu[0];

	given_cpu("GenuineIntel", SKYLAKE, 0);
	cpu_features_init();
	cpu_features_enable();
	vcpu->guest_cr4 = UINT64_MAX;
	cpu_load_guest_cr4(vcpu);
	CU_ASSERT_EQUAL(fake_machine.cr[4], 0x3406ec);
	vcpu->guest_cr4 = 0;
	cpu_load_guest_cr4(vcpu);
	CU_ASSERT_EQUAL(fake_machine.cr[4], 0x3406e0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(all_that_there_is_is_found),
	UNIT_CASE(vendors_are_known_by_name),
	UNIT_CASE(leaves_that_are_not_there_are_not_asked),
	UNIT_CASE(meltdown_is_said_where_it_is),
	UNIT_CASE(buffers_are_cleared_where_the_microcode_can),
	UNIT_CASE(enhanced_ibrs_stays_on),
	UNIT_CASE(a_barrier_stands_between_two_domains),
	UNIT_CASE(an_entry_that_is_not_present_names_no_ram_under_l1tf),
	UNIT_CASE(an_index_stays_in_its_array),
	UNIT_CASE(cr4_follows_the_guest_in_two_bits),
};

int main(void) { return unit_run("CPU features and speculation", cases, ARRAY_SIZE(cases)); }
