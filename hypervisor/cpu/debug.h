/* SPDX-License-Identifier: MIT */
/*
 * Debug registers of each vcpu, validated when they are set.
 * B1  No breakpoint address lies in the core's range, so none hits while the core reads its own memory.
 * B2  There is no I/O breakpoint: the core does the guests' I/O.
 */
#pragma once

#include "include/types.h"

struct vcpu;

#define DR6_FIXED	0xffff0ff0ULL	/* reads as ones */
#define DR6_SINGLE_STEP	(1ULL << 14)
#define DR7_FIXED	0x400ULL
#define DR7_ENABLES	0xffULL		/* L0, G0 .. L3, G3 */

/* At a switch. debug_load also loads CR4.DE and TSD as the guest has them. */
void debug_save(struct vcpu *vcpu);
void debug_load(struct vcpu *vcpu);

/* #DB: moves the machine's DR6 into the vcpu's and returns it; the machine's is clean again. */
uint64_t debug_take_status(struct vcpu *vcpu);

/* Validates all of a new context's registers (dr0-3, 6, 7), or sets nothing: 0, -EPERM. The vcpu does not run. */
MUST_CHECK int debug_set_registers(struct vcpu *vcpu, const uint64_t values[8]);
