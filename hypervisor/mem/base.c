/* SPDX-License-Identifier: MIT */
/*
 * What a vcpu runs on, from its first to the end of its domain: base pointers, and descriptor tables, which are frames of
 * type FRAME_SEGMENT with every descriptor checked.
 */
#include "cpu/entry.h"
#include "cpu/paging.h"
#include "cpu/tlb.h"
#include "domain/hypercall.h"
#include "mem/base.h"
#include "mem/pagelist.h"
#include "mem/table.h"
#include "mem/update.h"

#define GDT_FRAMES	14
#define GDT_ENTRIES_MAX	(GDT_FRAMES * 512)
#define LDT_FRAMES	16
#define LDT_ENTRIES_MAX	8192

void mmu_load_base(struct vcpu *vcpu)
{
	mfn_t table = vcpu->in_kernel ? vcpu->table_kernel : vcpu->table_user;

	if (table.raw)
		tlb_load_base(mfn_to_paddr(table));
	else
		paging_load_core();
}

static void frames_drop(mfn_t *frame, uint32_t count, enum frame_type type)
{
	for (uint32_t i = 0; i < count; i++) {
		if (frame[i].raw)
			frame_put_as(frame_of(frame[i]), type);
		frame[i] = mfn(0);
	}
}

/* ---- base pointers ---- */

NOINLINE int table_pin(struct domain_locked owner, mfn_t number, enum frame_type level)
{
	struct frame *frame;
	int error = frame_get_as(number, owner.domain, level, &frame);

	if (!error && (__atomic_fetch_or(&frame->type, FRAME_PINNED, __ATOMIC_ACQ_REL) & FRAME_PINNED)) {
		frame_put_as(frame, level);
		error = -EINVAL;
	}
	return error;
}

bool table_unpin(struct frame *frame)
{
	uint64_t word = __atomic_fetch_and(&frame->type, ~FRAME_PINNED, __ATOMIC_ACQ_REL);

	if (word & FRAME_PINNED)
		frame_put_as(frame, frame_type_of(word));
	return word & FRAME_PINNED;
}

NOINLINE FLATTEN int base_set(struct domain_locked owner, struct vcpu *vcpu, mfn_t l4, bool for_kernel)
{
	mfn_t *base = for_kernel ? &vcpu->table_kernel : &vcpu->table_user, old = *base;
	struct frame *frame;
	int error;

	if (owner.domain->is_frozen && !(old.raw && mfn_is(l4, old)))
		return -EPERM;
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
	frames_drop(&old, 1, FRAME_L4);
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

/* ---- descriptor tables ---- */

int mmu_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint32_t entries)
{
	uint32_t count = (entries + 511) / 512;
	mfn_t taken[GDT_FRAMES] = { { 0 } };
	struct domain_locked owner;
	struct frame *frame;
	int error = 0;

	if (entries > GDT_ENTRIES_MAX)
		return -EINVAL;
	owner = domain_lock(vcpu->domain);
	for (uint32_t i = 0; i < count && !error; i++) {
		error = frame_get_as(mfn(frames[i]), vcpu->domain, FRAME_SEGMENT, &frame);
		if (!error)
			taken[i] = mfn(frames[i]);
	}
	if (error) {
		frames_drop(taken, count, FRAME_SEGMENT);
	} else {
		frames_drop(vcpu->gdt_frame, GDT_FRAMES, FRAME_SEGMENT);
		memcpy(vcpu->gdt_frame, taken, sizeof(taken));
		vcpu->gdt_entries = (uint16_t)entries;
		if (vcpu == current_vcpu())
			switch_reload_gdt(vcpu);
	}
	domain_unlock(owner);
	return error;
}

long do_set_gdt(uint64_t frames, uint64_t entries)
{
	uint64_t copy[GDT_FRAMES];
	int error;

	if (entries > GDT_ENTRIES_MAX)
		return -EINVAL;
	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	if (guest_read(copy, frames, (entries + 511) / 512 * sizeof(uint64_t)))
		return -EFAULT;
	error = mmu_set_gdt(current_vcpu(), copy, (uint32_t)entries);
	return error == -ERESTART ? hypercall_continue(__HYPERVISOR_set_gdt, 2, frames, entries) : error;
}

