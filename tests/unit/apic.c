/* SPDX-License-Identifier: MIT */
/* cpu/apic.c, both kinds: TCG has no x2APIC, so that this is where it runs. */
#include "fake-cpu/instructions.h"
#include "../../hypervisor/cpu/apic.c"

#include "unit.h"

#include <string.h>

#define XAPIC_AT	0x200000

static bool option_x2apic;

bool option_flag(const char *name, bool otherwise) { return option_x2apic; }

static uint32_t xapic(enum apic_register reg) { return *(uint32_t *)((char *)paddr_to_virt(XAPIC_AT) + reg * 16); }

static void given(bool has_x2apic, bool firmware_uses_it)
{
	fake_instructions_reset();
	cpu_features = (struct cpu_features){ .x2apic = has_x2apic };
	option_x2apic = true;
	fake_msr[MSR_APIC_BASE] = XAPIC_AT | 1 << 8 | (firmware_uses_it ? BASE_X2APIC | BASE_ENABLED : 0);
	fake_msr[MSR_X2APIC + APIC_ID] = 0x12345;
	*(uint32_t *)((char *)paddr_to_virt(XAPIC_AT) + APIC_ID * 16) = 7U << 24;
}

static uint64_t last_msr(uint32_t msr)
{
	uint64_t value = UINT64_MAX;

	(void)fake_written(false, msr, &value);
	return value;
}

static void x2apic_is_taken_unless_told_otherwise(void)
{
	given(true, false);
	apic_init_boot();
	CU_ASSERT_EQUAL(last_msr(MSR_APIC_BASE), XAPIC_AT | 1 << 8 | BASE_ENABLED | BASE_X2APIC);
	CU_ASSERT_EQUAL(apic_id(), 0x12345);
	CU_ASSERT_EQUAL(this_cpu()->apic_id, 0x12345);

	given(true, false);
	option_x2apic = false;
	apic_init_boot();
	CU_ASSERT_EQUAL(apic_id(), 7);
	CU_ASSERT_EQUAL(last_msr(MSR_APIC_BASE) & BASE_X2APIC, 0);
}

static void what_firmware_has_switched_on_stays_on(void)
{
	given(true, true);
	option_x2apic = false;
	apic_init_boot();
	CU_ASSERT_EQUAL(apic_id(), 0x12345);
	CU_ASSERT_EQUAL(last_msr(MSR_APIC_BASE), XAPIC_AT | 1 << 8 | BASE_X2APIC | BASE_ENABLED);
}

static void an_x2apic_gets_each_command_in_one_write(void)
{
	uint64_t value;

	given(true, false);
	apic_init_boot();
	fake_write_count = 0;
	cpu_by_id[1]->apic_id = 0x10203;
	cpu_by_id[3]->apic_id = 300;
	apic_send_ipi(1 << 1 | 1 << 3, 0xf1);
	CU_ASSERT_EQUAL(fake_write_count, 2);
	CU_ASSERT_EQUAL(fake_writes[0].value, 0x10203ULL << 32 | 0x40f1);
	CU_ASSERT_EQUAL(fake_writes[1].value, 300ULL << 32 | 0x40f1);
	apic_command(5, APIC_INIT);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_COMMAND), 5ULL << 32 | 0x4500);
	apic_command(5, APIC_STARTUP | 0x9e);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_COMMAND), 5ULL << 32 | 0x469e);
	CU_ASSERT_EQUAL(fake_written(false, MSR_X2APIC + APIC_COMMAND_HIGH, &value), 0);
}

static void an_xapic_gets_id_and_command(void)
{
	given(false, false);
	apic_init_boot();
	cpu_by_id[2]->apic_id = 9;
	apic_send_ipi(1 << 2, 0xf0);
	CU_ASSERT_EQUAL(xapic(APIC_COMMAND_HIGH), 9U << 24);
	CU_ASSERT_EQUAL(xapic(APIC_COMMAND), 0x40f0);
}

static void a_controller_that_stays_busy_is_not_waited_for_for_ever(void)
{
	given(false, false);
	apic_init_boot();
	registers[APIC_COMMAND * 4] = COMMAND_BUSY;
	apic_send_ipi(1, 0xf0);
	CU_ASSERT_EQUAL(xapic(APIC_COMMAND), 0x40f0);
}

static void cpus_that_do_not_exist_get_nothing(void)
{
	given(true, false);
	apic_init_boot();
	fake_write_count = 0;
	apic_send_ipi(~0ULL << FAKE_CPUS, 0xf0);
	CU_ASSERT_EQUAL(fake_write_count, 0);
}

static void all_is_masked(void)
{
	given(true, false);
	apic_init_boot();
	for (enum apic_register lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++)
		CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + lvt), 0x100ff);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_SPURIOUS), 0x1ff);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_PRIORITY), 0);
}

static void the_old_controllers_are_silent(void)
{
	uint64_t first = 0, second = 0;

	given(false, false);
	apic_init_boot();
	CU_ASSERT_TRUE(fake_written(true, 0x21, &first) && fake_written(true, 0xa1, &second));
	CU_ASSERT_EQUAL(first, 0xff);
	CU_ASSERT_EQUAL(second, 0xff);
}

static void the_timer_counts_or_has_a_deadline(void)
{
	given(true, false);
	apic_init_boot();
	apic_timer_set(APIC_TIMER_ONCE);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_LVT_TIMER), VECTOR_TIMER);
	apic_timer_start(1000);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_TIMER_START), 1000);
	apic_timer_set(APIC_TIMER_BY_DEADLINE);
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_LVT_TIMER), VECTOR_TIMER | 0x40000);
	apic_eoi();
	CU_ASSERT_EQUAL(last_msr(MSR_X2APIC + APIC_EOI), 0);
}

static void stale_interrupts_are_finished(void)
{
	uint64_t value;

	given(true, false);
	fake_msr[MSR_X2APIC + APIC_IN_SERVICE + 3] = 1;
	apic_init_boot();
	CU_ASSERT_EQUAL(fake_written(false, MSR_X2APIC + APIC_EOI, &value), 32);
}

static const struct unit_case cases[] = {
	UNIT_CASE(x2apic_is_taken_unless_told_otherwise),
	UNIT_CASE(what_firmware_has_switched_on_stays_on),
	UNIT_CASE(a_controller_that_stays_busy_is_not_waited_for_for_ever),
	UNIT_CASE(cpus_that_do_not_exist_get_nothing),
	UNIT_CASE(an_x2apic_gets_each_command_in_one_write),
	UNIT_CASE(an_xapic_gets_id_and_command),
	UNIT_CASE(all_is_masked),
	UNIT_CASE(the_old_controllers_are_silent),
	UNIT_CASE(the_timer_counts_or_has_a_deadline),
	UNIT_CASE(stale_interrupts_are_finished),
};

int main(void)
{
	return unit_run("apic", cases, ARRAY_SIZE(cases));
}
