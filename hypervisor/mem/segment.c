/* SPDX-License-Identifier: MIT */
/* Descriptor tables of guests: frames of type FRAME_SEGMENT, every descriptor in them checked. */
#include "mem/segment.h"

#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/entry.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "include/types.h"
#include "mem/frame.h"
#include "mem/table.h"
#include "mem/update.h"

#define GDT_FRAMES	14
#define GDT_ENTRIES_MAX	(GDT_FRAMES * 512)
#define LDT_FRAMES	16
#define LDT_ENTRIES_MAX	8192

static void frames_drop(mfn_t *frame, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (frame[i].raw)
			frame_put_as(frame_at(frame[i]));
		frame[i] = mfn(0);
	}
}

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
		frames_drop(taken, count);
	} else {
		frames_drop(vcpu->gdt_frame, GDT_FRAMES);
		for (uint32_t i = 0; i < count; i++)
			vcpu->gdt_frame[i] = taken[i];
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
	if (guest_read(copy, frames, (entries + 511) / 512 * sizeof(uint64_t)))
		return -EFAULT;
	error = mmu_set_gdt(current_vcpu(), copy, (uint32_t)entries);
	return error == -ERESTART ? hypercall_continue(__HYPERVISOR_set_gdt, 2, frames, entries) : error;
}

int segment_set_ldt(struct domain_locked owner, struct vcpu *vcpu, uint64_t base, uint64_t entries)
{
	uint32_t count = (uint32_t)((entries * 8 + PAGE_SIZE - 1) >> PAGE_SHIFT);
	int error = 0;

	if (entries > LDT_ENTRIES_MAX || (base & ~PAGE_MASK) || !guest_range_ok(base, entries * 8))
		return -EINVAL;
	frames_drop(vcpu->ldt_frame, LDT_FRAMES);
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

void segment_drop_all(struct vcpu *vcpu)
{
	frames_drop(vcpu->gdt_frame, GDT_FRAMES);
	frames_drop(vcpu->ldt_frame, LDT_FRAMES);
	vcpu->gdt_entries = vcpu->ldt_entries = 0;
}

/* Into a table of descriptors, or a page that nothing but data can be. */
long do_update_descriptor(uint64_t address, uint64_t descriptor)
{
	struct domain *domain = current_vcpu()->domain;
	struct domain_locked owner;
	struct frame *frame;
	int error;

	if ((address & 7) || !descriptor_check(&descriptor))
		return -EINVAL;
	owner = domain_lock(domain);
	error = frame_get_as(paddr_to_mfn(address), domain, FRAME_WRITABLE, &frame);
	if (error == -EINVAL)
		error = frame_get_as(paddr_to_mfn(address), domain, FRAME_SEGMENT, &frame);
	if (!error) {
		write_once((uint64_t *)paddr_to_virt(address), descriptor);
		frame_put_as(frame);
	}
	domain_unlock(owner);
	return error ? -EINVAL : 0;
}
