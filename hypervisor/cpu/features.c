/* SPDX-License-Identifier: MIT */
/* What the CPUs can do, and how each one is set up for the core and its guests. */
#include "cpu/features.h"

#include "cpu/msr.h"
#include "cpu/ops.h"
#include "cpu/speculation.h"
#include "domain/vcpu.h"
#include "lib/log.h"
#include "lib/string.h"

struct cpu_features cpu_features;

#define CR0_BASE	0x80050033ULL		/* PG, AM, WP, NE, ET, MP, PE */
#define CR4_PAE		(1ULL << 5)
#define CR4_MCE		(1ULL << 6)
#define CR4_GUEST	(CR4_TSD | CR4_DE)	/* what follows the vcpu */
#define EFER_SCE	(1ULL << 0)
#define EFER_NXE	(1ULL << 11)
#define MSR_PAT		0x277

/* x87, SSE, AVX, the three of AVX-512: what has no secret, no privileged part and a sane size. */
#define XCR0_OFFERED	0xe7ULL
#define XCR0_AVX	0x04ULL
#define XCR0_AVX512	0xe0ULL

static uint64_t cr4_base;
static bool is_boot_cpu_known;		/* require_same_features() has been here */

static bool bit(uint32_t word, unsigned int n) { return word >> n & 1; }

static void find_vendor(void)
{
	uint32_t out[4], signature, family;

	cpuid_read(0, 0, out);
	cpu_features.max_leaf = out[0];
	memcpy(cpu_features.vendor, &out[1], 4);
	memcpy(cpu_features.vendor + 4, &out[3], 4);
	memcpy(cpu_features.vendor + 8, &out[2], 4);

	cpuid_read(1, 0, out);
	signature = out[0];
	family = signature >> 8 & 0xf;
	cpu_features.family = family == 0xf ? family + (signature >> 20 & 0xff) : family;
	cpu_features.model = signature >> 4 & 0xf;
	if (family == 6 || family == 0xf)
		cpu_features.model |= signature >> 12 & 0xf0;
	cpu_features.stepping = signature & 0xf;
}

static void find_basic(struct cpu_features *found)
{
	uint32_t out[4];

	cpuid_read(1, 0, out);
	found->pge = bit(out[3], 13);
	found->clflush = bit(out[3], 19);
	found->pcid = bit(out[2], 17);
	found->x2apic = bit(out[2], 21);
	found->tsc_deadline = bit(out[2], 24);
	found->xsave = bit(out[2], 26);
	found->hypervisor = bit(out[2], 31);
	if (found->max_leaf < 7)
		return;

	cpuid_read(7, 0, out);
	found->fsgsbase = bit(out[1], 0);
	found->smep = bit(out[1], 7);
	found->smap = bit(out[1], 20);
	found->umip = bit(out[2], 2);
	found->ibrs = found->ibpb = bit(out[3], 26);
}

static void find_extended(struct cpu_features *found)
{
	uint32_t out[4];

	cpuid_read(0x80000000, 0, out);
	found->max_extended_leaf = out[0] >> 31 ? out[0] : 0;
	found->address_bits = 36;
	if (found->max_extended_leaf < 0x80000001)
		return;
	cpuid_read(0x80000001, 0, out);
	found->nx = bit(out[3], 20);
	found->page1gb = bit(out[3], 26);
	found->rdtscp = bit(out[3], 27);
	found->syscall32_amd = !strcmp(found->vendor, "AuthenticAMD") || !strcmp(found->vendor, "HygonGenuine");
	if (found->max_extended_leaf >= 0x80000007) {
		cpuid_read(0x80000007, 0, out);
		found->invariant_tsc = bit(out[3], 8);
	}
	if (found->max_extended_leaf >= 0x80000008) {
		cpuid_read(0x80000008, 0, out);
		found->address_bits = out[0] & 0xff;
		found->ibpb |= bit(out[1], 12);
		found->ibrs |= bit(out[1], 14);
	}
}

/* Size of a standard-format area: the furthest end of any component that may be in it. */
static void find_xsave(struct cpu_features *found)
{
	uint32_t out[4];

	found->xcr0_mask = 3;
	found->xsave_bytes = 512;
	if (!found->xsave || found->max_leaf < 0xd) {
		found->xsave = false;
		return;
	}
	cpuid_read(0xd, 0, out);
	found->xcr0_mask = out[0] & XCR0_OFFERED;
	if (!(found->xcr0_mask & XCR0_AVX) || (found->xcr0_mask & XCR0_AVX512) != XCR0_AVX512)
		found->xcr0_mask &= ~XCR0_AVX512;
	found->xsave_bytes = 512 + 64;
	for (unsigned int component = 2; component < 8; component++) {
		if (!(found->xcr0_mask >> component & 1))
			continue;
		cpuid_read(0xd, component, out);
		found->xsave_bytes = MAX(found->xsave_bytes, out[0] + out[1]);
	}
	cpuid_read(0xd, 1, out);
	found->xsaveopt = bit(out[0], 0);
}

void cpu_features_init(void)
{
	find_vendor();
	find_basic(&cpu_features);
	find_extended(&cpu_features);
	find_xsave(&cpu_features);
	speculation_init();

	is_boot_cpu_known = false;
	cr4_base = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	cr4_base |= cpu_features.pge ? CR4_PGE : 0;
	cr4_base |= cpu_features.smep ? CR4_SMEP : 0;
	cr4_base |= cpu_features.smap ? CR4_SMAP : 0;
	cr4_base |= cpu_features.umip ? CR4_UMIP : 0;
	cr4_base |= cpu_features.xsave ? CR4_OSXSAVE : 0;
}

/* Every CPU runs the same code: one that lacks something would fault in the middle of it. */
static void require_same_features(void)
{
	static const struct { uint32_t leaf; int word; uint32_t bits; } needed[] = {
		{ 1, 2, 1U << 26 }, { 1, 3, 1U << 13 }, { 7, 1, 1U << 7 | 1U << 20 }, { 7, 2, 1U << 2 },
		{ 7, 3, 1U << 26 }, { 0x80000001, 3, 1U << 20 | 1U << 27 }, { 0xd, 0, XCR0_OFFERED },
	};
	static uint32_t expected[ARRAY_SIZE(needed)];
	uint32_t out[4];

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		uint32_t limit = needed[i].leaf >> 31 ? cpu_features.max_extended_leaf : cpu_features.max_leaf;

		if (needed[i].leaf > limit)
			continue;
		cpuid_read(needed[i].leaf, 0, out);
		if (!is_boot_cpu_known)
			expected[i] = out[needed[i].word] & needed[i].bits;
		else if ((out[needed[i].word] & expected[i]) != expected[i])
			panic("A CPU lacks features of the boot CPU: CPUID leaf %x has %x, needs %x",
			      needed[i].leaf, out[needed[i].word], expected[i]);
	}
	is_boot_cpu_known = true;
}

static void xcr0_write(uint64_t value)
{
	asm volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

void cpu_features_enable(void)
{
	require_same_features();
	cr0_write(CR0_BASE);
	cr4_write(cr4_base);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | (cpu_features.nx ? EFER_NXE : 0));
	msr_write(MSR_PAT, MSR_PAT_VALUE);
	if (cpu_features.xsave)
		xcr0_write(cpu_features.xcr0_mask & 3);
	speculation_enable();
}

void cpu_load_guest_cr4(const struct vcpu *vcpu)
{
	uint64_t now = cr4_read(), wanted = (now & ~CR4_GUEST) | (vcpu->guest_cr4 & CR4_GUEST);

	if (now != wanted)
		cr4_write(wanted);
}
