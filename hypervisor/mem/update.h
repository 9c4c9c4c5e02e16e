/* SPDX-License-Identifier: MIT */
/* Finding and changing entries of tables that are in use. */
#pragma once

/*
 * mmu_update and mmuext_op: a hypercall with many requests. batch_run() calls `one` with a copy of each, until one fails; the
 * count of those done, in all calls of a continued one, goes to `done_address` if that is not 0.
 */
#define BATCH_BYTES 512
struct batch {
	uint32_t hypercall;
	int (*one)(const struct batch *batch, const void *request);
	uint64_t address;
	uint32_t entry_bytes, count, at_once;	/* so many are read at once, at most BATCH_BYTES: then it may be preempted */
	uint64_t done_address, domain;		/* the call's own arguments */
	struct domain *tables, *source;		/* whose tables are changed; whose frames are named */
};
MUST_CHECK long batch_run(const struct batch *batch);

/*
 * The L1 entry for `va` in the vcpu's kernel address space; NULL if a level is missing or the slot is the core's. With the
 * lock held, the base pointer keeps its table.
 */
pte_t *entry_for(struct domain_locked owner, const struct vcpu *vcpu, uint64_t va);
/* The entry at a machine address; NULL if it is in no validated table of `owner`'s. Validated, by the lock it stays so. */
pte_t *entry_at(struct domain_locked owner, paddr_t address);

/* A guest's flush, of a page or TLB_ALL_PAGES: on this CPU; where vcpus in the guest's mask run; for all. -EFAULT. */
enum flush_scope { FLUSH_HERE, FLUSH_VCPUS, FLUSH_ALL };	/* the order of MMUEXT_* */
MUST_CHECK int flush_where(struct vcpu *vcpu, enum flush_scope scope, uint64_t mask_address, uint64_t what);
