/* SPDX-License-Identifier: MIT */
/*
 * CPUID for guests: of each leaf the bits that this table lists, of every other leaf nothing.
 * C1  No feature is shown that a PV guest cannot use: nothing of rings 0 to 2, of paging that the core does not
 *     validate, of registers that are not switched with the vcpu.
 */
#include "cpu/emulate.h"

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"

#include <xen/arch-x86/cpuid.h>

#define BASIC_LEAF_MAX		0xd
#define EXTENDED_LEAF_MAX	0x80000008
#define XEN_LEAF_MAX		XEN_CPUID_LEAF(5)
#define XEN_VERSION		(4 << 16 | 17)
#define TSC_MODE_NATIVE		2
#define EDX_COMMON		0x0183f3ffU	/* bits that AMD repeats in leaf 0x80000001 */

#define ALL	UINT32_MAX
#define BRAND	0x80000002	/* the first of five leaves: the CPU's name and its caches */

static const struct shown {
	uint32_t leaf;
	uint32_t xcr0;		/* shown if XCR0 can hold these */
	uint32_t bits[4];
} shown[] = {
	/* SSE3, PCLMULQDQ, SSSE3, CX16, SSE4, MOVBE, POPCNT, AES, RDRAND */
	/* FPU, DE, TSC, MSR, PAE, CX8, APIC, SEP, CMOV, PAT, CLFLUSH, MMX, FXSR, SSE, SSE2, SS */
	{ 1, 0, { ALL, 0x0000ffff, 0x42d82203, 0x0f898b75 } },
	/* AVX, FMA, F16C */
	{ 1, XCR0_AVX, { 0, 0, 0x30001000, 0 } },
	{ 2, 0, { ALL, ALL, ALL, ALL } },
	/* Caches, without who shares them. */
	{ 4, 0, { 0x00003fff, ALL, ALL, ALL } },
	/* BMI1, FDP_EXCPTN_ONLY, BMI2, ERMS, NO_FPU_SEL, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA */
	/* PREFETCHWT1, GFNI, CLDEMOTE, MOVDIRI, MOVDIR64B */
	/* FSRM, MD_CLEAR, SERIALIZE */
	{ 7, 0, { 0, 0x218c2348, 0x1a000101, 0x00004410 } },
	/* AVX2, VAES, VPCLMULQDQ */
	{ 7, XCR0_AVX, { 0, 0x00000020, 0x00000600, 0 } },
	{ 7, XCR0_AVX512, { 0, 0xdc230000, 0x00005842, 0x0080010c } },
	/* LAHF, ABM, SSE4A, misaligned SSE, prefetch, TBM; NX, MMXEXT, LM, 3DNOW, and as leaf 1 */
	{ 0x80000001, 0, { ALL, 0, 0x002001e1, 0xe1d18b75 } },
	/* XOP, FMA4 */
	{ 0x80000001, XCR0_AVX, { 0, 0, 0x00010800, 0 } },
	{ BRAND, 0, { ALL, ALL, ALL, ALL } },
	/* Invariant TSC. */
	{ 0x80000007, 0, { 0, 0, 0, 0x00000100 } },
	/* Physical address bits; CLZERO, XSAVEERPTR */
	{ 0x80000008, 0, { 0x000000ff, 0x00000005, 0, 0 } },
};

static void copy_shown(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t row_leaf = leaf - BRAND < 5 ? BRAND : leaf, machine[4];

	cpuid_read(leaf, subleaf, machine);
	for (const struct shown *row = shown; row < shown + ARRAY_SIZE(shown); row++) {
		if (row->leaf != row_leaf || (cpu_features.xcr0_mask & row->xcr0) != row->xcr0)
			continue;
		for (int word = 0; word < 4; word++)
			out[word] |= machine[word] & row->bits[word];
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
		out[2] |= 1U << 31 | (uint32_t)cpu_features.xsave << 26;
		/* Linux's kernel looks here for XSAVE before it has set its CR4; the machine's has it always. */
		if (cpu_features.xsave && (vcpu->in_kernel || vcpu->guest_cr4 & CR4_OSXSAVE))
			out[2] |= 1U << 27;
		break;
	case 0xd:
		extended_state(subleaf, out);
		break;
	case 0x80000001:
		if (cpu_features.vendor != VENDOR_AMD)
			out[3] &= ~EDX_COMMON;
		out[3] |= 1U << 11;	/* Intel's CPUs show SYSCALL only to 64-bit code: the guest is */
		break;
	case 0x80000008:
		out[0] |= 48 << 8;	/* virtual address bits: no five-level paging */
		out[1] |= (uint32_t)cpu_features.ibpb << 12;
		break;
	}
}

static void xen_leaf(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	static const uint32_t constant[3][4] = {
		{ XEN_LEAF_MAX, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX },
		{ XEN_VERSION, 0, 0, 0 },
		/* No MSR fills a hypercall page: an ELF note does. */
		{ 0, 0, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0 },
	};

	if (leaf <= XEN_CPUID_LEAF(2))
		memcpy(out, constant[leaf - XEN_CPUID_FIRST_LEAF], sizeof(constant[0]));
	if (leaf == XEN_CPUID_LEAF(3) && subleaf == 0) {
		out[0] = (uint32_t)tsc_is_stable << 1;
		out[1] = tsc_is_stable ? TSC_MODE_NATIVE : 0;	/* Linux takes the first for a clock that needs no other */
		out[2] = tsc_khz;
	}
	if (leaf == XEN_CPUID_LEAF(5))
		out[1] = cpu_features.address_bits;
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
	if (leaf > limit || (leaf == 7 && subleaf != 0))
		return;
	if (leaf == 0 || leaf == 0x80000000) {
		cpuid_read(leaf, 0, out);
		out[0] = limit;
		return;
	}
	copy_shown(leaf, subleaf, out);
	adjust(vcpu, leaf, subleaf, out);
}
