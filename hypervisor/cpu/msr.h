/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers as the current guest's kernel may read and write them: what is not on the list
 * does not exist, and false means #GP.
 */
#pragma once

#include "include/types.h"

struct vcpu;

MUST_CHECK bool msr_guest_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
MUST_CHECK bool msr_guest_write(const struct vcpu *vcpu, uint32_t msr, uint64_t value);

#define MSR_PAT_VALUE	0x050100070406ULL	/* the ABI's: WB, WT, UC-, UC, WC, WP */