NOINLINE int segment_set_ldt(struct domain_locked owner, struct vcpu *vcpu, uint64_t base, uint64_t entries)
{
	uint32_t count = (uint32_t)((entries * 8 + PAGE_SIZE - 1) >> PAGE_SHIFT);
	int error = 0;

	if (entries > LDT_ENTRIES_MAX || (base & ~PAGE_MASK) || !guest_range_ok(base, entries * 8))
		return -EINVAL;
	frames_drop(vcpu->ldt_frame, LDT_FRAMES, FRAME_SEGMENT);
	for (uint32_t i = 0; i < count && error != -ERESTART; i++) {
		pte_t *at = entry_for(owner, vcpu, base + i * PAGE_SIZE), entry = at ? read_once(at) : 0;
		struct frame *frame;

		if (!(entry & PTE_PRESENT))
			continue;
		error = frame_get_as(pte_frame(entry), owner.domain, FRAME_SEGMENT, &frame);
		if (!error)
			vcpu->ldt_frame[i] = pte_frame(entry);
	}
	vcpu->ldt_base = base;
	vcpu->ldt_entries = (uint16_t)entries;
	if (vcpu == current_vcpu())
		switch_reload_ldt(vcpu);
	return error == -ERESTART ? error : 0;
}

/* Into a table of descriptors, or a page that nothing but data can be. */
long do_update_descriptor(uint64_t address, uint64_t descriptor)
{
	enum frame_type type = FRAME_WRITABLE;
	struct domain_locked owner;
	struct frame *frame;
	int error;

	if ((address & 7) || !descriptor_check(&descriptor))
		return -EINVAL;
	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	owner = domain_lock(current_vcpu()->domain);
	error = frame_get_as(paddr_to_mfn(address), owner.domain, type, &frame);
	if (error == -EBUSY) {
		type = FRAME_SEGMENT;
		error = frame_get_as(paddr_to_mfn(address), owner.domain, type, &frame);
	}
	if (!error) {
		write_once((uint64_t *)paddr_to_virt(address), descriptor);
		frame_put_as(frame, type);
	}
	domain_unlock(owner);
	return error ? -EINVAL : 0;
}

/* ---- the end ---- */

void base_drop_all(struct vcpu *vcpu)
{
	frames_drop(&vcpu->table_kernel, 1, FRAME_L4);
	frames_drop(&vcpu->table_user, 1, FRAME_L4);
	frames_drop(vcpu->gdt_frame, GDT_FRAMES, FRAME_SEGMENT);
	frames_drop(vcpu->ldt_frame, LDT_FRAMES, FRAME_SEGMENT);
	vcpu->gdt_entries = vcpu->ldt_entries = 0;
	if (vcpu != current_vcpu())
		deferred_adopt(vcpu);
}

static void bases_drop(struct domain *domain)
{
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		base_drop_all(domain->vcpu[i]);
}

#define LET_GO_AT_ONCE 64

/* What the guest itself holds of it: it is pinned, or half validated. */
static void table_let_go(struct frame *frame)
{
	uint64_t word = read_once(&frame->type);

	(void)table_unpin(frame);
	if ((word & FRAME_PARTIAL) && !(word & FRAME_TYPE_COUNT_MASK))
		deferred_add_partial(frame);
}

/*
 * None is freed by that: a table whose last type reference goes is deferred, and keeps another. The list grows at its head: if the
 * one at *next has gone meanwhile, all are looked at again, and one that has come again leads to all that it led to.
 */
int mmu_domain_unpin(struct domain *domain, uint32_t *next)
{
	struct domain_locked owner = domain_lock(domain);
	uint32_t looked = 0;

	bases_drop(domain);
	spin_lock(&domain->page_list_lock);
	if (frame_of(mfn(*next))->owner != domain->id)
		*next = domain->page_list;
	for (; *next != FRAME_LINK_NONE; *next = frame_of(mfn(*next))->next) {
		if (++looked % LET_GO_AT_ONCE == 0 && preempt_needed())
			break;
		table_let_go(frame_of(mfn(*next)));
	}
	spin_unlock(&domain->page_list_lock);
	domain_unlock(owner);
	return *next != FRAME_LINK_NONE || current_vcpu()->deferred_tables ? -ERESTART : 0;
}

int mmu_domain_destroy(struct domain *domain)
{
	struct domain_locked owner = domain_lock(domain);
	bool must_stop = false;
	struct frame *frame;

	bases_drop(domain);
	for (uint32_t i = 1; !must_stop && page_list_keep_next(domain, &frame); i++) {
		if (frame) {
			table_let_go(frame);
			(void)frame_give_up(frame);
			frame_put(frame);
		}
		must_stop = current_vcpu()->deferred_tables || (i % LET_GO_AT_ONCE == 0 && preempt_needed());
	}
	domain_unlock(owner);
	return must_stop || current_vcpu()->deferred_tables ? -ERESTART : 0;
}
