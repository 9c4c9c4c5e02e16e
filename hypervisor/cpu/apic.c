/* SPDX-License-Identifier: MIT */
/*
 * The local APIC. Its registers are in memory (xAPIC) or, with the same numbers, model-specific (x2APIC); two
 * things differ: the command register is one of 64 bits there, and an id is 32 bits wide instead of 8.
 */
#include "cpu/apic.h"

#include "boot/boot_info.h"
#include "cpu/features.h"
#include "cpu/irq.h"
#include "cpu/ops.h"

/* SDM volume 3, table 11-1: offset in memory / 16. */
enum apic_register {
	APIC_ID = 0x02, APIC_PRIORITY = 0x08, APIC_EOI = 0x0b, APIC_SPURIOUS = 0x0f,
	APIC_IN_SERVICE = 0x10, APIC_COMMAND = 0x30, APIC_COMMAND_HIGH = 0x31, APIC_LVT_TIMER = 0x32,
	APIC_LVT_ERROR = 0x37, APIC_TIMER_START = 0x38, APIC_TIMER_LEFT = 0x39, APIC_TIMER_DIVIDE = 0x3e,
};

#define PIC_1_MASK		0x21
#define PIC_2_MASK		0xa1
#define MSR_X2APIC		0x800
#define BASE_X2APIC		(1ULL << 10)
#define BASE_ENABLED		(1ULL << 11)
#define BASE_ADDRESS		0x000ffffffffff000ULL

#define SOFTWARE_ENABLED	0x100
#define LVT_MASKED		0x10000
#define DIVIDE_BY_1		0xb

#define COMMAND_FIXED		0x4000
#define COMMAND_BUSY		0x1000
#define BUSY_POLLS_MAX		1000000

static bool is_x2apic;
static volatile uint32_t *registers;	/* xAPIC */

static uint32_t apic_read(enum apic_register reg) { return is_x2apic ? (uint32_t)msr_read(MSR_X2APIC + reg) : registers[reg * 4]; }

static void apic_write(enum apic_register reg, uint32_t value)
{
	if (is_x2apic)
		msr_write(MSR_X2APIC + reg, value);
	else
		registers[reg * 4] = value;
}

bool apic_is_x2apic(void) { return is_x2apic; }

uint32_t apic_id(void) { return apic_read(APIC_ID) >> (is_x2apic ? 0 : 24); }

void apic_eoi(void) { apic_write(APIC_EOI, 0); }

/* x2APIC's and the deadline's MSRs wait for no earlier write. */
static void fence_for_msr(void) { asm volatile("mfence\n\tlfence" : : : "memory"); }

void apic_command(uint32_t id, uint32_t command)
{
	/* What we wrote to memory must be seen by whoever is interrupted. */
	fence_for_msr();
	if (is_x2apic) {
		msr_write(MSR_X2APIC + APIC_COMMAND, (uint64_t)id << 32 | command);
		return;
	}
	for (int polls = 0; polls < BUSY_POLLS_MAX && (apic_read(APIC_COMMAND) & COMMAND_BUSY); polls++)
		cpu_pause();
	apic_write(APIC_COMMAND_HIGH, id << 24);
	apic_write(APIC_COMMAND, command);
}

void apic_send_ipi(cpumask_t cpus, uint32_t vector)
{
	uint32_t id;

	bits_each(id, cpus)
		if (cpu_by_id[id])
			apic_command(cpu_by_id[id]->apic_id, COMMAND_FIXED | vector);
}

void apic_timer_start(uint32_t ticks) { apic_write(APIC_TIMER_START, ticks); }

uint32_t apic_timer_left(void) { return apic_read(APIC_TIMER_LEFT); }

void apic_timer_set(enum apic_timer mode)
{
	apic_write(APIC_LVT_TIMER, VECTOR_TIMER | mode);
	/* The mode must be set before the first deadline is written. */
	fence_for_msr();
}

void apic_init_cpu(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);

	/* To x2APIC only from there. */
	msr_write(MSR_APIC_BASE, base | BASE_ENABLED);
	if (is_x2apic)
		msr_write(MSR_APIC_BASE, base | BASE_ENABLED | BASE_X2APIC);
	/* Timer, sensors, counters, both lines, errors: NMIs would tell nothing that anybody here acts on. */
	for (enum apic_register lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++)
		apic_write(lvt, VECTOR_SPURIOUS | LVT_MASKED);
	apic_write(APIC_PRIORITY, 0);
	apic_write(APIC_SPURIOUS, SOFTWARE_ENABLED | VECTOR_SPURIOUS);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	/* Firmware may have left interrupts unfinished: none of the same or a lower class would come again. */
	for (int word = 0; word < 8; word++)
		for (int bits = 0; bits < 32 && apic_read(APIC_IN_SERVICE + word); bits++)
			apic_eoi();
}

void apic_init_boot(void)
{
	uint64_t base = msr_read(MSR_APIC_BASE);

	/* The two 8259; what they have to say all the same comes by a line that is masked below. */
	port_out8(PIC_1_MASK, 0xff);
	port_out8(PIC_2_MASK, 0xff);
	/* Firmware that has switched it on already may have reasons; switching back takes a reset. */
	is_x2apic = (base & BASE_X2APIC) || (cpu_features.x2apic && option_flag("x2apic", true));
	if (!is_x2apic)
		registers = mmio_map(base & BASE_ADDRESS, PAGE_SIZE);
	apic_init_cpu();
	this_cpu()->apic_id = apic_id();
	log_info("apic: %s, boot CPU has id %u\n", is_x2apic ? "x2APIC" : "xAPIC", apic_id());
}
