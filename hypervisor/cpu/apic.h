/* SPDX-License-Identifier: MIT */
/* Each CPU's interrupt controller: xAPIC, or x2APIC where there is one. */
#pragma once

#include "include/types.h"

/* On the boot CPU: finds out which kind, silences the old controllers, sets up this CPU's, notes its id. */
void apic_init_boot(void);
/* On each other CPU. */
void apic_init_cpu(void);

uint32_t apic_id(void);			/* of the CPU that runs this */
void apic_eoi(void);

/* To the CPUs of the set that exist; with interrupts off, or at least not from a handler in between. */
void apic_send_ipi(cpumask_t cpus, uint32_t vector);
void apic_send_ipi_others(uint32_t vector);	/* to all but this one, whatever state they are in */

/* Starting a CPU: reset, then run the real-mode code on `page`, below 1 MiB. */
void apic_send_init(uint32_t apic_id);
void apic_send_startup(uint32_t apic_id, paddr_t page);

/* The timer interrupts once: when it has counted down, or when the TSC has passed its MSR (cpu/tsc.c writes it). */
enum apic_timer { APIC_TIMER_ONCE = 0, APIC_TIMER_MASKED = 0x10000, APIC_TIMER_BY_DEADLINE = 0x40000 };
void apic_timer_set(enum apic_timer mode);
void apic_timer_start(uint32_t ticks);	/* 0 stops it */
uint32_t apic_timer_left(void);
