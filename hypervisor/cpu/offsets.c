/* SPDX-License-Identifier: MIT */
/* Offsets that assembly needs, by way of generated/offsets.h. */
#include "cpu/entry.h"
#include "cpu/ops.h"
#include "cpu/traps.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
#define IRET(name) DEFINE(IRET_##name, offsetof(struct iret_context, name))
#define REGISTER(name) DEFINE(REGS_##name, offsetof(struct cpu_user_regs, name))

void offsets(void);

void offsets(void)
{
	DEFINE(VCPU_KERNEL_STACK, offsetof(struct vcpu, kernel_stack));
	DEFINE(VCPU_REGS, offsetof(struct vcpu, regs));
	DEFINE(VCPU_DOMAIN, offsetof(struct vcpu, domain));
	DEFINE(VCPU_IN_KERNEL, offsetof(struct vcpu, in_kernel));
	DEFINE(VCPU_GUEST_STACK, offsetof(struct vcpu, kernel_stack_pointer));
	DEFINE(VCPU_SYSCALL_HANDLER, offsetof(struct vcpu, trap.callback[CALLBACKTYPE_syscall].address));
	DEFINE(VCPU_SYSCALL_MASKS, offsetof(struct vcpu, trap.callback[CALLBACKTYPE_syscall].masks_events));
	DEFINE(VCPU_PAGE_FAULT_HANDLER, offsetof(struct vcpu, trap.entry[TRAP_PAGE_FAULT].address));
	DEFINE(VCPU_PAGE_FAULT_SELECTOR, offsetof(struct vcpu, trap.entry[TRAP_PAGE_FAULT].cs));
	DEFINE(VCPU_PAGE_FAULT_FLAGS, offsetof(struct vcpu, trap.entry[TRAP_PAGE_FAULT].flags));
	DEFINE(TRAP_MASKS_EVENTS, 1 << 2);
	DEFINE(VCPU_TABLE_KERNEL, offsetof(struct vcpu, table_kernel));
	DEFINE(VCPU_TABLE_USER, offsetof(struct vcpu, table_user));
	DEFINE(VCPU_INFO, offsetof(struct vcpu, info));
	DEFINE(VCPU_WORK, offsetof(struct vcpu, work));
	DEFINE(VCPU_DEFERRED_TABLES, offsetof(struct vcpu, deferred_tables));
	DEFINE(VCPU_CPU, offsetof(struct vcpu, cpu));
	DEFINE(INFO_CR2, offsetof(vcpu_info_t, arch.cr2));
	DEFINE(INFO_PENDING, offsetof(vcpu_info_t, evtchn_upcall_pending));
	DEFINE(INFO_MASK, offsetof(vcpu_info_t, evtchn_upcall_mask));
	DEFINE(DOMAIN_VM_ASSIST, offsetof(struct domain, vm_assist));
	DEFINE(DOMAIN_USED_HYPERCALLS, offsetof(struct domain, account.used[ACCOUNT_HYPERCALLS]));
	DEFINE(DOMAIN_LIMIT_HYPERCALLS, offsetof(struct domain, account.limit[ACCOUNT_HYPERCALLS]));
	DEFINE(CPU_SOFTIRQS, offsetof(struct cpu, softirqs));
	DEFINE(CPU_FLUSHED_AT, offsetof(struct cpu, flushed_at));
	DEFINE(HYPERCALL_MMU_UPDATE, __HYPERVISOR_mmu_update);
	DEFINE(HYPERCALL_IRET, __HYPERVISOR_iret);
	DEFINE(HYPERCALL_STACK, __HYPERVISOR_stack_switch);
	DEFINE(HYPERCALL_SEGMENT_BASE, __HYPERVISOR_set_segment_base);
	DEFINE(SEGMENT_BASES, SEGBASE_GS_USER + 1);
	DEFINE(SEGMENT_GS_SELECTOR, SEGBASE_GS_USER_SEL);
	DEFINE(FS_BASE, MSR_FS_BASE);
	DEFINE(VM_ASSIST_IOPL, 1 << VMASST_TYPE_architectural_iopl);
	DEFINE(IRET_IN_SYSCALL, VGCF_in_syscall);
	DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
	DEFINE(CPU_KERNEL_STACK, offsetof(struct cpu, kernel_stack));
	DEFINE(STUB_FRAME_END, offsetof(struct stub_data, frame_end));
	DEFINE(STUB_GUEST_STACK, offsetof(struct stub_data, guest_stack));
	IRET(rax);
	IRET(r11);
	IRET(rcx);
	IRET(flags);
	IRET(rip);
	IRET(cs);
	IRET(rflags);
	IRET(rsp);
	IRET(ss);
	REGISTER(rdi);
	REGISTER(rsi);
	REGISTER(rdx);
	REGISTER(rcx);
	REGISTER(rax);
	REGISTER(r11);
	REGISTER(error_code);
	REGISTER(entry_vector);
	REGISTER(rip);
	REGISTER(cs);
	REGISTER(rflags);
	REGISTER(rsp);
	REGISTER(ss);
}

/* entry.S pushes and loads the registers in this order: the first and the last of them stand for all. */
_Static_assert(offsetof(struct cpu_user_regs, r15) == 0 && offsetof(struct cpu_user_regs, r8) == 9 * 8 &&
	       offsetof(struct cpu_user_regs, rdi) == 14 * 8 && offsetof(struct cpu_user_regs, error_code) == 15 * 8,
	       "entry.S");
_Static_assert(SEGBASE_FS == 0 && SEGBASE_GS_USER == 1 && MSR_KERNEL_GS_BASE == MSR_FS_BASE + 2, "direct.S");
/* The CPU aligns the frame that it pushes at the end of regs to 16 bytes. */
_Static_assert(offsetof(struct vcpu, regs.es) % 16 == 0, "V1: registers are pushed in place");
_Static_assert(offsetof(struct vcpu, kernel_stack) + 8 == offsetof(struct vcpu, regs), "entry.S");
