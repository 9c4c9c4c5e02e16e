/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: one function each, up to four words in (the ABI has room for six), one out (0, a count, or -errno). A
 * long one stops when preempt_needed() and returns hypercall_continue(), which sets the guest's registers (or the
 * multicall's entry) so that it is called again with what is left to do.
 */
#pragma once

#include "cpu/cpu.h"
#include "cpu/uaccess.h"
#include "domain/vcpu.h"

/* To be returned at once. `count` words of arguments follow; the others stay as they were. */
long hypercall_continue(uint32_t number, uint32_t count, ...);

/* The current vcpu called, from its kernel mode: number in rax, words in rdi rsi rdx r10 r8 r9. */
struct vcpu;
void hypercall_dispatch(struct vcpu *vcpu);

long do_set_trap_table(uint64_t traps);					/* cpu/bounce.c */
long do_mmu_update(uint64_t requests, uint64_t count, uint64_t done, uint64_t domain);
long do_set_gdt(uint64_t frames, uint64_t entries);
long do_stack_switch(uint64_t selector, uint64_t pointer);
long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall);
long do_fpu_taskswitch(uint64_t set);
long do_set_debugreg(uint64_t reg, uint64_t value);
long do_get_debugreg(uint64_t reg);
long do_update_descriptor(uint64_t address, uint64_t descriptor);
long do_memory_op(uint64_t command, uint64_t argument);
long do_multicall(uint64_t calls, uint64_t count);			/* hypercall.c */
long do_update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags);
long do_update_va_mapping_otherdomain(uint64_t va, uint64_t entry, uint64_t flags, uint64_t domain);
long do_set_timer_op(uint64_t deadline_ns);
long do_xen_version(uint64_t command, uint64_t argument);
long do_console_io(uint64_t command, uint64_t count, uint64_t buffer);
long do_physdev_op(uint64_t command, uint64_t argument);
long do_grant_table_op(uint64_t command, uint64_t operations, uint64_t count);
long do_vm_assist(uint64_t command, uint64_t type);
long do_iret(struct vcpu *vcpu);
long do_vcpu_op(uint64_t command, uint64_t vcpu, uint64_t argument);
long do_set_segment_base(uint64_t which, uint64_t base);
long do_mmuext_op(uint64_t operations, uint64_t count, uint64_t done, uint64_t domain);
long do_sched_op(uint64_t command, uint64_t argument);
long do_callback_op(uint64_t command, uint64_t argument);
long do_event_channel_op(uint64_t command, uint64_t argument);
long do_platform_op(uint64_t operation);
long do_sysctl(uint64_t operation);
long do_domctl(uint64_t operation);
long do_driver_op(uint64_t argument);					/* reset/ready.c */
