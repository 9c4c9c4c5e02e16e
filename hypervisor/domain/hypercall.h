/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: one function each, up to four words in (the ABI has room for six), one out (0, a count, or -errno). A
 * long one stops when hypercall_must_stop() and returns hypercall_continue(), which sets the guest's registers (or the
 * multicall's entry) so that it is called again with what is left to do.
 */
#pragma once

/*
 * Others wait for the CPU, or the caller has an event to take, or is to be reset. It may be so each time that the hypercall is begun again:
 * it does a step before it asks. What Domain-0 does to others asks preempt_needed(): it does not stop for Domain-0's own events.
 */
static inline bool hypercall_must_stop(void)
{
	const struct vcpu *vcpu = current_vcpu();

	return preempt_needed() || (read_once(&vcpu->work) & VCPU_WORK_RESET) || vcpu_has_deliverable_event(vcpu);
}

/* To be returned at once. `count` words of arguments follow; the others stay as they were. */
long hypercall_continue(uint32_t number, uint32_t count, ...);

/* The current vcpu called, from its kernel mode: number in rax, words in rdi rsi rdx r10 r8 r9. */
void hypercall_dispatch(struct vcpu *vcpu);
/* The same for __HYPERVISOR_mmu_update: four of five. mem/update.c */
void hypercall_mmu_update(struct vcpu *vcpu);

/* Not part of their caller: a short one does not pay for the registers that a long one needs. */
#define HYPERCALL NOINLINE long

HYPERCALL do_set_trap_table(uint64_t traps);					/* cpu/bounce.c */
HYPERCALL do_mmu_update(uint64_t requests, uint64_t count, uint64_t done, uint64_t domain);
HYPERCALL do_set_gdt(uint64_t frames, uint64_t entries);
HYPERCALL do_stack_switch(uint64_t selector, uint64_t pointer);
HYPERCALL do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall);
HYPERCALL do_fpu_taskswitch(uint64_t set);
HYPERCALL do_set_debugreg(uint64_t reg, uint64_t value);
HYPERCALL do_get_debugreg(uint64_t reg);
HYPERCALL do_update_descriptor(uint64_t address, uint64_t descriptor);
HYPERCALL do_memory_op(uint64_t command, uint64_t argument);
HYPERCALL memory_exchange(uint64_t argument);			/* XENMEM_exchange: mem/exchange.c */
HYPERCALL do_multicall(uint64_t calls, uint64_t count);			/* hypercall.c */
HYPERCALL do_update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags);
HYPERCALL do_update_va_mapping_otherdomain(uint64_t va, uint64_t entry, uint64_t flags, uint64_t domain);
HYPERCALL do_set_timer_op(uint64_t deadline_ns);
HYPERCALL do_xen_version(uint64_t command, uint64_t argument);
HYPERCALL do_console_io(uint64_t command, uint64_t count, uint64_t buffer);
HYPERCALL do_physdev_op(uint64_t command, uint64_t argument);
HYPERCALL do_grant_table_op(uint64_t command, uint64_t operations, uint64_t count);
HYPERCALL do_vm_assist(uint64_t command, uint64_t type);
HYPERCALL do_iret(struct vcpu *vcpu);
HYPERCALL do_vcpu_op(uint64_t command, uint64_t vcpu, uint64_t argument);
HYPERCALL do_set_segment_base(uint64_t which, uint64_t base);
HYPERCALL do_mmuext_op(uint64_t operations, uint64_t count, uint64_t done, uint64_t domain);
HYPERCALL do_sched_op(uint64_t command, uint64_t argument);
HYPERCALL do_callback_op(uint64_t command, uint64_t argument);
HYPERCALL do_event_channel_op(uint64_t command, uint64_t argument);
HYPERCALL do_platform_op(uint64_t operation);
HYPERCALL do_sysctl(uint64_t operation);
HYPERCALL do_domctl(uint64_t operation);
HYPERCALL do_driver_op(uint64_t argument);					/* reset/ready.c */
