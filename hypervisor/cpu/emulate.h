/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the current guest that the core does in its place. Each returns true when it is done with the
 * fault: the instruction is done, or will fault again, or the guest has been given an exception; false: the guest gets
 * the fault that it caused.
 */
#pragma once

#include "cpu/decode.h"

struct vcpu;

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
