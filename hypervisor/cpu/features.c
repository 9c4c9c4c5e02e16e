/* SPDX-License-Identifier: MIT */
/* What the CPUs can do, and how each one is set up for the core and its guests. */
#include "cpu/features.h"

#include "cpu/emulate.h"
#include "cpu/ops.h"
#include "cpu/speculation.h"

struct cpu_features cpu_features;

#define CR0_BASE	0x80050033ULL		/* PG, AM, WP, NE, ET, MP, PE */
#define CR4_MCE		(1ULL << 6)
#define CR4_GUEST	(CR4_TSD | CR4_DE)	/* what follows the vcpu */
#define EFER_SCE	(1ULL << 0)
#define EFER_NXE	(1ULL << 11)
#define MSR_PAT		0x277

/* The first letters of a vendor's name. */
#define NAME_INTEL	0x756e6547U
#define NAME_AMD	0x68747541U
#define NAME_HYGON	0x6f677948U

/* What has no secret, no privileged part and a sane size. */
#define XCR0_OFFERED	(XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)

/* Where CPUID tells what the core uses: a bit of ebx, ecx or edx. Some stand in two places. */
enum { B = 1, C, D };
#define BIT(leaf, word, bit, feature) { leaf, word, bit, offsetof(struct cpu_features, feature) }

static const struct {
	uint32_t leaf;
	uint8_t word, bit, feature;
} bits[] = {
	BIT(1, C, 21, x2apic), BIT(1, C, 24, tsc_deadline), BIT(1, C, 26, xsave), BIT(1, C, 31, hypervisor),
	BIT(1, D, 13, pge), BIT(7, B, 7, smep), BIT(7, B, 20, smap),
	BIT(7, D, 10, md_clear), BIT(7, D, 26, ibrs), BIT(7, D, 26, ibpb), BIT(7, D, 29, arch_capabilities),
	BIT(0x80000001, D, 20, nx), BIT(0x80000007, D, 8, invariant_tsc),
	BIT(0x80000008, B, 12, ibpb), BIT(0x80000008, B, 14, ibrs),
};

static void find_bits(struct cpu_features *found)
{
	uint32_t out[4];

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		bool *feature = (bool *)((uint8_t *)found + bits[i].feature);

		if (bits[i].leaf > (bits[i].leaf >> 31 ? found->max_extended_leaf : found->max_leaf))
			continue;
		cpuid_read(bits[i].leaf, 0, out);
		*feature |= out[bits[i].word] >> bits[i].bit & 1;
	}
}

/* Size of a standard-format area: the furthest end of any component that may be in it. */
static void find_xsave(struct cpu_features *found)
{
	uint32_t out[4];

	found->xcr0_mask = XCR0_X87 | XCR0_SSE;
	found->xsave_bytes = 512;
	found->xsave &= found->max_leaf >= 0xd;
	if (!found->xsave)
		return;
	cpuid_read(0xd, 0, out);
	found->xcr0_mask = out[0] & XCR0_OFFERED;
	if (!(found->xcr0_mask & XCR0_AVX) || (found->xcr0_mask & XCR0_AVX512) != XCR0_AVX512)
		found->xcr0_mask &= ~XCR0_AVX512;
	found->xsave_bytes = 512 + 64;
	for (unsigned int component = 2; component < 8; component++) {
		cpuid_read(0xd, component, out);
		if (found->xcr0_mask >> component & 1)
			found->xsave_bytes = MAX(found->xsave_bytes, out[0] + out[1]);
	}
}

void cpu_features_init(void)
{
	struct cpu_features *found = &cpu_features;
	uint32_t out[4];

	cpuid_read(0, 0, out);
	found->max_leaf = out[0];
	if (out[1] == NAME_INTEL)
		found->vendor = VENDOR_INTEL;
	else if (out[1] == NAME_AMD || out[1] == NAME_HYGON)
		found->vendor = VENDOR_AMD;
	cpuid_read(0x80000000, 0, out);
	found->max_extended_leaf = out[0] >> 31 ? out[0] : 0;
	found->address_bits = 36;
	if (found->max_extended_leaf >= 0x80000008) {
		cpuid_read(0x80000008, 0, out);
		found->address_bits = out[0] & 0xff;
	}
	find_bits(found);
	find_xsave(found);
	speculation_init();
}

void cpu_features_enable(void)
{
	cr0_write(CR0_BASE);
	cr4_write(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | (cpu_features.pge ? CR4_PGE : 0) |
		  (cpu_features.smep ? CR4_SMEP : 0) | (cpu_features.smap ? CR4_SMAP : 0) |
		  (cpu_features.xsave ? CR4_OSXSAVE : 0));
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | (cpu_features.nx ? EFER_NXE : 0));
	msr_write(MSR_PAT, MSR_PAT_VALUE);
	if (cpu_features.xsave)
		asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)(XCR0_X87 | XCR0_SSE)), "d"(0) : "memory");
	speculation_enable();
}

void cpu_load_guest_cr4(const struct vcpu *vcpu)
{
	uint64_t now = cr4_read(), wanted = (now & ~CR4_GUEST) | (vcpu->guest_cr4 & CR4_GUEST);

	if (now != wanted)
		cr4_write(wanted);
}
