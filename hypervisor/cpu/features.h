/* SPDX-License-Identifier: MIT */
/* What the machine's CPUs can do, found once on the boot CPU; the others must have the same. */
#ifndef SKINK_FEATURES_H
#define SKINK_FEATURES_H

#include "include/types.h"

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

#endif
