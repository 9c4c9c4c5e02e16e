/* SPDX-License-Identifier: MIT */
/* The list of tables to take apart (mem/deferred.h). */
#include "cpu/tlb.h"
#include "mem/deferred.h"
#include "mem/table.h"

static void list_push(struct frame *frame)
{
	struct vcpu *vcpu = current_vcpu();

	frame->flushed = vcpu->deferred_tables;
	vcpu->deferred_tables = (uint32_t)frame_number(frame).raw;
}

void deferred_add(struct frame *frame)
{
	frame_get_again(frame);
	list_push(frame);
}

void deferred_add_partial(struct frame *frame)
{
	__atomic_fetch_or(&frame->type, FRAME_DEFERRED, __ATOMIC_ACQ_REL);
	__atomic_fetch_and(&frame->type, ~FRAME_PARTIAL, __ATOMIC_ACQ_REL);
	list_push(frame);
}

void deferred_adopt(struct vcpu *from)
{
	struct vcpu *vcpu = current_vcpu();

	if (vcpu->deferred_tables)
		return;
	vcpu->deferred_tables = from->deferred_tables;
	from->deferred_tables = 0;
}

void deferred_step(struct vcpu *vcpu)
{
	struct frame *frame = frame_of(mfn(vcpu->deferred_tables));
	enum frame_type type = frame_type_of(frame->type);
	struct domain_locked owner = domain_lock(domain_find(frame->owner));

	vcpu->deferred_tables = frame->flushed;
	table_release(frame, type);
	frame->flushed = tlb_clock();
	/* The type's name stays: a different one to follow flushes first. */
	store_release(&frame->type, (uint64_t)type << FRAME_TYPE_SHIFT);
	domain_unlock(owner);
	frame_put(frame);
	/* It may have wished to sleep, and stayed awake for this only: vcpu_may_run(). */
	if (!vcpu->deferred_tables && (read_once(&vcpu->sched.is_blocked) || !read_once(&vcpu->is_up)))
		cpu_raise_softirq(this_cpu(), SOFTIRQ_SCHEDULE);
}
