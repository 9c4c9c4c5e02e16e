/* SPDX-License-Identifier: MIT */
/* What the parts of the emulation share: emulate.c and emulate_table.c. */
#ifndef SKINK_EMULATE_INTERNAL_H
#define SKINK_EMULATE_INTERNAL_H

#include "cpu/decode.h"

struct vcpu;

/* The instruction at `rip`: false if the guest runs no 64-bit code, or it cannot be read, or is none of ours. */
MUST_CHECK bool emulate_fetch(struct vcpu *vcpu, uint64_t rip, struct instruction *out);

/* The linear address of `address` in `segment`. */
uint64_t emulate_linear(enum segment segment, uint64_t address);

/* The instruction is done: on to the next, with a #DB if the guest single-steps. */
void emulate_finish(struct vcpu *vcpu, const struct instruction *done);

#endif
