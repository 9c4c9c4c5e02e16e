/* SPDX-License-Identifier: MIT */
/* The way in and out of the core: what entry.S and C know of each other, and what each CPU has for it (cpu/layout.h). */
#pragma once

struct cpu_user_regs;

/* Labels of entry.S. */
extern const char entry_stubs[], entry_stub_syscall32[], entry_stub_sysenter[], entry_stubs_end[];
extern const char entry_stub_distance[];	/* of its jmp to entry_from_stub: to be filled in */
extern const char entry_from_stub[];
extern const char entry_vectors[];		/* 256 entries of 16 bytes */
extern const char entry_iret[];			/* the instruction that may fault with the guest's values */
extern const char entry_iret_direct[];		/* the same, of a program's return from a system call */
extern const char entry_iret_handler[];		/* the same, of a program's page fault */

void entry_reload_segments(void);

/* Goes to the guest of the current vcpu, by way of exit_work(); throws the stack away. */
NORETURN void entry_exit_to_guest(void);
/* Runs cpu_idle_loop() on an empty stack of this CPU. */
NORETURN void entry_run_idle(void);
NORETURN void cpu_idle_loop(void);

/* traps.c and friends, called by entry.S with interrupts off; exit_work() only if there is some. */
void trap_from_guest(struct vcpu *vcpu);
void trap_from_core(struct cpu_user_regs *regs);
void syscall_from_guest(struct vcpu *vcpu);
void exit_work(struct vcpu *vcpu);

/* Fills the interrupt descriptor table, one for all CPUs. */
void idt_init(void);

/* The 64-bit task state segment: where the CPU finds its stacks. SDM volume 3, 8.7. */
struct task_state {
	uint32_t reserved0;
	uint64_t rsp0, rsp1, rsp2;
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
} PACKED;

/* What the entry stubs of syscall and sysenter read and write; stands on the page behind them. */
struct stub_data {
	uint64_t frame_end;		/* of the vcpu that runs: where its registers are pushed */
	uint64_t guest_stack;		/* scratch */
};

static inline uint64_t cpu_window(uint32_t cpu) { return WINDOWS_START + (uint64_t)cpu * WINDOW_SIZE; }

/* A CPU with its window and stack, not started. refuse_to_run() without memory. Id 0: the boot CPU. */
struct cpu *cpu_allocate(uint32_t id, uint32_t apic_id);

/* On each CPU, first thing: descriptor tables, task state, syscall and sysenter. */
void cpu_init_entry(struct cpu *cpu);

/* Where this CPU puts the registers of `vcpu` when it next leaves the guest. */
void cpu_set_entry_frame(struct cpu *cpu, struct vcpu *vcpu);

/* What the current vcpu has in ds, es, fs and gs goes into its regs. */
void switch_note_selectors(struct vcpu *vcpu);

/* All that the CPU has of the current vcpu is in it, too; and for a reset, as if it had been switched away, and then to. */
void switch_save_current(struct vcpu *vcpu);
void switch_leave_current(struct vcpu *vcpu);
void switch_enter_current(struct vcpu *vcpu);

/* The current vcpu's descriptor tables have changed: this CPU sees the new ones. */
void switch_reload_gdt(struct vcpu *vcpu);
void switch_reload_ldt(struct vcpu *vcpu);
