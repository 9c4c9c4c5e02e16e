/* SPDX-License-Identifier: MIT */
/* Changing one entry of a table that is in use. Owner's lock held. */
#pragma once

#include "domain/domain.h"
#include "mem/mmu.h"

struct frame;
struct vcpu;

struct entry_change {
	struct frame *table;		/* validated; of the domain whose lock is held */
	uint32_t index;
	const struct domain *source;	/* whose frames an L1 entry may name */
	bool keeps_ad;			/* accessed and dirty stay as the CPU has set them */
	bool compares;			/* only if the entry is `expected`; else -EAGAIN */
	pte_t expected;
};

/* 0; -EAGAIN; or the new entry is refused and nothing has changed: -EINVAL, -EBUSY, -ERESTART. */
MUST_CHECK int entry_change(struct domain_locked owner, struct entry_change *change, pte_t entry);

/*
 * The L1 table and index for `va` in the vcpu's kernel address space; false if a level is missing or the slot is the
 * core's. The vcpu's base pointer keeps the tables; with the lock held they stay.
 */
MUST_CHECK bool l1_find(struct domain_locked owner, const struct vcpu *vcpu, uint64_t va, struct frame **table,
			uint32_t *index);

/* UVMF_*: what update_va_mapping flushes afterwards. -EFAULT, -EINVAL. */
MUST_CHECK int flush_as_asked(struct vcpu *vcpu, uint64_t va, uint64_t flags);
/* The CPUs on which those of the guest's vcpus run that are set in the guest's mask at `address`. */
MUST_CHECK int vcpus_to_cpus(const struct domain *domain, uint64_t address, cpumask_t *cpus);
