/* SPDX-License-Identifier: MIT */
/*
 * CPUID for guests: of each leaf the bits that this table lists, of every other leaf nothing.
 * C1  No feature is shown that a PV guest cannot use: nothing of rings 0 to 2, of paging that the core does not
 *     validate, of registers that are not switched with the vcpu.
 */
#include "cpu/cpuid.h"

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"
#include "domain/vcpu.h"

#include <xen/arch-x86/cpuid.h>

#define BASIC_LEAF_MAX		0xd
#define EXTENDED_LEAF_MAX	0x80000008
#define XEN_LEAF_MAX		XEN_CPUID_LEAF(5)
#define XEN_VERSION		(4 << 16 | 17)
#define TSC_MODE_NATIVE		2
#define SUBLEAF_ANY		UINT32_MAX
#define ALL			UINT32_MAX

/* Leaf 1 */
#define ECX1_AVX	(1U << 12 | 1U << 28 | 1U << 29)	/* FMA, AVX, F16C */
#define ECX1_XSAVE	(1U << 26)
#define ECX1_OSXSAVE	(1U << 27)
#define ECX1_HYPERVISOR	(1U << 31)
/* SSE3, PCLMULQDQ, SSSE3, CX16, SSE4.1, 4.2, MOVBE, POPCNT, AES, XSAVE, RDRAND */
#define ECX1_SHOWN	(0x46d82203U | ECX1_AVX)
/* FPU, DE, TSC, MSR, PAE, CX8, APIC, SEP, CMOV, PAT, CLFLUSH, MMX, FXSR, SSE, SSE2, SS */
#define EDX1_SHOWN	0x0f898b75U

/* Leaf 7 */
#define EBX7_AVX	(1U << 5)
#define EBX7_AVX512	0xdc230000U	/* F, DQ, IFMA, PF, ER, CD, BW, VL: less what is no AVX-512 */
/* BMI1, FDP_EXCPTN_ONLY, BMI2, ERMS, NO_FPU_SEL, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA */
#define EBX7_OTHER	0x218c2348U
#define ECX7_AVX	(1U << 9 | 1U << 10)	/* VAES, VPCLMULQDQ */
#define ECX7_AVX512	0x00005842U		/* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
#define ECX7_OTHER	0x1a000101U		/* PREFETCHWT1, GFNI, CLDEMOTE, MOVDIRI, MOVDIR64B */
#define EDX7_AVX512	0x0080010cU		/* 4VNNIW, 4FMAPS, VP2INTERSECT, FP16 */
#define EDX7_OTHER	0x00004410U		/* FSRM, MD_CLEAR, SERIALIZE */
#define EAX7_1_AVX	(1U << 4)		/* AVX-VNNI */
#define EAX7_1_AVX512	(1U << 5)		/* BF16 */
#define EAX7_1_OTHER	0x00001c00U		/* fast short rep */

/* Extended: LAHF, ABM, SSE4A, misaligned SSE, prefetch, XOP, FMA4, TBM; SYSCALL, NX, MMXEXT, LM, 3DNOW */
#define ECX81_AVX	(1U << 11 | 1U << 16)
#define ECX81_OTHER	0x002001e1U
#define EDX81_SHOWN	0xe0500800U
#define EDX81_COMMON	0x0183f3ffU	/* bits that AMD repeats from leaf 1 */
#define EBX88_IBPB	(1U << 12)

static const struct {
	uint32_t leaf, subleaf;
	uint32_t shown[4];
} leaves[] = {
	{ 1, SUBLEAF_ANY, { ALL, 0x0000ffff, ECX1_SHOWN, EDX1_SHOWN } },
	{ 2, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 4, SUBLEAF_ANY, { 0x00003fff, ALL, ALL, ALL } },	/* caches, without who shares them */
	{ 7, 0, { ALL, EBX7_OTHER | EBX7_AVX | EBX7_AVX512, ECX7_OTHER | ECX7_AVX | ECX7_AVX512,
		  EDX7_OTHER | EDX7_AVX512 } },
	{ 7, 1, { EAX7_1_OTHER | EAX7_1_AVX | EAX7_1_AVX512, 0, 0, 0 } },
	{ 0x80000001, SUBLEAF_ANY, { ALL, 0, ECX81_OTHER | ECX81_AVX, EDX81_SHOWN | (EDX1_SHOWN & EDX81_COMMON) } },
	{ 0x80000002, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 0x80000003, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 0x80000004, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 0x80000005, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 0x80000006, SUBLEAF_ANY, { ALL, ALL, ALL, ALL } },
	{ 0x80000007, SUBLEAF_ANY, { 0, 0, 0, 1U << 8 } },	/* invariant TSC */
	{ 0x80000008, SUBLEAF_ANY, { 0x000000ff, 0x5, 0, 0 } },	/* CLZERO, XSAVEERPTR */
};

static void copy_shown(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (leaves[i].leaf != leaf || (leaves[i].subleaf != SUBLEAF_ANY && leaves[i].subleaf != subleaf))
			continue;
		cpuid_read(leaf, subleaf, out);
		for (int word = 0; word < 4; word++)
			out[word] &= leaves[i].shown[word];
	}
}

static uint32_t unless(bool condition, uint32_t bits) { return condition ? 0 : bits; }

