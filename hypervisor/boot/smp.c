/* SPDX-License-Identifier: MIT */
/*
 * Starting the other CPUs, one at a time: reset, then real-mode code on a page below 1 MiB (trampoline.S).
 * S1  A CPU takes what smp_expected names, and leaves NULL; one that comes too late finds NULL and never runs.
 */
#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "boot/main.h"
#include "cpu/apic.h"
#include "cpu/entry.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/timer_hw.h"

#define EFER_KEPT	0x901u		/* NXE, LME, SCE */
#define RESET_US	10000
#define ARRIVE_NS	(NSEC_PER_SEC / 2)

struct trampoline_words {
	uint32_t cr3, efer, far_offset;
	uint16_t far_selector, gdt_limit;
	uint32_t gdt_base;
};

extern const char trampoline_start[], trampoline_end[], trampoline_words[], secondary_start[], boot_gdt[];

struct cpu *smp_expected;		/* S1; atomic */

static void copy_trampoline(void)
{
	char *page = paddr_to_virt(boot_info.trampoline);
	struct trampoline_words *words = (void *)(page + (trampoline_words - trampoline_start));

	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	words->cr3 = (uint32_t)core_cr3();
	words->efer = (uint32_t)msr_read(MSR_EFER) & EFER_KEPT;
	words->far_offset = (uint32_t)virt_to_paddr(secondary_start);
	words->gdt_base = (uint32_t)virt_to_paddr(boot_gdt);
}

static bool wake(struct cpu *cpu)
{
	uint64_t end_ns;

	store_release(&smp_expected, cpu);
	apic_command(cpu->apic_id, APIC_INIT);
	delay_us(RESET_US);
	for (int tries = 0; tries < 2; tries++) {
		apic_command(cpu->apic_id, APIC_STARTUP | (uint32_t)(boot_info.trampoline >> PAGE_SHIFT));
		for (end_ns = time_now_ns() + ARRIVE_NS; time_now_ns() < end_ns; cpu_pause())
			if (!load_acquire(&smp_expected))
				return true;
	}
	if (!__atomic_exchange_n(&smp_expected, NULL, __ATOMIC_SEQ_CST))
		return true;
	apic_command(cpu->apic_id, APIC_INIT);		/* S1 */
	return false;
}

static void start_one(uint32_t id)
{
	struct cpu *cpu = cpu_allocate(cpu_count, id);

	if (!wake(cpu)) {
		log_warning("smp: the CPU with APIC id %u does not answer\n", id);
		cpu_by_id[cpu_count] = NULL;
		return;
	}
	tsc_warp_check();
	/* If it cannot go on it says so itself. */
	while (!load_acquire(&cpu->online))
		cpu_relax_serving();
	cpu_count++;
}

void smp_start_all(void)
{
	uint64_t limit = option_number("maxcpus", MAX_CPUS);
	uint32_t self = apic_id();

	if (!boot_info.trampoline) {
		log_warning("smp: no memory below 1 MiB: one CPU\n");
		return;
	}
	copy_trampoline();
	for (uint32_t i = 0; i < acpi_info.cpu_count && cpu_count < MIN(limit, MAX_CPUS); i++)
		if (acpi_info.apic_id[i] != self)
			start_one(acpi_info.apic_id[i]);
	log_info("smp: %u CPUs\n", cpu_count);
}
