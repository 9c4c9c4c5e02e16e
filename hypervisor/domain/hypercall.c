/* SPDX-License-Identifier: MIT */
/*
 * From a hypercall's number to its function, many in one, and how a long one is made to start again.
 *
 * M1  The result of each entry of a multicall is in the guest's memory before the next entry is read.
 * M2  An entry that was stopped half way is written back as what is left to do, and the multicall continues with it:
 *     vcpu->multicall is then no longer the entry.
 */
#include "domain/hypercall.h"

#include <driver.h>

#define SYSCALL_BYTES 2		/* of the instruction that the guest called with: 0f 05 */

/*
 * A switch, not a table of functions: the compiler makes comparisons of it, and no indirect branch depends on
 * what a guest says.
 */
static long run(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	switch (number) {
	case __HYPERVISOR_set_trap_table:	return do_set_trap_table(a);
	case __HYPERVISOR_mmu_update:		return do_mmu_update(a, b, c, d);
	case __HYPERVISOR_set_gdt:		return do_set_gdt(a, b);
	case __HYPERVISOR_stack_switch:		return do_stack_switch(a, b);
	case __HYPERVISOR_set_callbacks:	return do_set_callbacks(a, b, c);
	case __HYPERVISOR_fpu_taskswitch:	return do_fpu_taskswitch(a);
	case __HYPERVISOR_platform_op:		return do_platform_op(a);
	case __HYPERVISOR_set_debugreg:		return do_set_debugreg(a, b);
	case __HYPERVISOR_get_debugreg:		return do_get_debugreg(a);
	case __HYPERVISOR_update_descriptor:	return do_update_descriptor(a, b);
	case __HYPERVISOR_memory_op:		return do_memory_op(a, b);
	case __HYPERVISOR_multicall:		return do_multicall(a, b);
	case __HYPERVISOR_update_va_mapping:	return do_update_va_mapping(a, b, c);
	case __HYPERVISOR_set_timer_op:		return do_set_timer_op(a);
	case __HYPERVISOR_xen_version:		return do_xen_version(a, b);
	case __HYPERVISOR_console_io:		return do_console_io(a, b, c);
	case __HYPERVISOR_grant_table_op:	return do_grant_table_op(a, b, c);
	case __HYPERVISOR_vm_assist:		return do_vm_assist(a, b);
	case __HYPERVISOR_update_va_mapping_otherdomain:
		return do_update_va_mapping_otherdomain(a, b, c, d);
	case __HYPERVISOR_vcpu_op:		return do_vcpu_op(a, b, c);
	case __HYPERVISOR_set_segment_base:	return do_set_segment_base(a, b);
	case __HYPERVISOR_mmuext_op:		return do_mmuext_op(a, b, c, d);
	case __HYPERVISOR_sched_op:		return do_sched_op(a, b);
	case __HYPERVISOR_callback_op:		return do_callback_op(a, b);
	case __HYPERVISOR_event_channel_op:	return do_event_channel_op(a, b);
	case __HYPERVISOR_physdev_op:		return do_physdev_op(a, b);
	case __HYPERVISOR_sysctl:		return do_sysctl(a);
	case __HYPERVISOR_domctl:		return do_domctl(a);
	case DRIVER_HYPERCALL:			return do_driver_op(a);
	default:				return -ENOSYS;
	}
}

FLATTEN void hypercall_dispatch(struct vcpu *vcpu)
{
	struct cpu_user_regs *regs = &vcpu->regs;

	account_charge(vcpu->domain, ACCOUNT_HYPERCALLS, 1);
	if (regs->rax == __HYPERVISOR_mmuext_op)	/* most of what comes here: it does not wait for the others' comparisons */
		regs->rax = (uint64_t)do_mmuext_op(regs->rdi, regs->rsi, regs->rdx, regs->r10);
	else if (regs->rax == __HYPERVISOR_iret)	/* sets all registers; not in multicalls */
		regs->rax = (uint64_t)do_iret(vcpu);
	else
		regs->rax = (uint64_t)run(regs->rax, regs->rdi, regs->rsi, regs->rdx, regs->r10);
}

/* Alone, what is returned goes to rax: the number, for the syscall instruction that runs once more. */
NOINLINE long hypercall_continue(uint32_t number, uint32_t count, ...)
{
	struct vcpu *vcpu = current_vcpu();
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t *const words[6] = { &regs->rdi, &regs->rsi, &regs->rdx,
				     &regs->r10, &regs->r8, &regs->r9 };
	struct multicall_entry *entry = vcpu->multicall;
	va_list arguments;

	va_start(arguments, count);
	for (uint32_t i = 0; i < count; i++)
		*(entry ? &entry->args[i] : words[i]) = va_arg(arguments, uint64_t);
	va_end(arguments);
	if (entry) {
		vcpu->multicall = NULL;		/* M2 */
		return 0;
	}
	regs->rip -= SYSCALL_BYTES;
	regs->entry_vector = 0;		/* cpu/layout.h: no longer as syscall left it */
	return number;
}

/* M1, on a copy of the entry. */
static int run_entry(struct vcpu *vcpu, uint64_t address, bool *is_continued)
{
	struct multicall_entry entry;

	if (guest_read(&entry, address, sizeof(entry)))
		return -EFAULT;
	vcpu->multicall = &entry;
	account_charge(vcpu->domain, ACCOUNT_HYPERCALLS, 1);
	entry.result = (uint64_t)run(entry.op, entry.args[0], entry.args[1], entry.args[2], entry.args[3]);
	*is_continued = !vcpu->multicall;
	vcpu->multicall = NULL;
	if (*is_continued)
		return guest_write(address, &entry, sizeof(entry));
	return guest_write(address + offsetof(struct multicall_entry, result), &entry.result,
			   sizeof(entry.result));
}

long do_multicall(uint64_t calls, uint64_t count)
{
	struct vcpu *vcpu = current_vcpu();
	bool is_continued;

	if (vcpu->multicall)
		return -EINVAL;
	count = (uint32_t)count;
	while (count) {
		int error = run_entry(vcpu, calls, &is_continued);

		if (error)
			return error;
		if (read_once(&vcpu->domain->is_shut_down))
			return 0;
		if (is_continued)
			break;
		calls += sizeof(struct multicall_entry);
		if (--count && hypercall_must_stop())
			break;
	}
	return count ? hypercall_continue(__HYPERVISOR_multicall, 2, calls, count) : 0;
}
