/* SPDX-License-Identifier: MIT */
/* mmuext_op: pinning, base pointers, flushes, and the LDT. */
#include "cpu/tlb.h"
#include "mem/base.h"
#include "mem/update.h"

/* The operations that change what is mapped: all on the tables of `owner`, its lock held. */
static int table_op(struct domain_locked owner, struct vcpu *vcpu, const struct mmuext_op *op)
{
	bool is_own = owner.domain == vcpu->domain;
	struct frame *table;

	if (owner.domain->is_frozen && op->cmd <= MMUEXT_SET_LDT)
		return -EPERM;
	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE ... MMUEXT_PIN_L4_TABLE:
		return table_pin(owner, mfn(op->arg1.mfn), FRAME_L1 + (op->cmd - MMUEXT_PIN_L1_TABLE));
	case MMUEXT_UNPIN_TABLE:
		table = frame_table_of(owner, mfn(op->arg1.mfn));	/* F5 */
		return table && table_unpin(table) ? 0 : -EINVAL;
	case MMUEXT_NEW_BASEPTR:
		return is_own ? base_set(owner, vcpu, mfn(op->arg1.mfn), true) : -EPERM;
	case MMUEXT_NEW_USER_BASEPTR:
		return is_own ? base_set(owner, vcpu, mfn(op->arg1.mfn), false) : -EPERM;
	case MMUEXT_SET_LDT:
		return is_own ? segment_set_ldt(owner, vcpu, op->arg1.linear_addr, op->arg2.nr_ents) : -EPERM;
	default:
		return -ENOSYS;
	}
}

/* Six commands: here, on some vcpus, on all, and of each first the whole flush and then that of one page. */
static int flush_op(struct vcpu *vcpu, const struct mmuext_op *op)
{
	uint32_t which = op->cmd - MMUEXT_TLB_FLUSH_LOCAL;
	bool is_page = which % 2;

	if (is_page && !guest_range_ok(op->arg1.linear_addr, 1))
		return 0;
	return flush_where(vcpu, which / 2, (uint64_t)op->arg2.vcpumask.p, is_page ? op->arg1.linear_addr : TLB_ALL_PAGES);
}

static int one_op(const struct batch *batch, const void *request)
{
	struct vcpu *vcpu = current_vcpu();
	const struct mmuext_op *op = request;
	struct domain_locked owner;
	int error;

	switch (op->cmd) {
	case MMUEXT_TLB_FLUSH_LOCAL ... MMUEXT_INVLPG_ALL:
		return batch->tables == vcpu->domain ? flush_op(vcpu, op) : -EPERM;
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		return -EACCES;		/* for those who have devices; memory is always coherent */
	default:
		owner = domain_lock(batch->tables);
		error = owner.domain->is_dying ? -ESRCH : table_op(owner, vcpu, op);	/* D2 */
		domain_unlock(owner);
		return error;
	}
}

FLATTEN long do_mmuext_op(uint64_t operations, uint64_t count, uint64_t done_address, uint64_t domain)
{
	struct batch batch = {
		.hypercall = __HYPERVISOR_mmuext_op, .address = operations,
		.entry_bytes = sizeof(struct mmuext_op), .count = (uint32_t)count, .at_once = 2,
		.done_address = done_address, .domain = domain, .tables = current_vcpu()->domain, .source = NULL,
	};
	bool names_own = (domid_t)domain == DOMID_SELF;
	long result = names_own ? 0 : domain_get_managed((domid_t)domain, &batch.tables);

	if (!result) {
		result = batch_run(&batch, one_op);
		if (!names_own)
			domain_put(batch.tables);
	}
	return result;
}
