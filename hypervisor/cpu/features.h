/* SPDX-License-Identifier: MIT */
/* What the machine's CPUs can do, found once on the boot CPU; another that lacks something faults when it is used. */
#pragma once

enum cpu_vendor { VENDOR_OTHER, VENDOR_INTEL, VENDOR_AMD };	/* AMD's, and Hygon's */

struct cpu_features {
	enum cpu_vendor vendor;
	uint32_t max_leaf, max_extended_leaf;
	unsigned int address_bits;		/* physical */
	bool nx, smep, smap, pge, xsave, x2apic, tsc_deadline, invariant_tsc, hypervisor;
	bool ibpb, ibrs, md_clear, arch_capabilities;
	uint64_t xcr0_mask;			/* what XCR0 may hold */
	uint32_t xsave_bytes;			/* of an area for xcr0_mask; 512 with FXSAVE */
};

#define XCR0_X87	0x01ULL
#define XCR0_SSE	0x02ULL
#define XCR0_AVX	0x04ULL
#define XCR0_AVX512	0xe0ULL			/* all three or none */

extern struct cpu_features cpu_features;

void cpu_features_init(void);			/* boot CPU, before anything looks */

/*
 * On each CPU, when it runs on the core's own page tables: CR0, CR4, EFER, PAT, XCR0 and SPEC_CTRL as the core and
 * its guests need them.
 */
void cpu_features_enable(void);

/* The CR4 of this CPU while `vcpu` runs: the core's own bits and TSD and DE as the guest asked. */
void cpu_load_guest_cr4(const struct vcpu *vcpu);
