/* SPDX-License-Identifier: MIT */
/*
 * The list of registers that a guest's kernel may read and write.
 * M1  No write by a guest reaches a register of the machine, but for its segment bases and the prediction barrier.
 * M2  A read gives the guest's own state, a constant, or a property of the machine that CPUID would not hide.
 */
#include "cpu/emulate.h"

#include "cpu/features.h"
#include "cpu/ops.h"
#include "cpu/speculation.h"
#include "domain/hypercall.h"

#define MSR_TSC			0x10
#define MSR_UCODE_REVISION	0x8b

#define APIC_BASE		0xfee00800	/* its usual place, switched on */
#define APIC_BASE_BOOT_CPU	0x100

#define ANY	VENDOR_OTHER
#define INTEL	VENDOR_INTEL
#define AMD	VENDOR_AMD

/* What may be read, and written as it is: these bits of the machine's, and those besides. */
static const struct property {
	uint32_t msr;
	enum cpu_vendor vendor;
	uint64_t shown, fixed;
} properties[] = {
	{ MSR_UCODE_REVISION, ANY, UINT64_MAX, 0 },
	{ 0xce, INTEL, 0, 0 },			/* platform information: no CPUID faulting */
	{ 0xfe, ANY, 0, 0 },			/* number of MTRRs */
	{ 0x140, INTEL, 0, 0 },			/* miscellaneous features */
	{ 0x174, ANY, 0, 0 },			/* sysenter: cs, esp, eip */
	{ 0x175, ANY, 0, 0 },
	{ 0x176, ANY, 0, 0 },
	{ 0x1a0, INTEL, ~0x440080ULL, 0x801800 },	/* no monitoring, MWAIT, limit of CPUID, BTS, PEBS, xTPR */
	{ 0x1d9, ANY, 0, 0 },			/* debug control */
	{ 0x277, ANY, 0, MSR_PAT_VALUE },
	{ MSR_EFER, ANY, 0xd01, 0 },		/* SCE, LME, LMA, NXE */
	{ 0xc0010015, AMD, 0, 1 << 24 },	/* HWCR: a constant TSC */
	{ 0xc001001f, AMD, 0, 0 },		/* northbridge configuration */
	{ 0xc0011029, AMD, 1 << 1, 0 },		/* decoder configuration: lfence serialises */
};

static bool read_property(const struct property *property, uint64_t *value)
{
	*value = 0;
	if (property->vendor != ANY && property->vendor != cpu_features.vendor)
		return false;
	if (property->shown && !msr_read_safe(property->msr, value))
		return false;
	*value = (*value & property->shown) | property->fixed;
	return true;
}

bool msr_guest_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_TSC:
		*value = cpu_tsc();
		return true;
	case MSR_APIC_BASE:
		*value = APIC_BASE | (vcpu->id == 0 ? APIC_BASE_BOOT_CPU : 0);
		return true;
	case MSR_FS_BASE ... MSR_KERNEL_GS_BASE:
		/* The guest is in its kernel, and so are the bases: mode_toggle() has swapped them. */
		*value = msr_read(msr);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
		if (properties[i].msr == msr)
			return read_property(&properties[i], value);
	return false;
}

bool msr_guest_write(const struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	uint64_t now;

	switch (msr) {
	case MSR_FS_BASE:
		return do_set_segment_base(SEGBASE_FS, value) == 0;
	case MSR_GS_BASE:
		return do_set_segment_base(SEGBASE_GS_KERNEL, value) == 0;
	case MSR_KERNEL_GS_BASE:
		return do_set_segment_base(SEGBASE_GS_USER, value) == 0;
	case MSR_PRED_CMD:
		return value <= 1 && cpu_features.ibpb && (value == 0 || speculation_barrier());
	case MSR_STAR ... MSR_SFMASK:
	case MSR_SYSENTER_CS ... MSR_SYSENTER_EIP:
		return true;		/* callbacks do what these do */
	case MSR_UCODE_REVISION:
		return value == 0;	/* asks for the revision to be read again */
	}
	/* What is there already may be written. */
	return msr_guest_read(vcpu, msr, &now) && now == value;
}
