/* SPDX-License-Identifier: MIT */
/* What the machine's CPUs can do, found once on the boot CPU; the others must have the same. */
#ifndef SKINK_FEATURES_H
#define SKINK_FEATURES_H

#include "include/types.h"

struct vcpu;

struct cpu_features {
	char vendor[13];
	uint32_t family, model, stepping;
	uint32_t max_leaf, max_extended_leaf;
	unsigned int address_bits;		/* physical */
	bool nx, smep, smap, pge, pcid, fsgsbase, xsave, xsaveopt, page1gb, x2apic, tsc_deadline;
	bool invariant_tsc, rdtscp, syscall32_amd, ibpb, ibrs, rdcl_no, hypervisor, clflush, umip;
	uint64_t xcr0_mask;			/* what XCR0 may hold */
	uint32_t xsave_bytes;			/* of an area for xcr0_mask; 512 with FXSAVE */
};

extern struct cpu_features cpu_features;

void cpu_features_init(void);			/* boot CPU, before anything looks */

/*
 * On each CPU, when it runs on the core's own page tables: CR0, CR4, EFER, PAT, XCR0 and SPEC_CTRL as the core and
 * its guests need them. Panics if a CPU lacks what the boot CPU has.
 */
void cpu_features_enable(void);

/* The CR4 of this CPU while `vcpu` runs: the core's own bits and TSD and DE as the guest asked. */
void cpu_load_guest_cr4(const struct vcpu *vcpu);

#endif
