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
 * mmu_update and mmuext_op: a hypercall with many requests. batch_run() calls `one` with the guest's address of each, until
 * one fails; the count of those done, in all calls of a continued one, goes to `done_address` if that is not 0.
 */
struct batch {
	uint32_t hypercall;
	int (*one)(const struct batch *batch, uint64_t address);
	uint64_t address;
	uint32_t entry_bytes, count, preempt_every;
	uint64_t done_address, domain;		/* the call's own arguments */
	struct domain *tables, *source;		/* whose tables are changed; whose frames are named */
};
MUST_CHECK long batch_run(const struct batch *batch);

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
