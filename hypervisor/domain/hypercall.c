/* SPDX-License-Identifier: MIT */
/*
 * From a hypercall's number to its function, and how a long one is made to start again.
 *
 * A switch, not a table of functions: the compiler makes comparisons of it, and no indirect branch depends on
 * what a guest says.
 */
#include "domain/hypercall.h"

#include <stdarg.h>

#include <xen/xen.h>

#include "cpu/cpu.h"
#include "domain/dispatch.h"
#include "domain/vcpu.h"
#include "include/errno.h"

#define SYSCALL_BYTES 2		/* of the instruction that the guest called with: 0f 05 */

long hypercall_run(uint64_t number, const uint64_t a[HYPERCALL_WORDS])
{
	account_charge(current_vcpu()->domain, ACCOUNT_HYPERCALLS, 1);
	switch (number) {
	case __HYPERVISOR_set_trap_table:	return do_set_trap_table(a[0]);
	case __HYPERVISOR_mmu_update:		return do_mmu_update(a[0], a[1], a[2], a[3]);
	case __HYPERVISOR_set_gdt:		return do_set_gdt(a[0], a[1]);
	case __HYPERVISOR_stack_switch:		return do_stack_switch(a[0], a[1]);
	case __HYPERVISOR_set_callbacks:	return do_set_callbacks(a[0], a[1], a[2]);
	case __HYPERVISOR_fpu_taskswitch:	return do_fpu_taskswitch(a[0]);
	case __HYPERVISOR_sched_op_compat:	return do_sched_op_compat(a[0], a[1]);
	case __HYPERVISOR_platform_op:		return do_platform_op(a[0]);
	case __HYPERVISOR_set_debugreg:		return do_set_debugreg(a[0], a[1]);
	case __HYPERVISOR_get_debugreg:		return do_get_debugreg(a[0]);
	case __HYPERVISOR_update_descriptor:	return do_update_descriptor(a[0], a[1]);
	case __HYPERVISOR_memory_op:		return do_memory_op(a[0], a[1]);
	case __HYPERVISOR_multicall:		return -EINVAL;		/* within one */
	case __HYPERVISOR_update_va_mapping:	return do_update_va_mapping(a[0], a[1], a[2]);
	case __HYPERVISOR_set_timer_op:		return do_set_timer_op(a[0]);
	case __HYPERVISOR_xen_version:		return do_xen_version(a[0], a[1]);
	case __HYPERVISOR_console_io:		return do_console_io(a[0], a[1], a[2]);
	case __HYPERVISOR_grant_table_op:	return do_grant_table_op(a[0], a[1], a[2]);
	case __HYPERVISOR_vm_assist:		return do_vm_assist(a[0], a[1]);
	case __HYPERVISOR_update_va_mapping_otherdomain:
		return do_update_va_mapping_otherdomain(a[0], a[1], a[2], a[3]);
	case __HYPERVISOR_vcpu_op:		return do_vcpu_op(a[0], a[1], a[2]);
	case __HYPERVISOR_set_segment_base:	return do_set_segment_base(a[0], a[1]);
	case __HYPERVISOR_mmuext_op:		return do_mmuext_op(a[0], a[1], a[2], a[3]);
	case __HYPERVISOR_nmi_op:		return do_nmi_op(a[0], a[1]);
	case __HYPERVISOR_sched_op:		return do_sched_op(a[0], a[1]);
	case __HYPERVISOR_callback_op:		return do_callback_op(a[0], a[1]);
	case __HYPERVISOR_event_channel_op:	return do_event_channel_op(a[0], a[1]);
	case __HYPERVISOR_physdev_op:		return do_physdev_op(a[0], a[1]);
	default:				return -ENOSYS;
	}
}

void hypercall_dispatch(struct vcpu *vcpu)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	uint64_t a[HYPERCALL_WORDS] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 };

	switch (regs->rax) {
	case __HYPERVISOR_iret:		/* sets all other registers; what it returns is the frame's rax */
		account_charge(vcpu->domain, ACCOUNT_HYPERCALLS, 1);
		regs->rax = (uint64_t)do_iret();
		return;
	case __HYPERVISOR_multicall:
		account_charge(vcpu->domain, ACCOUNT_HYPERCALLS, 1);
		regs->rax = (uint64_t)do_multicall(a[0], a[1]);
		return;
	default:
		regs->rax = (uint64_t)hypercall_run(regs->rax, a);
		return;
	}
}

/* What is returned goes to rax: the number, for the syscall instruction that runs once more. */
static long continue_alone(struct vcpu *vcpu, uint32_t number, const uint64_t *words, uint32_t count)
{
	struct cpu_user_regs *regs = &vcpu->regs;

	switch (count) {
	case 6: regs->r9 = words[5];	/* fall through */
	case 5: regs->r8 = words[4];	/* fall through */
	case 4: regs->r10 = words[3];	/* fall through */
	case 3: regs->rdx = words[2];	/* fall through */
	case 2: regs->rsi = words[1];	/* fall through */
	case 1: regs->rdi = words[0];	/* fall through */
	default: break;
	}
	regs->rip -= SYSCALL_BYTES;
	return number;
}

long hypercall_continue(uint32_t number, uint32_t count, ...)
{
	struct vcpu *vcpu = current_vcpu();
	uint64_t words[HYPERCALL_WORDS];
	va_list arguments;

	ASSERT(count <= HYPERCALL_WORDS, "a hypercall has six words");
	va_start(arguments, count);
	for (uint32_t i = 0; i < count; i++)
		words[i] = va_arg(arguments, uint64_t);
	va_end(arguments);
	if (vcpu->multicall)
		return multicall_continue(vcpu, number, words, count);
	return continue_alone(vcpu, number, words, count);
}
