/* SPDX-License-Identifier: MIT */
/* Offsets that assembly needs, by way of generated/offsets.h. */
#include "cpu/cpu.h"
#include "cpu/percpu.h"
#include "domain/vcpu.h"
#include "include/types.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
#define REGISTER(name) DEFINE(REGS_##name, offsetof(struct cpu_user_regs, name))

void offsets(void);

void offsets(void)
{
	DEFINE(VCPU_KERNEL_STACK, offsetof(struct vcpu, kernel_stack));
	DEFINE(VCPU_REGS, offsetof(struct vcpu, regs));
	DEFINE(VCPU_REGS_END, offsetof(struct vcpu, regs.es));
	DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
	DEFINE(CPU_KERNEL_STACK, offsetof(struct cpu, kernel_stack));
	DEFINE(STUB_FRAME_END, offsetof(struct stub_data, frame_end));
	DEFINE(STUB_GUEST_STACK, offsetof(struct stub_data, guest_stack));
	REGISTER(r15);
	REGISTER(r14);
	REGISTER(r13);
	REGISTER(r12);
	REGISTER(rbp);
	REGISTER(rbx);
	REGISTER(r11);
	REGISTER(r10);
	REGISTER(r9);
	REGISTER(r8);
	REGISTER(rax);
	REGISTER(rcx);
	REGISTER(rdx);
	REGISTER(rsi);
	REGISTER(rdi);
	REGISTER(error_code);
	REGISTER(entry_vector);
	REGISTER(rip);
	REGISTER(cs);
	REGISTER(rflags);
	REGISTER(rsp);
	REGISTER(ss);
}

/* The CPU aligns the frame that it pushes at the end of regs to 16 bytes. */
_Static_assert(offsetof(struct vcpu, regs.es) % 16 == 0, "V1: registers are pushed in place");
_Static_assert(offsetof(struct vcpu, kernel_stack) + 8 == offsetof(struct vcpu, regs), "entry.S");
