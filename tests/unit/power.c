/* SPDX-License-Identifier: MIT */
/* boot/power.c: what is written to which port, and in which order, when Domain-0 has ended. QEMU obeys the first way, here none does. */
#include "fake-cpu/instructions.h"

struct descriptor_pointer {
	uint16_t limit;
	uint64_t base;
};

static inline uint16_t port_in16(uint16_t port) { return (uint16_t)port_in32(port); }
static inline void port_out16(uint16_t port, uint16_t value) { fake_note(true, port, value); }
static inline void interrupts_disable(void) { }
/* What comes after it is a triple fault. */
static void lidt(const struct descriptor_pointer *table);

/* The fake machine has one of its own. */
#define power_domain_zero_ended real_power_domain_zero_ended
#include "../../hypervisor/boot/power.c"

#include "unit.h"

#include <string.h>

#define PM1A		0x604
#define PM1B		0x704
#define SMI		0xb2

struct acpi_info acpi_info;

static bool is_noreboot, is_acpi_on, others_are_halted, has_faulted;
static uint64_t waited_us;

bool option_flag(const char *name, bool otherwise) { return strcmp(name, "noreboot") == 0 ? is_noreboot : otherwise; }
void delay_us(uint64_t us) { waited_us += us; }

/* The others have nothing more to say. */
void cpu_halt_others(void)
{
	CU_ASSERT_EQUAL(fake_write_count, 0);
	others_are_halted = true;
}

static void lidt(const struct descriptor_pointer *table)
{
	CU_ASSERT_EQUAL(table->limit, 0);
	has_faulted = true;
	panic("triple fault");
}

/* Firmware takes 0.2 s from the asking on. What else stands there is to stay. */
static uint32_t control(uint16_t port)
{
	uint64_t asked;

	CU_ASSERT(port == PM1A || port == PM1B);
	return (uint32_t)(is_acpi_on || (fake_written(true, SMI, &asked) && waited_us >= 200000)) | 0x1c02;
}

static void given(void)
{
	fake_instructions_reset();
	fake_port_in = control;
	waited_us = 0;
	others_are_halted = has_faulted = false;
	is_noreboot = false;
	is_acpi_on = true;
	acpi_info = (struct acpi_info){ .pm1_control = { PM1A, PM1B }, .smi_command = SMI, .smi_enable = 0xf1, .has_s5 = true, .s5 = { 5, 6 },
					.reset_port = 0x92, .reset_value = 0x77 };
}

static void end(unsigned int reason)
{
	bool died;

	FAKE_DIES(died, real_power_domain_zero_ended(reason));
	CU_ASSERT_TRUE(died);
}

static bool was_said(const char *words) { return strstr(fake.log, words) != NULL; }

static void are_written(const struct fake_write *expected, uint32_t count)
{
	CU_ASSERT_TRUE(others_are_halted);
	CU_ASSERT_EQUAL(fake_write_count, count);
	for (uint32_t i = 0; i < count; i++) {
		CU_ASSERT_EQUAL(fake_writes[i].number, expected[i].number);
		CU_ASSERT_EQUAL(fake_writes[i].value, expected[i].value);
	}
}

static void reset_is_tried_in_three_ways(void)
{
	static const struct fake_write all[] = { { true, 0x92, 0x77 }, { true, 0xcf9, 0x02 }, { true, 0xcf9, 0x06 } };

	given();
	end(SHUTDOWN_reboot);
	are_written(all, ARRAY_SIZE(all));
	CU_ASSERT_EQUAL(waited_us, 200000);
	CU_ASSERT_TRUE(has_faulted);
}

static void without_a_port_of_the_fadt_the_others_are_left(void)
{
	static const struct fake_write all[] = { { true, 0xcf9, 0x02 }, { true, 0xcf9, 0x06 } };

	given();
	acpi_info.reset_port = 0;
	end(SHUTDOWN_reboot);
	are_written(all, ARRAY_SIZE(all));
	CU_ASSERT_TRUE(has_faulted);
}

static void power_goes_off_by_both_registers(void)
{
	static const struct fake_write all[] = { { true, PM1A, 0x1403 }, { true, PM1A, 0x3403 }, { true, PM1B, 0x1803 }, { true, PM1B, 0x3803 } };

	given();
	end(SHUTDOWN_poweroff);
	are_written(all, ARRAY_SIZE(all));
	CU_ASSERT_TRUE(was_said("cannot be switched off"));
}

static void acpi_that_is_off_is_switched_on_first(void)
{
	static const struct fake_write all[] = { { true, SMI, 0xf1 }, { true, PM1A, 0x1403 }, { true, PM1A, 0x3403 } };

	given();
	is_acpi_on = false;
	acpi_info.pm1_control[1] = 0;
	end(SHUTDOWN_suspend);
	are_written(all, ARRAY_SIZE(all));
}

static void acpi_that_never_comes_on_is_not_waited_for_for_ever(void)
{
	given();
	is_acpi_on = false;
	acpi_info.smi_command = 0;
	end(SHUTDOWN_poweroff);
	CU_ASSERT(waited_us < 5000000);
	CU_ASSERT_TRUE(was_said("cannot be switched off"));
}

static void machine_without_acpi_is_not_touched(void)
{
	given();
	acpi_info.has_s5 = false;
	end(SHUTDOWN_poweroff);
	CU_ASSERT_EQUAL(fake_write_count, 0);
	CU_ASSERT_TRUE(was_said("cannot be switched off"));
}

static void crash_resets_unless_it_is_to_be_looked_at(void)
{
	given();
	end(SHUTDOWN_crash);
	CU_ASSERT_EQUAL(fake_write_count, 3);

	given();
	is_noreboot = true;
	end(SHUTDOWN_crash);
	CU_ASSERT_EQUAL(fake_write_count, 0);
	CU_ASSERT_TRUE(was_said("the machine stays as it is"));

	given();
	is_noreboot = true;
	end(SHUTDOWN_reboot);		/* was asked for */
	CU_ASSERT_EQUAL(fake_write_count, 3);
}

static const struct unit_case cases[] = {
	UNIT_CASE(reset_is_tried_in_three_ways),
	UNIT_CASE(without_a_port_of_the_fadt_the_others_are_left),
	UNIT_CASE(power_goes_off_by_both_registers),
	UNIT_CASE(acpi_that_is_off_is_switched_on_first),
	UNIT_CASE(acpi_that_never_comes_on_is_not_waited_for_for_ever),
	UNIT_CASE(machine_without_acpi_is_not_touched),
	UNIT_CASE(crash_resets_unless_it_is_to_be_looked_at),
};

int main(void)
{
	return unit_run("power", cases, ARRAY_SIZE(cases));
}
