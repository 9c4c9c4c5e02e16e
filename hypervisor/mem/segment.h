/* SPDX-License-Identifier: MIT */
#pragma once

#include "domain/domain.h"

struct vcpu;

/* SET_LDT: `entries` at `base` in the guest's address space; pages that are not there or not fit are holes. -EINVAL. */
MUST_CHECK int segment_set_ldt(struct domain_locked owner, struct vcpu *vcpu, uint64_t base, uint64_t entries);

/* GDT and LDT go, with their references. Owner's lock held. */
void segment_drop_all(struct vcpu *vcpu);
