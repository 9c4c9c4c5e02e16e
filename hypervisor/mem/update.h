/* SPDX-License-Identifier: MIT */
/* Finding and changing entries of tables that are in use. */
#pragma once

#include "domain/hypercall.h"

/*
 * mmu_update and mmuext_op: a hypercall with many requests. batch_run() calls `one` with a copy of each, until one fails; the
 * count of those done, in all calls of a continued one, goes to `done_address` if that is not 0.
 */
#define BATCH_BYTES 512
struct batch {
	uint32_t hypercall;
	uint64_t address;
	uint32_t entry_bytes, count, at_once;	/* so many are read at once, at most BATCH_BYTES: then it may be preempted */
	uint64_t done_address, domain;		/* the call's own arguments */
	struct domain *tables, *source;		/* whose tables are changed; whose frames are named */
};
typedef int batch_one(const struct batch *batch, const void *request);
#define BATCH_CONTINUES	(1U << 31)	/* in `count`: this call goes on where an earlier one stopped */

/* The next ones from `address` on, at most `count`; if they cannot be read together, the first alone. -EFAULT: nor can it. */
static inline int batch_read(const struct batch *batch, uint64_t address, uint64_t *requests, uint32_t *count)
{
	*count = MIN(batch->at_once, *count);
	if (likely(!guest_read(requests, address, *count * batch->entry_bytes)))
		return 0;
	*count = 1;
	return guest_read(requests, address, batch->entry_bytes);
}

/* Inline in both: a batch of one is the usual one, and costs 64 instructions less of 608. */
static inline __attribute__((always_inline)) long batch_run(const struct batch *batch, batch_one *one)
{
	uint32_t done = 0, left = batch->count & ~BATCH_CONTINUES, i, ready = 0;
	uint64_t requests[BATCH_BYTES / 8], *next = requests, address = batch->address;
	int error = 0;

	if ((batch->count & BATCH_CONTINUES) && guest_read(&done, batch->done_address, sizeof(done)))
		return -EFAULT;
	for (i = 0; i < left; i++, ready--, next += batch->entry_bytes / 8, address += batch->entry_bytes) {
		if (ready == 0) {
			next = requests;
			ready = left - i;
			error = i && hypercall_must_stop() ? -ERESTART : batch_read(batch, address, requests, &ready);
		}
		if (!error)
			error = one(batch, next);
		if (error)
			break;
	}
	done += i;
	if (batch->done_address && guest_write(batch->done_address, &done, sizeof(done)) && !error)
		error = -EFAULT;
	if (error != -ERESTART)
		return error;
	return hypercall_continue(batch->hypercall, 4, address,
				  (uint64_t)((left - i) | (batch->done_address ? BATCH_CONTINUES : 0)),
				  batch->done_address, batch->domain);
}

/*
 * The L1 entry for `va` in the vcpu's kernel address space; NULL if a level is missing or the slot is the core's. With the
 * lock held, the base pointer keeps its table.
 */
pte_t *entry_for(struct domain_locked owner, const struct vcpu *vcpu, uint64_t va);

/* A guest's flush, of a page or TLB_ALL_PAGES: on this CPU; where vcpus in the guest's mask run; for all. -EFAULT. */
enum flush_scope { FLUSH_HERE, FLUSH_VCPUS, FLUSH_ALL };	/* the order of MMUEXT_* */
MUST_CHECK int flush_where(struct vcpu *vcpu, enum flush_scope scope, uint64_t mask_address, uint64_t what);
