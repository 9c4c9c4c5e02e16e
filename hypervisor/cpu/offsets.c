/* SPDX-License-Identifier: MIT */
/* Offsets that assembly needs, by way of generated/offsets.h. */
#include "cpu/cpu.h"
#include "cpu/entry.h"
#include "domain/vcpu.h"

#define DEFINE(name, value) asm volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
#define REGISTER(name) DEFINE(REGS_##name, offsetof(struct cpu_user_regs, name))

void offsets(void);

void offsets(void)
{
	DEFINE(VCPU_KERNEL_STACK, offsetof(struct vcpu, kernel_stack));
	DEFINE(VCPU_REGS, offsetof(struct vcpu, regs));
	DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
	DEFINE(CPU_KERNEL_STACK, offsetof(struct cpu, kernel_stack));
	DEFINE(STUB_FRAME_END, offsetof(struct stub_data, frame_end));
	DEFINE(STUB_GUEST_STACK, offsetof(struct stub_data, guest_stack));
	REGISTER(rdi);
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
/* The CPU aligns the frame that it pushes at the end of regs to 16 bytes. */
_Static_assert(offsetof(struct vcpu, regs.es) % 16 == 0, "V1: registers are pushed in place");
_Static_assert(offsetof(struct vcpu, kernel_stack) + 8 == offsetof(struct vcpu, regs), "entry.S");
