/* SPDX-License-Identifier: MIT */
/*
 * Registers of each vcpu that are switched with it: FPU and debug registers. Load and save: at a switch, on the CPU whose
 * registers are meant; an idle vcpu has none.
 * B1  No breakpoint address lies in the core's range, so none hits while the core reads its own memory.
 * B2  There is no I/O breakpoint: the core does the guests' I/O.
 */
#pragma once

void fpu_vcpu_init(struct vcpu *vcpu);	/* registers as after reset */
void fpu_save(struct vcpu *vcpu);
void fpu_load(struct vcpu *vcpu);	/* CR0.TS is set if the vcpu asked for it (fpu_taskswitch) */

/* #NM in the current guest: it asked for it; clears its TS, as the ABI has it, and gives it the exception. */
void fpu_no_device(struct vcpu *vcpu);

/* xsetbv of the current guest's kernel: false if the value is not one that the machine would take. */
MUST_CHECK bool fpu_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* The 512 bytes of an FXSAVE area, for a vcpu that does not run: from a vcpu_guest_context. */
void fpu_set_registers(struct vcpu *vcpu, const void *fxsave);

#define DR6_FIXED	0xffff0ff0ULL	/* reads as ones */
#define DR6_SINGLE_STEP	(1ULL << 14)
#define DR7_FIXED	0x400ULL
#define DR7_ENABLES	0xffULL		/* L0, G0 .. L3, G3 */

void debug_save(struct vcpu *vcpu);
void debug_load(struct vcpu *vcpu);	/* CR4.DE and TSD too */

/* #DB: adds the machine's DR6 to the vcpu's; the machine's is clean again. */
void debug_take_status(struct vcpu *vcpu);

/* Validates all of a new context's registers (dr0-3, 6, 7), or sets nothing: 0, -EPERM. The vcpu does not run. */
MUST_CHECK int debug_set_registers(struct vcpu *vcpu, const uint64_t values[8]);
