/* SPDX-License-Identifier: MIT */
/* What entry.S and C know of each other. */
#pragma once

#include "include/types.h"

struct cpu_user_regs;
struct vcpu;

/* Labels of entry.S. */
extern const char entry_stubs[], entry_stub_syscall32[], entry_stub_sysenter[], entry_stubs_end[];
extern const char entry_stub_distance[];	/* of its jmp to entry_from_stub: to be filled in */
extern const char entry_from_stub[];
extern const char entry_vectors[];		/* 256 entries of 16 bytes */
extern const char entry_iret[];			/* the instruction that may fault with the guest's values */

void entry_reload_segments(void);

/* Goes to the guest of the current vcpu, by way of exit_work(); throws the stack away. */
NORETURN void entry_exit_to_guest(void);
/* Runs cpu_idle_loop() on an empty stack of this CPU. */
NORETURN void entry_run_idle(void);
NORETURN void cpu_idle_loop(void);

/* traps.c and friends, called by entry.S with interrupts off. */
void trap_from_guest(struct vcpu *vcpu);
void trap_from_core(struct cpu_user_regs *regs);
void syscall_from_guest(struct vcpu *vcpu);
void exit_work(struct vcpu *vcpu);

/* Fills the interrupt descriptor table, one for all CPUs. */
void idt_init(void);
