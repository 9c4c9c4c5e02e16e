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

static int table_take(struct domain *domain, mfn_t number, struct frame **frame)
{
	int error;

	*frame = frame_get(number, domain);
	if (!*frame)
		return -EINVAL;
	error = frame_get_type(*frame, FRAME_L4);
	if (error)
		frame_put(*frame);
	return error;
}

static void table_drop(mfn_t number)
{
	struct frame *frame;

	if (number.raw == 0)
		return;
	frame = frame_at(number);
	frame_put_type(frame);
	frame_put(frame);
}

int base_set(struct domain_locked owner, struct vcpu *vcpu, mfn_t l4, bool for_kernel)
{
	mfn_t *base = for_kernel ? &vcpu->table_kernel : &vcpu->table_user, old = *base;
	struct frame *frame;
	int error;

	if (mfn_is(l4, old) && old.raw)
		return 0;
	if (l4.raw || for_kernel) {
		error = table_take(owner.domain, l4, &frame);
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
	struct frame *frame = frame_get(l4, vcpu->domain);
	int error = frame ? base_set(owner, vcpu, l4, true) : -EINVAL;

	if (!error)
		error = frame_get_type(frame, FRAME_L4);
	if (!error)
		__atomic_fetch_or(&frame->type, FRAME_PINNED, __ATOMIC_ACQ_REL);
	else if (frame)
		frame_put(frame);
	domain_unlock(owner);
	return error;
}

static void vcpu_tables_drop(struct vcpu *vcpu)
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

	if (word & FRAME_PINNED) {
		frame_put_type(frame);
		frame_put(frame);
	}
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
		vcpu_tables_drop(domain->vcpu[i]);
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
