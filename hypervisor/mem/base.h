/* SPDX-License-Identifier: MIT */
#pragma once

#include "mem/deferred.h"

/*
 * Makes `l4` the base of the vcpu's kernel or user mode; raw 0 takes the user's away. The vcpu is current or does not run.
 * 0, -EINVAL, -ERESTART.
 */
MUST_CHECK int base_set(struct domain_locked owner, struct vcpu *vcpu, mfn_t l4, bool for_kernel);

/* MMUEXT_PIN: a type reference of the guest's own. -EINVAL: has one already, or is no table; -ERESTART. */
MUST_CHECK int table_pin(struct domain_locked owner, mfn_t number, enum frame_type level);

/* Takes it away again; the owner's lock is held. False: there is none. */
bool table_unpin(struct frame *frame);

/* SET_LDT: `entries` at `base` in the guest's address space; pages that are not there or not fit are holes. -EINVAL. */
MUST_CHECK int segment_set_ldt(struct domain_locked owner, struct vcpu *vcpu, uint64_t base, uint64_t entries);

/*
 * Base pointers and descriptor tables of a vcpu that does not run any more, or not yet. Its domain's lock is held. What such a vcpu had to
 * take apart is done when the current one has nothing to take apart.
 */
void base_drop_all(struct vcpu *vcpu);

/* Of a domain that does not run: no table is left but what others use. *next, of its frames: 0 before the first call. -ERESTART */
MUST_CHECK int mmu_domain_unpin(struct domain *domain, uint32_t *next);
