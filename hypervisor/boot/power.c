/* SPDX-License-Identifier: MIT */
/* The end of the machine: each way to reset is tried, the next one if we are still there after a moment. */
#include "boot/power.h"

#include <xen/sched.h>

#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "cpu/ops.h"
#include "cpu/timer_hw.h"

#define PM1_ACPI_ON		0x0001u		/* SCI_EN */
#define PM1_SLEEP_TYPE		0x1c00u
#define PM1_SLEEP		0x2000u
#define MOMENT_US		100000
#define RESET_CONTROL		0xcf9

static bool acpi_is_on(void) { return port_in16(acpi_info.pm1_control[0]) & PM1_ACPI_ON; }

static void sleep_by_acpi(void)
{
	if (acpi_info.smi_command && !acpi_is_on())
		port_out8(acpi_info.smi_command, acpi_info.smi_enable);
	for (int tries = 0; tries < 30 && !acpi_is_on(); tries++)
		delay_us(MOMENT_US);
	for (int i = 0; i < 2 && acpi_info.pm1_control[i]; i++) {
		uint32_t value = port_in16(acpi_info.pm1_control[i]) & ~(PM1_SLEEP_TYPE | PM1_SLEEP);

		value |= (uint32_t)acpi_info.s5[i] << 10 & PM1_SLEEP_TYPE;
		port_out16(acpi_info.pm1_control[i], (uint16_t)value);
		port_out16(acpi_info.pm1_control[i], (uint16_t)(value | PM1_SLEEP));
	}
	delay_us(MOMENT_US);
}

static void say_and_stop_others(const char *what)
{
	interrupts_disable();
	cpu_halt_others();
	log_info("%s\n", what);
}

static NORETURN void power_off(void)
{
	say_and_stop_others("power off");
	if (acpi_info.has_s5 && acpi_info.pm1_control[0])
		sleep_by_acpi();
	log_error("This machine cannot be switched off by ACPI.\n");
	cpu_halt_all();
}

static NORETURN void power_reset(void)
{
	static const struct descriptor_pointer no_vectors = { 0, 0 };

	say_and_stop_others("reset");
	if (acpi_info.reset_port)
		port_out8(acpi_info.reset_port, acpi_info.reset_value);
	delay_us(MOMENT_US);
	port_out8(RESET_CONTROL, 0x02);
	port_out8(RESET_CONTROL, 0x06);
	delay_us(MOMENT_US);
	lidt(&no_vectors);
	asm volatile("ud2");		/* a triple fault */
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
