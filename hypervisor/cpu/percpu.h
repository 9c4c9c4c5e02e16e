/* SPDX-License-Identifier: MIT */
/* What each CPU has of its own: its window (cpu/layout.h), its task state, its descriptor table. */
#pragma once

#include "cpu/layout.h"
#include "include/types.h"

struct cpu;
struct vcpu;

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

/* A CPU with its window and stack, not started. NULL, or refuse_to_run(), without memory. Id 0: the boot CPU. */
struct cpu *cpu_allocate(uint32_t id, uint32_t apic_id);

/* On each CPU, first thing: descriptor tables, task state, syscall and sysenter. */
void cpu_init_entry(struct cpu *cpu);

/* Where this CPU puts the registers of `vcpu` when it next leaves the guest. */
void cpu_set_entry_frame(struct cpu *cpu, struct vcpu *vcpu);
