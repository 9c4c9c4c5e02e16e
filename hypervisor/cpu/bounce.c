/* SPDX-License-Identifier: MIT */
/* Where a guest's kernel wants to be entered; into it and, by the iret hypercall, back. */
#include "cpu/traps.h"

#include "cpu/entry.h"
#include "cpu/ops.h"
#include "domain/hypercall.h"

void mode_toggle(struct vcpu *vcpu)
{
	vcpu->in_kernel = !vcpu->in_kernel;
	asm volatile("swapgs" : : : "memory");
	mmu_load_base(vcpu);
}

static uint64_t flags_for_guest(const struct vcpu *vcpu, uint8_t mask)
{
	uint64_t flags = vcpu->regs.rflags & ~(uint64_t)(FLAG_IF | FLAG_IOPL);

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
	uint32_t first = 7;

	frame[11] = regs->ss;
	frame[10] = regs->rsp;
	frame[9] = flags_for_guest(vcpu, mask);
	frame[8] = selector | (uint64_t)mask << 32;
	frame[7] = regs->rip;
	if (bounce->has_error)
		frame[--first] = bounce->error_code;
	if (bounce->has_segments) {
		frame[--first] = regs->gs;
		frame[--first] = regs->fs;
		frame[--first] = regs->es;
		frame[--first] = regs->ds;
	}
	frame[--first] = regs->r11;
	frame[--first] = regs->rcx;

	if (!was_in_kernel)
		mode_toggle(vcpu);
	stack = (stack & ~15ULL) - (sizeof(frame) - first * 8);
	if (guest_write(stack, &frame[first], sizeof(frame) - first * 8)) {
		domain_crash(vcpu->domain, "vcpu %u: no room on its kernel stack at 0x%lx for a handler's frame",
			     vcpu->id, stack);
		return;
	}
	if (bounce->masks_events)
		write_once(&vcpu->info->evtchn_upcall_mask, 1);

	regs->rip = bounce->target;
	regs->cs = bounce->code_selector ? bounce->code_selector | 3 : SELECTOR_GUEST_CODE64;
	regs->rflags &= ~(uint64_t)FLAGS_HANDLER_CLEARS;
	regs->rsp = stack;
	regs->ss = SELECTOR_GUEST_DATA;
	/* The handler finds its rcx and r11 on the stack: so sysret may use them. */
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags;
	regs->entry_vector = regs->cs == SELECTOR_GUEST_CODE64 ? ENTRY_SYSCALL : ENTRY_HANDLER;
}

/* Flat: the way of each event. */
__attribute__((flatten)) bool bounce_to_callback(struct vcpu *vcpu, uint32_t type)
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

long do_iret(struct vcpu *vcpu)
{
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
	regs->rflags = (frame.rflags & ~(uint64_t)FLAGS_IRET_CLEARS) | FLAGS_IRET_SETS;
	regs->rsp = frame.rsp;
	regs->ss = (uint16_t)frame.ss | 3;
	regs->rcx = frame.flags & VGCF_in_syscall ? regs->rip : frame.rcx;
	regs->r11 = frame.flags & VGCF_in_syscall ? regs->rflags : frame.r11;
	regs->entry_vector = 0;
	if (vcpu->domain->vm_assist & (1ULL << VMASST_TYPE_architectural_iopl))
		vcpu->iopl = frame.rflags >> 12 & 3;
	write_once(&vcpu->info->evtchn_upcall_mask, !(frame.rflags & FLAG_IF));
	return (long)frame.rax;
}

long do_set_trap_table(uint64_t traps)
{
	struct vcpu *vcpu = current_vcpu();
	struct trap_info entry;

	if (vcpu->domain->is_frozen)
		return -EPERM;
	if (traps == 0) {
		memset(vcpu->trap.entry, 0, sizeof(vcpu->trap.entry));
		return 0;
	}
	for (uint32_t i = 0; i <= ARRAY_SIZE(vcpu->trap.entry); i++) {
		if (guest_read(&entry, traps + i * sizeof(entry), sizeof(entry)))
			return -EFAULT;
		if (entry.address == 0)
			return 0;
		if (!guest_range_ok(entry.address, 1))
			return -EINVAL;
		entry.cs |= 3;
		vcpu->trap.entry[entry.vector] = entry;
	}
	return 0;
}

static bool callback_is_known(uint32_t type)
{
	return type == CALLBACKTYPE_syscall32 ||
	       (type <= CALLBACKTYPE_sysenter && type != CALLBACKTYPE_sysenter_deprecated);
}

MUST_CHECK static int callback_set(uint32_t type, uint32_t flags, uint64_t address)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;

	if (!guest_range_ok(address, 1))
		return -EINVAL;
	if (!callback_is_known(type))
		return -ENOSYS;
	trap->callback[type].address = address;
	trap->callback[type].masks_events = flags & CALLBACKF_mask_events;
	return 0;
}

/* As the ABI has it: the others may be changed, not taken away. */
MUST_CHECK static int callback_remove(uint32_t type)
{
	if (!callback_is_known(type))
		return -ENOSYS;
	if (type != CALLBACKTYPE_nmi)
		return -EINVAL;
	current_vcpu()->trap.callback[type].address = 0;
	return 0;
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
	struct vcpu_trap_state *trap = &current_vcpu()->trap;

	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	if (!guest_range_ok(event, 1) || !guest_range_ok(failsafe, 1) || !guest_range_ok(syscall, 1))
		return -EINVAL;
	trap->callback[CALLBACKTYPE_event].address = event;
	trap->callback[CALLBACKTYPE_failsafe].address = failsafe;
	trap->callback[CALLBACKTYPE_syscall].address = syscall;
	return 0;
}

long do_callback_op(uint64_t command, uint64_t argument)
{
	bool is_new = command == CALLBACKOP_register;
	struct callback_register request;	/* begins as what ends one */

	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	if (!is_new && command != CALLBACKOP_unregister)
		return -ENOSYS;
	if (guest_read(&request, argument, is_new ? sizeof(request) : sizeof(struct callback_unregister)))
		return -EFAULT;
	return is_new ? callback_set(request.type, request.flags, request.address) : callback_remove(request.type);
}

/* The selector is the flat one, whatever the guest says: bounce_to_guest(). */
long do_stack_switch(uint64_t selector, uint64_t pointer)
{
	current_vcpu()->kernel_stack_pointer = pointer;
	return 0;
}
