/* SPDX-License-Identifier: MIT */
/*
 * The list of registers that a guest's kernel may read and write.
 * M1  No write by a guest reaches a register of the machine, but for its segment bases and the prediction barrier.
 * M2  A read gives the guest's own state, a constant, or a property of the machine that CPUID would not hide.
 */
#include "cpu/msr.h"

#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/features.h"
#include "cpu/hypercall_page.h"
#include "cpu/ops.h"
#include "cpu/speculation.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "lib/string.h"
#include "mem/frame.h"

#define MSR_TSC			0x10
#define MSR_PRED_CMD		0x49
#define MSR_UCODE_REVISION	0x8b
#define MSR_PLATFORM_INFO	0xce
#define MSR_MTRR_CAP		0xfe
#define MSR_MISC_FEATURES	0x140
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_EIP	0x176
#define MSR_MISC_ENABLE		0x1a0
#define MSR_DEBUG_CTL		0x1d9
#define MSR_PAT			0x277
#define MSR_HYPERCALL_PAGE	0x40000000
#define MSR_AMD_HWCR		0xc0010015
#define MSR_AMD_NB_CFG		0xc001001f
#define MSR_AMD_DE_CFG		0xc0011029

#define APIC_BASE		0xfee00800ULL	/* its usual place, switched on */
#define APIC_BASE_BOOT_CPU	0x100ULL
#define EFER_SHOWN		0xd01ULL	/* SCE, LME, LMA, NXE */
#define HWCR_TSC_CONSTANT	(1ULL << 24)
#define DE_CFG_LFENCE		(1ULL << 1)

#define MISC_ENABLE_PERFMON	(1ULL << 7)
#define MISC_ENABLE_NO_BTS	(1ULL << 11)
#define MISC_ENABLE_NO_PEBS	(1ULL << 12)
#define MISC_ENABLE_MWAIT	(1ULL << 18)
#define MISC_ENABLE_LIMIT_CPUID	(1ULL << 22)
#define MISC_ENABLE_NO_XTPR	(1ULL << 23)

static bool is_intel(void) { return !strcmp(cpu_features.vendor, "GenuineIntel"); }

static bool misc_enable(uint64_t *value)
{
	if (!is_intel() || !msr_read_safe(MSR_MISC_ENABLE, value))
		return false;
	*value &= ~(MISC_ENABLE_PERFMON | MISC_ENABLE_MWAIT | MISC_ENABLE_LIMIT_CPUID);
	*value |= MISC_ENABLE_NO_BTS | MISC_ENABLE_NO_PEBS | MISC_ENABLE_NO_XTPR;
	return true;
}

enum vendor { ANY, INTEL, AMD };

/* What reads as a constant, and may be written as it is. */
static const struct constant {
	uint32_t first, last;
	enum vendor vendor;
	uint64_t value;
} constants[] = {
	{ MSR_PLATFORM_INFO, MSR_PLATFORM_INFO, INTEL, 0 },	/* no CPUID faulting */
	{ MSR_MISC_FEATURES, MSR_MISC_FEATURES, INTEL, 0 },
	{ MSR_MTRR_CAP, MSR_MTRR_CAP, ANY, 0 },
	{ MSR_SYSENTER_CS, MSR_SYSENTER_EIP, ANY, 0 },
	{ MSR_DEBUG_CTL, MSR_DEBUG_CTL, ANY, 0 },
	{ MSR_PAT, MSR_PAT, ANY, MSR_PAT_VALUE },
	{ MSR_HYPERCALL_PAGE, MSR_HYPERCALL_PAGE, ANY, 0 },
	{ MSR_AMD_HWCR, MSR_AMD_HWCR, AMD, HWCR_TSC_CONSTANT },
	{ MSR_AMD_NB_CFG, MSR_AMD_NB_CFG, AMD, 0 },
};

static bool read_constant(uint32_t msr, uint64_t *value)
{
	for (const struct constant *c = constants; c < constants + ARRAY_SIZE(constants); c++) {
		*value = c->value;
		if (msr >= c->first && msr <= c->last)
			return c->vendor == ANY || (c->vendor == AMD ? cpu_features.syscall32_amd : is_intel());
	}
	return false;
}

/* Properties of the machine, as far as a guest may know them. */
static bool read_property(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_APIC_BASE:
		*value = APIC_BASE | (vcpu->id == 0 ? APIC_BASE_BOOT_CPU : 0);
		return true;
	case MSR_EFER:
		*value = msr_read(MSR_EFER) & EFER_SHOWN;
		return true;
	case MSR_MISC_ENABLE:
		return misc_enable(value);
	case MSR_UCODE_REVISION:
		return msr_read_safe(msr, value);
	case MSR_AMD_DE_CFG:
		if (!cpu_features.syscall32_amd || !msr_read_safe(msr, value))
			return false;
		*value &= DE_CFG_LFENCE;
		return true;
	}
	return read_constant(msr, value);
}

bool msr_guest_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_TSC:
		*value = cpu_tsc();
		return true;
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
		/* The guest is in its kernel, and so are the bases: mode_toggle() has swapped them. */
		*value = msr_read(msr);
		return true;
	}
	return read_property(vcpu, msr, value);
}

/* The page `value` names gets the ABI's stubs; bits 0 to 11 would choose one of several pages. */
static bool fill_hypercall_page(struct vcpu *vcpu, uint64_t value)
{
	struct frame *frame;

	if (value & ~PAGE_MASK || !frame_get_writable(mfn(value >> PAGE_SHIFT), vcpu->domain, &frame))
		return false;
	hypercall_page_fill(mfn_to_virt(frame_number(frame)));
	frame_put_writable(frame);
	return true;
}

bool msr_guest_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t now;

	switch (msr) {
	case MSR_FS_BASE:
		return do_set_segment_base(SEGBASE_FS, value) == 0;
	case MSR_GS_BASE:
		return do_set_segment_base(SEGBASE_GS_KERNEL, value) == 0;
	case MSR_KERNEL_GS_BASE:
		return do_set_segment_base(SEGBASE_GS_USER, value) == 0;
	case MSR_HYPERCALL_PAGE:
		return fill_hypercall_page(vcpu, value);
	case MSR_PRED_CMD:
		return value <= 1 && cpu_features.ibpb && (value == 0 || speculation_barrier());
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SFMASK:
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
		return true;		/* callbacks do what these do */
	case MSR_UCODE_REVISION:
		return value == 0;	/* asks for the revision to be read again */
	}
	/* What is there already may be written. */
	return read_property(vcpu, msr, &now) && now == value;
}
