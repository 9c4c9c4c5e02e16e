/* SPDX-License-Identifier: MIT */
/* The end of the machine: each way is tried, the next one if we are still there after a moment. */
#include "boot/power.h"

#include "include/types.h"

#include <xen/sched.h>

#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "cpu/apic.h"
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"
#include "lib/log.h"
#include "lib/string.h"

#define PM1_ACPI_ON		0x0001u		/* SCI_EN */
#define PM1_SLEEP_TYPE		0x1c00u
#define PM1_SLEEP		0x2000u
#define MOMENT_US		100000
#define PCI_ADDRESS		0xcf8
#define PCI_DATA		0xcfc
#define RESET_CONTROL		0xcf9

static void enable_acpi(void)
{
	if (!acpi_info.smi_command || (port_in16(acpi_info.pm1a_control) & PM1_ACPI_ON))
		return;
	port_out8(acpi_info.smi_command, acpi_info.smi_enable);
	for (int tries = 0; tries < 30 && !(port_in16(acpi_info.pm1a_control) & PM1_ACPI_ON); tries++)
		delay_us(MOMENT_US);
}

static void sleep_by(uint16_t port, uint8_t type)
{
	uint32_t value;

	if (!port)
		return;
	value = (port_in16(port) & ~(PM1_SLEEP_TYPE | PM1_SLEEP)) | ((uint32_t)type << 10 & PM1_SLEEP_TYPE);
	port_out16(port, (uint16_t)value);
	port_out16(port, (uint16_t)(value | PM1_SLEEP));
}

void power_off(void)
{
	interrupts_disable();
	apic_send_ipi_others(VECTOR_HALT);
	log_info("power off\n");
	if (acpi_info.has_s5 && acpi_info.pm1a_control) {
		enable_acpi();
		sleep_by(acpi_info.pm1a_control, acpi_info.s5_a);
		sleep_by(acpi_info.pm1b_control, acpi_info.s5_b);
		delay_us(MOMENT_US);
	}
	log_error("This machine cannot be switched off by ACPI.\n");
	cpu_halt_all();
}

static void reset_by_acpi(void)
{
	uint64_t address = acpi_info.reset.address;

	if (!address)
		return;
	switch (acpi_info.reset.space) {
	case ACPI_SPACE_IO:
		port_out8((uint16_t)address, acpi_info.reset_value);
		break;
	case ACPI_SPACE_MEMORY:
		*(volatile uint8_t *)mmio_map(address, 1) = acpi_info.reset_value;
		break;
	case ACPI_SPACE_PCI:	/* bus 0; device, function and offset are 16 bits each */
		port_out32(PCI_ADDRESS, (uint32_t)(1U << 31 | (address >> 32 & 0x1f) << 11 |
						   (address >> 16 & 7) << 8 | (address & 0xfc)));
		port_out8((uint16_t)(PCI_DATA + (address & 3)), acpi_info.reset_value);
		break;
	}
}

static void reset_by_chipset(void)
{
	port_out8(RESET_CONTROL, 0x02);
	port_out8(RESET_CONTROL, 0x06);
}

static void reset_by_triple_fault(void)
{
	static const struct descriptor_pointer nothing = { 0, 0 };

	lidt(&nothing);
	asm volatile("ud2");
}

void power_reset(void)
{
	static void (*const ways[])(void) = { reset_by_acpi, reset_by_chipset, reset_by_triple_fault };
	char how[16];
	size_t first;

	interrupts_disable();
	apic_send_ipi_others(VECTOR_HALT);
	option_text("reboot", how, sizeof(how));
	first = how[0] == 't' ? 2 : how[0] == 'p' ? 1 : 0;
	log_info("reset\n");
	for (size_t way = first; way < ARRAY_SIZE(ways); way++) {
		ways[way]();
		delay_us(MOMENT_US);
	}
	cpu_halt_all();
}

void power_domain_zero_ended(unsigned int reason)
{
	static const char *const reasons[] = { "powered off", "rebooted", "suspended", "crashed", "watchdog" };

	log_info("domain-0 has ended: %s\n", reason < ARRAY_SIZE(reasons) ? reasons[reason] : "unknown reason");
	if (reason == SHUTDOWN_poweroff || reason == SHUTDOWN_suspend)
		power_off();
	if (reason == SHUTDOWN_reboot || !option_flag("noreboot", false))
		power_reset();
	log_info("noreboot: the machine stays as it is\n");
	cpu_halt_all();
}
