/* SPDX-License-Identifier: MIT */
/* Into a guest's kernel and, by the iret hypercall, back. */
#include "include/types.h"

#include <xen/callback.h>
#include <xen/xen.h>

#include "cpu/bounce.h"
#include "cpu/entry.h"
#include "cpu/layout.h"
#include "cpu/ops.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "mem/mmu.h"

#define FLAG_IF		(1ULL << 9)
#define FLAG_IOPL	(3ULL << 12)
#define HANDLER_CLEARS	0x74100ULL	/* as an interrupt does: AC, VM, RF, NT, TF */
#define IRET_CLEARS	0x1a3000ULL	/* VIP, VIF, VM, IOPL */
#define IRET_SETS	0x202ULL	/* IF, and bit 1, which always is */

void mode_toggle(struct vcpu *vcpu)
{
	vcpu->in_kernel = !vcpu->in_kernel;
	asm volatile("swapgs" : : : "memory");
	mmu_load_base(vcpu);
}

static uint64_t flags_for_guest(const struct vcpu *vcpu, uint8_t mask)
{
	uint64_t flags = vcpu->regs.rflags & ~(FLAG_IF | FLAG_IOPL);

	if (vcpu->domain->vm_assist & (1ULL << VMASST_TYPE_architectural_iopl))
		flags |= vcpu->iopl << 12;
	return mask ? flags : flags | FLAG_IF;
}

void bounce_to_guest(struct vcpu *vcpu, const struct bounce *bounce)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	bool was_in_kernel = vcpu->in_kernel;
	uint64_t selector = was_in_kernel ? regs->cs & ~3U : regs->cs;
	uint64_t stack = was_in_kernel ? regs->rsp : vcpu->kernel_stack_pointer;
	uint8_t mask = read_once(&vcpu->info->evtchn_upcall_mask);
	uint64_t frame[12];
	uint32_t words = 0;

	frame[words++] = regs->rcx;
	frame[words++] = regs->r11;
	if (bounce->has_segments) {
		frame[words++] = regs->ds;
		frame[words++] = regs->es;
		frame[words++] = regs->fs;
		frame[words++] = regs->gs;
	}
	if (bounce->has_error)
		frame[words++] = bounce->error_code;
	frame[words++] = regs->rip;
	frame[words++] = selector | (uint64_t)mask << 32;
	frame[words++] = flags_for_guest(vcpu, mask);
	frame[words++] = regs->rsp;
	frame[words++] = regs->ss;

	if (!was_in_kernel)
		mode_toggle(vcpu);
	stack = (stack & ~15ULL) - words * 8;
	if (guest_write(stack, frame, words * 8)) {
		domain_crash(vcpu->domain, "vcpu %u: no room on its kernel stack at 0x%lx for a handler's frame",
			     vcpu->id, stack);
		return;
	}
	if (bounce->masks_events)
		write_once(&vcpu->info->evtchn_upcall_mask, 1);

	regs->rip = bounce->target;
	regs->cs = bounce->code_selector ? bounce->code_selector | 3 : SELECTOR_GUEST_CODE64;
	regs->rflags &= ~HANDLER_CLEARS;
	regs->rsp = stack;
	regs->ss = SELECTOR_GUEST_DATA;
	/* The handler finds its rcx and r11 on the stack: so the quick way out may use them. */
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags;
	regs->entry_vector = ENTRY_SYSCALL;
}

bool bounce_to_callback(struct vcpu *vcpu, uint32_t type)
{
	struct bounce bounce = {
		.target = vcpu->trap.callback[type].address, .has_segments = type == CALLBACKTYPE_failsafe,
		.masks_events = vcpu->trap.callback[type].masks_events || type == CALLBACKTYPE_event ||
				type == CALLBACKTYPE_nmi,
	};

	if (bounce.target)
		bounce_to_guest(vcpu, &bounce);
	return bounce.target != 0;
}

long do_iret(void)
{
	struct vcpu *vcpu = current_vcpu();
	struct cpu_user_regs *regs = &vcpu->regs;
	struct iret_context frame;

	if (guest_read(&frame, regs->rsp, sizeof(frame))) {
		domain_crash(vcpu->domain, "vcpu %u: iret with an unreadable stack at 0x%lx", vcpu->id,
			     (uint64_t)regs->rsp);
		return 0;
	}
	if ((frame.cs & 3) == 3) {
		if (vcpu->table_user.raw == 0) {
			domain_crash(vcpu->domain, "vcpu %u: iret to user mode without its page tables", vcpu->id);
			return 0;
		}
		mode_toggle(vcpu);
	}
	regs->rip = frame.rip;
	regs->cs = (uint16_t)frame.cs | 3;
	regs->rflags = (frame.rflags & ~IRET_CLEARS) | IRET_SETS;
	regs->rsp = frame.rsp;
	regs->ss = (uint16_t)frame.ss | 3;
	if (frame.flags & VGCF_in_syscall) {
		regs->rcx = regs->rip;
		regs->r11 = regs->rflags;
	} else {
		regs->rcx = frame.rcx;
		regs->r11 = frame.r11;
		regs->entry_vector = 0;
	}
	if (vcpu->domain->vm_assist & (1ULL << VMASST_TYPE_architectural_iopl))
		vcpu->iopl = frame.rflags >> 12 & 3;
	write_once(&vcpu->info->evtchn_upcall_mask, !(frame.rflags & FLAG_IF));
	return (long)frame.rax;
}
