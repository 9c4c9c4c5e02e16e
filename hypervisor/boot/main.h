/* SPDX-License-Identifier: MIT */
/* What a CPU does after its first instructions. */
#pragma once

/* head.S comes here: paging is on, the stack is the first CPU's, `info` is what the boot loader left. */
NORETURN void core_main(uint32_t magic, paddr_t info);

/* smp.c: all CPUs that ACPI names, one after the other; option maxcpus=. The calling CPU has id 0. */
void smp_start_all(void);

/*
 * dom0.c: Domain-0, built from the boot loader's modules. The core's options dom0_mem= and dom0_max_vcpus= say how large. Refuses to run,
 * with the reason, if it cannot be done. When this returns the scheduler may run it.
 */
void dom0_build(void);

/* A CPU has come up, on its own stack, with core_cr3(). Sets itself up, then sets cpu->online. */
NORETURN void cpu_secondary_main(struct cpu *cpu);
