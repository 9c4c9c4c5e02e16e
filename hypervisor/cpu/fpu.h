/* SPDX-License-Identifier: MIT */
/*
 * The FPU registers of each vcpu, saved and loaded eagerly at every switch.
 * CR0.TS is set only while a vcpu runs that asked for it (fpu_taskswitch).
 */
#pragma once

#include "include/types.h"

struct vcpu;

MUST_CHECK int fpu_vcpu_init(struct vcpu *vcpu);	/* registers as after reset; -ENOMEM */
void fpu_vcpu_destroy(struct vcpu *vcpu);

/* On the CPU whose registers are meant, at a switch; an idle vcpu has none and costs nothing. */
void fpu_save(struct vcpu *vcpu);
void fpu_load(struct vcpu *vcpu);

/* #NM in the current guest: it asked for it; clears its TS, as the ABI has it, and gives it the exception. */
void fpu_no_device(struct vcpu *vcpu);

/* xsetbv of the current guest's kernel: false if the value is not one that the machine would take. */
MUST_CHECK bool fpu_set_xcr0(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* The 512 bytes of an FXSAVE area, for a vcpu that does not run: from a vcpu_guest_context. */
void fpu_set_registers(struct vcpu *vcpu, const void *fxsave);