/* Instructions whose registers XCR0 cannot hold are not there. */
static void hide_vectors(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	bool avx = cpu_features.xcr0_mask & 0x04, avx512 = cpu_features.xcr0_mask & 0x20;

	switch (leaf) {
	case 1:
		out[2] &= ~unless(avx, ECX1_AVX) & ~unless(cpu_features.xsave, ECX1_XSAVE);
		break;
	case 7:
		if (subleaf == 1) {
			out[0] &= ~unless(avx, EAX7_1_AVX) & ~unless(avx512, EAX7_1_AVX512);
			break;
		}
		out[1] &= ~unless(avx, EBX7_AVX) & ~unless(avx512, EBX7_AVX512);
		out[2] &= ~unless(avx, ECX7_AVX) & ~unless(avx512, ECX7_AVX512);
		out[3] &= ~unless(avx512, EDX7_AVX512);
		break;
	case 0x80000001:
		out[2] &= ~unless(avx, ECX81_AVX);
		break;
	}
}

/* The sizes are those for XCR0 as the current vcpu has it, and its XCR0 is loaded. */
static void extended_state(uint32_t subleaf, uint32_t out[4])
{
	if (!cpu_features.xsave)
		return;
	if (subleaf >= 2 && (subleaf >= 64 || !(cpu_features.xcr0_mask >> subleaf & 1)))
		return;
	cpuid_read(0xd, subleaf, out);
	if (subleaf == 0) {
		out[0] = (uint32_t)cpu_features.xcr0_mask;
		out[2] = cpu_features.xsave_bytes;
		out[3] = 0;
	} else if (subleaf == 1) {
		out[0] &= 0x7;	/* XSAVEOPT, XSAVEC, XGETBV with index 1; not XSAVES */
		out[2] = out[3] = 0;
	}
}

static void adjust(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	switch (leaf) {
	case 1:
		out[1] |= vcpu->id << 24 | 1U << 16;
		out[2] |= ECX1_HYPERVISOR;
		/* Linux's kernel looks here for XSAVE before it has set its CR4; the machine's has it always. */
		if (cpu_features.xsave && (vcpu->in_kernel || vcpu->guest_cr4 & CR4_OSXSAVE))
			out[2] |= ECX1_OSXSAVE;
		break;
	case 7:
		if (subleaf == 0)
			out[0] = MIN(out[0], 1U);
		break;
	case 0xd:
		extended_state(subleaf, out);
		break;
	case 0x80000001:
		if (!cpu_features.syscall32_amd)
			out[3] &= ~EDX81_COMMON;
		out[3] |= 1U << 11;	/* Intel's CPUs show SYSCALL only to 64-bit code: the guest is */
		break;
	case 0x80000008:
		out[0] |= 48 << 8;	/* virtual address bits: no five-level paging */
		out[1] |= cpu_features.ibpb ? EBX88_IBPB : 0;
		break;
	}
}

static void time_leaf(uint32_t subleaf, uint32_t out[4])
{
	switch (subleaf) {
	case 0:
		out[0] = (uint32_t)tsc_is_stable << 1 | (uint32_t)cpu_features.rdtscp << 2;
		out[1] = TSC_MODE_NATIVE;
		out[2] = tsc_khz;
		break;
	case 1:
		out[0] = (uint32_t)-tsc_to_ns(0);
		out[1] = (uint32_t)(-tsc_to_ns(0) >> 32);
		out[2] = tsc_scale.mul;
		out[3] = (uint8_t)tsc_scale.shift;
		break;
	case 2:
		out[0] = tsc_khz;
		break;
	}
}

static void xen_leaf(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	switch (leaf) {
	case XEN_CPUID_LEAF(0):
		out[0] = XEN_LEAF_MAX;
		out[1] = XEN_CPUID_SIGNATURE_EBX;
		out[2] = XEN_CPUID_SIGNATURE_ECX;
		out[3] = XEN_CPUID_SIGNATURE_EDX;
		break;
	case XEN_CPUID_LEAF(1):
		out[0] = XEN_VERSION;
		break;
	case XEN_CPUID_LEAF(2):
		out[0] = 1;			/* one hypercall page, filled by this MSR */
		out[1] = 0x40000000;
		out[2] = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
		break;
	case XEN_CPUID_LEAF(3):
		time_leaf(subleaf, out);
		break;
	case XEN_CPUID_LEAF(5):
		out[1] = cpu_features.address_bits;
		break;
	}
}

void cpuid_for_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t limit = leaf >> 31 ? MIN(cpu_features.max_extended_leaf, EXTENDED_LEAF_MAX)
				    : MIN(cpu_features.max_leaf, (uint32_t)BASIC_LEAF_MAX);

	out[0] = out[1] = out[2] = out[3] = 0;
	if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_LEAF_MAX) {
		xen_leaf(leaf, subleaf, out);
		return;
	}
	if (leaf > limit)
		return;
	if (leaf == 0 || leaf == 0x80000000) {
		cpuid_read(leaf, 0, out);
		out[0] = limit;
		return;
	}
	copy_shown(leaf, subleaf, out);
	adjust(vcpu, leaf, subleaf, out);
	hide_vectors(leaf, subleaf, out);
}
