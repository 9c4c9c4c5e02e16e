/* SPDX-License-Identifier: MIT */
/* Each CPU's interrupt controller: xAPIC, or x2APIC where there is one. */
#pragma once

/* On the boot CPU: finds out which kind, silences the old controllers, sets up this CPU's, notes its id. */
void apic_init_boot(void);
/* On each other CPU. */
void apic_init_cpu(void);

bool apic_is_x2apic(void);		/* ids of 32 bits */
uint32_t apic_id(void);			/* of the CPU that runs this */
void apic_eoi(void);

/* To the CPUs of the set that exist; with interrupts off, or at least not from a handler in between. */
void apic_send_ipi(cpumask_t cpus, uint32_t vector);

/* To start a CPU: reset it, then let it run the real-mode code on a page below 1 MiB, whose number is added. */
#define APIC_INIT	0x4500
#define APIC_STARTUP	0x4600
void apic_command(uint32_t apic_id, uint32_t command);

/* The timer interrupts once: when it has counted down, or when the TSC has passed its MSR (cpu/tsc.c writes it). */
enum apic_timer { APIC_TIMER_ONCE = 0, APIC_TIMER_MASKED = 0x10000, APIC_TIMER_BY_DEADLINE = 0x40000 };
void apic_timer_set(enum apic_timer mode);
void apic_timer_start(uint32_t ticks);	/* 0 stops it */
uint32_t apic_timer_left(void);
