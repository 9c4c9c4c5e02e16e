/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the current guest that the core does in its place. Each returns true when it is done with the
 * fault: the instruction is done, or will fault again, or the guest has been given an exception; false: the guest gets
 * the fault that it caused.
 */
#pragma once

#include "cpu/decode.h"

/* #GP with error code 0: a privileged instruction. */
MUST_CHECK bool emulate_privileged(struct vcpu *vcpu);

/* #UD: the prefix ud2 "xen", then cpuid. */
MUST_CHECK bool emulate_forced(struct vcpu *vcpu);

/* #PF by a write of the guest's kernel at `fault_address`: to a page table, perhaps. */
MUST_CHECK bool emulate_table_write(struct vcpu *vcpu, uint64_t fault_address);

/* Within the emulation: the instruction at `rip`; false if it is no 64-bit code, or cannot be read, or is none of ours. */
MUST_CHECK bool emulate_fetch(struct vcpu *vcpu, uint64_t rip, struct instruction *out);

/* Within the emulation: the instruction is done; on to the next, with a #DB if the guest single-steps. */
void emulate_finish(struct vcpu *vcpu, const struct instruction *done);

/* What a guest sees when it asks by the emulated cpuid; docs/abi.md has the list. out: eax, ebx, ecx, edx. `vcpu` is the current one. */
void cpuid_for_guest(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

/*
 * Model-specific registers as the current guest's kernel may read and write them: what is not on the list does not
 * exist, and false means #GP.
 */
MUST_CHECK bool msr_guest_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
MUST_CHECK bool msr_guest_write(const struct vcpu *vcpu, uint32_t msr, uint64_t value);

#define MSR_PAT_VALUE	0x050100070406ULL	/* the ABI's: WB, WT, UC-, UC, WC, WP */
