/* SPDX-License-Identifier: MIT */
/* Starting the other CPUs. */
#ifndef SKINK_SMP_H
#define SKINK_SMP_H

#include "include/compiler.h"

struct cpu;

/* All that ACPI names, one after the other; options nosmp, maxcpus=. The calling CPU has id 0. */
void smp_start_all(void);

/* main.c: a CPU has come up, on its own stack, with core_cr3(). Sets itself up, then sets cpu->online. */
NORETURN void cpu_secondary_main(struct cpu *cpu);

#endif
