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
#define EDX_COMMON		0x0183f3ffU	/* bits that AMD repeats in leaf 0x80000001 */

enum { A = 1, B = 2, C = 4, D = 8, ABCD = 15 };		/* the words of a leaf */
#define ANY		UINT32_MAX
#define ALL		UINT32_MAX
#define AVX		0x04			/* in XCR0 */
#define AVX512		0x24

static const struct shown {
	uint32_t leaf, subleaf;
	uint8_t words;
	uint8_t xcr0;		/* shown if XCR0 can hold these */
	uint32_t bits;
} shown[] = {
	{ 1, ANY, A, 0, ALL },
	{ 1, ANY, B, 0, 0x0000ffff },
	{ 1, ANY, C, 0, 0x42d82203 },	/* SSE3, PCLMULQDQ, SSSE3, CX16, SSE4, MOVBE, POPCNT, AES, RDRAND */
	{ 1, ANY, C, AVX, 0x30001000 },	/* AVX, FMA, F16C */
	/* FPU, DE, TSC, MSR, PAE, CX8, APIC, SEP, CMOV, PAT, CLFLUSH, MMX, FXSR, SSE, SSE2, SS */
	{ 1, ANY, D, 0, 0x0f898b75 },
	{ 2, ANY, ABCD, 0, ALL },
	{ 4, ANY, A, 0, 0x00003fff },	/* caches, without who shares them */
	{ 4, ANY, B | C | D, 0, ALL },
	{ 7, 0, A, 0, ALL },
	/* BMI1, FDP_EXCPTN_ONLY, BMI2, ERMS, NO_FPU_SEL, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA */
	{ 7, 0, B, 0, 0x218c2348 },
	{ 7, 0, B, AVX, 0x00000020 },
	{ 7, 0, B, AVX512, 0xdc230000 },
	{ 7, 0, C, 0, 0x1a000101 },	/* PREFETCHWT1, GFNI, CLDEMOTE, MOVDIRI, MOVDIR64B */
	{ 7, 0, C, AVX, 0x00000600 },	/* VAES, VPCLMULQDQ */
	{ 7, 0, C, AVX512, 0x00005842 },
	{ 7, 0, D, 0, 0x00004410 },	/* FSRM, MD_CLEAR, SERIALIZE */
	{ 7, 0, D, AVX512, 0x0080010c },
	{ 7, 1, A, 0, 0x00001c00 },	/* fast short rep */
	{ 7, 1, A, AVX, 0x00000010 },
	{ 7, 1, A, AVX512, 0x00000020 },
	{ 0x80000001, ANY, A, 0, ALL },
	{ 0x80000001, ANY, C, 0, 0x002001e1 },	/* LAHF, ABM, SSE4A, misaligned SSE, prefetch, TBM */
	{ 0x80000001, ANY, C, AVX, 0x00010800 },	/* XOP, FMA4 */
	{ 0x80000001, ANY, D, 0, 0xe1d18b75 },	/* NX, MMXEXT, LM, 3DNOW; and as leaf 1 */
	{ 0x80000002, ANY, ABCD, 0, ALL },
	{ 0x80000003, ANY, ABCD, 0, ALL },
	{ 0x80000004, ANY, ABCD, 0, ALL },
	{ 0x80000005, ANY, ABCD, 0, ALL },
	{ 0x80000006, ANY, ABCD, 0, ALL },
	{ 0x80000007, ANY, D, 0, 0x00000100 },	/* invariant TSC */
	{ 0x80000008, ANY, A, 0, 0x000000ff },
	{ 0x80000008, ANY, B, 0, 0x00000005 },	/* CLZERO, XSAVEERPTR */
};

static void copy_shown(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	uint32_t machine[4];

	cpuid_read(leaf, subleaf, machine);
	for (const struct shown *row = shown; row < shown + ARRAY_SIZE(shown); row++) {
		if (row->leaf != leaf || (row->subleaf != ANY && row->subleaf != subleaf))
			continue;
		for (int word = 0; word < 4; word++)
			if (row->words >> word & 1 && (cpu_features.xcr0_mask & row->xcr0) == row->xcr0)
				out[word] |= machine[word] & row->bits;
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
	case 7:
		out[0] = subleaf == 0 ? MIN(out[0], 1U) : out[0];
		break;
	case 0xd:
		extended_state(subleaf, out);
		break;
	case 0x80000001:
		if (!cpu_features.syscall32_amd)
			out[3] &= ~EDX_COMMON;
		out[3] |= 1U << 11;	/* Intel's CPUs show SYSCALL only to 64-bit code: the guest is */
		break;
	case 0x80000008:
		out[0] |= 48 << 8;	/* virtual address bits: no five-level paging */
		out[1] |= (uint32_t)cpu_features.ibpb << 12;
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
}
