/* SPDX-License-Identifier: MIT */
/*
 * Starting the other CPUs, one at a time: reset, then real-mode code on a page below 1 MiB (trampoline.S).
 * S1  A CPU that did not come in time never runs: the state word says so, and it is put back into reset.
 */
#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "boot/main.h"
#include "cpu/apic.h"
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/ops.h"
#include "cpu/paging.h"
#include "cpu/percpu.h"
#include "cpu/timer_hw.h"
#include "lib/log.h"
#include "lib/string.h"

#define EFER_KEPT	0x901u		/* NXE, LME, SCE */
#define RESET_US	10000
#define ARRIVE_NS	(NSEC_PER_SEC / 2)

enum trampoline_state { NOBODY_WAITS = 0, EXPECTED = 1, ARRIVED = 2 };

struct trampoline_words {
	uint32_t state;			/* atomic */
	uint32_t cr3;
	uint32_t efer;
	uint32_t far_offset;
	uint16_t far_selector;
	uint16_t gdt_limit;
	uint32_t gdt_base;
	uint64_t stack, entry;
	struct cpu *cpu;
};

extern const char trampoline_start[], trampoline_end[], trampoline_words[];

/* In this file, so that its address needs no table. */
static NORETURN void secondary_entry(struct cpu *cpu)
{
	cpu_secondary_main(cpu);
}

static struct trampoline_words *copy_trampoline(void)
{
	char *page = paddr_to_virt(boot_info.trampoline);
	struct trampoline_words *words = (void *)(page + (trampoline_words - trampoline_start));

	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	words->cr3 = (uint32_t)core_cr3();
	words->efer = (uint32_t)msr_read(MSR_EFER) & EFER_KEPT;
	words->far_offset += (uint32_t)boot_info.trampoline;
	words->gdt_base += (uint32_t)boot_info.trampoline;
	words->entry = (uint64_t)(uintptr_t)secondary_entry;
	return words;
}

static bool wake(struct trampoline_words *words, uint32_t id)
{
	uint32_t expected = EXPECTED;

	store_release(&words->state, EXPECTED);
	apic_send_init(id);
	delay_us(RESET_US);
	for (int tries = 0; tries < 2; tries++) {
		uint64_t end = time_now_ns() + ARRIVE_NS;

		apic_send_startup(id, boot_info.trampoline);
		while (read_once(&words->state) != ARRIVED && time_now_ns() < end)
			cpu_pause();
		if (read_once(&words->state) == ARRIVED)
			return true;
	}
	if (!__atomic_compare_exchange_n(&words->state, &expected, NOBODY_WAITS, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return true;
	apic_send_init(id);		/* S1 */
	return false;
}

/* False if there is no memory for one more. */
static bool start_one(struct trampoline_words *words, uint32_t id)
{
	struct cpu *cpu = cpu_allocate(cpu_count, id);

	if (!cpu)
		return false;
	words->cpu = cpu;
	words->stack = cpu->kernel_stack;
	if (!wake(words, id)) {
		log_warning("smp: the CPU with APIC id %u does not answer\n", id);
		cpu_by_id[cpu_count] = NULL;
		return true;
	}
	tsc_warp_check();
	/* If it cannot go on it says so itself. */
	while (!load_acquire(&cpu->online))
		cpu_relax_serving();
	cpu_count++;
	return true;
}

void smp_start_all(void)
{
	uint64_t limit = option_number("maxcpus", MAX_CPUS);
	struct trampoline_words *words;
	uint32_t self = apic_id();

	if (!boot_info.trampoline) {
		log_warning("smp: no memory below 1 MiB: one CPU\n");
		return;
	}
	words = copy_trampoline();
	for (uint32_t i = 0; i < acpi_info.cpu_count && cpu_count < MIN(limit, MAX_CPUS); i++)
		if (acpi_info.apic_id[i] != self && !start_one(words, acpi_info.apic_id[i]))
			break;
	log_info("smp: %u CPUs\n", cpu_count);
}
