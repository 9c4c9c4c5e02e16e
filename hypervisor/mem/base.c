/* SPDX-License-Identifier: MIT */
/* Base pointers: which tables a vcpu runs on, from its first to the end of its domain. */
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/paging.h"
#include "cpu/tlb.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "include/types.h"
#include "mem/base.h"
#include "mem/frame.h"
#include "mem/mmu.h"
#include "mem/pagelist.h"
#include "mem/segment.h"

void mmu_load_base(struct vcpu *vcpu)
{
	mfn_t table = vcpu->in_kernel ? vcpu->table_kernel : vcpu->table_user;

	if (table.raw)
		tlb_load_base(mfn_to_paddr(table));
	else
		paging_load_core();
}

static void table_drop(mfn_t number)
{
	if (number.raw)
		frame_put_as(frame_at(number));
}

int table_pin(struct domain_locked owner, mfn_t number, enum frame_type level)
{
	struct frame *frame;
	int error = frame_get_as(number, owner.domain, level, &frame);

	if (!error && (__atomic_fetch_or(&frame->type, FRAME_PINNED, __ATOMIC_ACQ_REL) & FRAME_PINNED)) {
		frame_put_as(frame);
		error = -EINVAL;
	}
	return error;
}

int base_set(struct domain_locked owner, struct vcpu *vcpu, mfn_t l4, bool for_kernel)
{
	mfn_t *base = for_kernel ? &vcpu->table_kernel : &vcpu->table_user, old = *base;
	struct frame *frame;
	int error;

	if (mfn_is(l4, old) && old.raw)
		return 0;
	if (l4.raw || for_kernel) {
		error = frame_get_as(l4, owner.domain, FRAME_L4, &frame);
		if (error)
			return error;
		/* The frame numbers of all RAM are for the guest's kernel to see, not for its processes. */
		paging_set_m2p_slot(mfn_to_virt(l4), for_kernel || mfn_is(l4, vcpu->table_kernel));
	}
	*base = l4;
	if (vcpu == current_vcpu() && vcpu->in_kernel == for_kernel)
		mmu_load_base(vcpu);
	table_drop(old);
	return 0;
}

int mmu_set_first_base(struct vcpu *vcpu, mfn_t l4)
{
	struct domain_locked owner = domain_lock(vcpu->domain);
	int error = table_pin(owner, l4, FRAME_L4);

	if (!error)
		error = base_set(owner, vcpu, l4, true);
	domain_unlock(owner);
	return error;
}

void base_drop_all(struct vcpu *vcpu)
{
	table_drop(vcpu->table_kernel);
	table_drop(vcpu->table_user);
	vcpu->table_kernel = vcpu->table_user = mfn(0);
	segment_drop_all(vcpu);
	if (vcpu != current_vcpu())
		deferred_adopt(vcpu);
}

/* One frame of a dying domain: what the guest itself held of it goes. */
static void frame_let_go(struct frame *frame)
{
	uint64_t word = __atomic_fetch_and(&frame->type, ~FRAME_PINNED, __ATOMIC_ACQ_REL);

	if (word & FRAME_PINNED)
		frame_put_as(frame);
	if ((word & FRAME_PARTIAL) && !(word & FRAME_TYPE_COUNT_MASK))
		deferred_add_partial(frame);
	(void)frame_give_up(frame);
}

#define LET_GO_AT_ONCE 64

int mmu_domain_destroy(struct domain *domain)
{
	struct domain_locked owner = domain_lock(domain);
	struct frame *frame;
	int result = 0;

	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		base_drop_all(domain->vcpu[i]);
	for (uint32_t i = 0; ; i++) {
		if (current_vcpu()->deferred_tables || (i && i % LET_GO_AT_ONCE == 0 && preempt_needed())) {
			result = -ERESTART;
			break;
		}
		frame = page_list_next_owned(domain);
		if (!frame)
			break;
		frame_let_go(frame);
		frame_put(frame);
	}
	domain_unlock(owner);
	return result;
}
