/* SPDX-License-Identifier: MIT */
/* From head.S to the first instruction of Domain-0. Read this first. */
#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "boot/main.h"
#include "cpu/apic.h"
#include "cpu/entry.h"
#include "cpu/features.h"
#include "cpu/irq.h"
#include "cpu/paging.h"
#include "cpu/speculation.h"
#include "cpu/timer_hw.h"
#include "cpu/uart.h"
#include "iommu/iommu.h"
#include "pci/pci.h"

#define BUDGET_BYTES		(4UL << 20)	/* what the core may keep of all memory: so much, */
#define BUDGET_PER_MILLE	15		/* and this share */

/* What this CPU needs before it can run vcpus. Its window exists, cpu_features is filled. */
static void cpu_init(struct cpu *cpu)
{
	cpu_init_entry(cpu);
	cpu_features_enable();
	apic_init_cpu();
	cpu_timer_init();
	cpu->idle = cpu->current = vcpu_create_idle(cpu);
	if (!cpu->idle)
		refuse_to_run("boot: too little memory for CPU %u", cpu->id);
	sched_init_cpu(cpu);
}

/* What the core keeps: its image, its tables of frames, its heap, and what lies below 1 MiB. */
static void memory_report(void)
{
	uint64_t all = 0, own, free = frames_free() << PAGE_SHIFT, budget;

	for (uint32_t i = 0; i < boot_info.range_count; i++)
		all += boot_info.range[i].bytes;
	own = all - free - ((uint64_t)domain_zero->frame_count << PAGE_SHIFT);
	budget = BUDGET_BYTES + all * BUDGET_PER_MILLE / 1000;
	log_info("Memory: %lu MiB, %lu MiB are free; the core keeps %lu KiB, its budget is %lu KiB\n",
		 all >> 20, free >> 20, own >> 10, budget >> 10);
}

void core_main(uint32_t magic, paddr_t info)
{
	idt_init();
	uart_init(1);
	multiboot_parse(magic, info);
	console_init();
	log_info("Skink, on %s\n", boot_info.loader);
	options_check();

	cpu_features_init();
	cpu_features_enable();
	smap_init();
	paging_init();
	alloc_init();

	cpu_allocate(0, 0);
	cpu_count = 1;
	this_cpu()->online = true;
	cpu_init_entry(this_cpu());
	acpi_init();
	pci_init();
	apic_init_boot();
	iommu_init();
	irq_init();
	tsc_calibrate();
	cpu_init(this_cpu());
	speculation_report();
	smp_start_all();
	tsc_check_stable();
	console_enable_input();

	time_set_wall_clock(rtc_read_seconds(), 0, time_now_ns());
	dom0_build();
	memory_report();
	entry_run_idle();
}

void cpu_secondary_main(struct cpu *cpu)
{
	tsc_warp_check();
	paging_load_core();
	cpu_init(cpu);
	store_release(&cpu->online, true);
	entry_run_idle();
}
