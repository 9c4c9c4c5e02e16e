/* SPDX-License-Identifier: MIT */
/* boot/acpi.c. Tables end where the fake machine's memory ends: reading past one is a crash of the test. */
#include "unit.h"

#include <string.h>

#include "boot/acpi.h"
#include "boot/boot_info.h"
#include "cpu/directmap.h"

#define ROOT		0x100000u
#define TABLES_END	FAKE_RAM_BYTES

static uint32_t roots;		/* entries in the XSDT at ROOT */

static uint8_t *at(paddr_t address) { return paddr_to_virt(address); }

static void put(uint8_t *to, uint64_t value, uint32_t bytes) { memcpy(to, &value, bytes); }

static void mend_checksum(uint8_t *table, uint32_t bytes)
{
	uint8_t sum = 0;

	table[9] = 0;
	for (uint32_t i = 0; i < bytes; i++)
		sum = (uint8_t)(sum + table[i]);
	table[9] = (uint8_t)-sum;
}

static void given_rsdp(uint8_t *rsdp, uint8_t revision)
{
	uint8_t sum = 0;

	memset(rsdp, 0, 36);
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = revision;
	put(rsdp + 16, ROOT + 0x1000, 4);
	put(rsdp + 24, ROOT, 8);
	for (int i = 0; i < 20; i++)
		sum = (uint8_t)(sum + rsdp[i]);
	rsdp[8] = (uint8_t)-sum;
}

static void given_root(void)
{
	memcpy(at(ROOT), "XSDT", 4);
	put(at(ROOT + 4), 36 + roots * 8, 4);
	mend_checksum(at(ROOT), 36 + roots * 8);
}

static void begin(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	given_rsdp(boot_info.rsdp, 2);
	roots = 0;
	given_root();
}

/* A table at an address of its own, right checksum; named in the XSDT. */
static uint8_t *given_table_at(paddr_t address, const char *signature, const void *body, uint32_t body_bytes)
{
	uint8_t *table = at(address);

	memset(table, 0, 36);
	memcpy(table, signature, 4);
	put(table + 4, 36 + body_bytes, 4);
	memcpy(table + 36, body, body_bytes);
	mend_checksum(table, 36 + body_bytes);
	put(at(ROOT + 36 + roots++ * 8), address, 8);
	given_root();
	return table;
}

/* ... that ends where the memory ends. */
static uint8_t *given_last_table(const char *signature, const void *body, uint32_t body_bytes)
{
	return given_table_at(TABLES_END - 36 - body_bytes, signature, body, body_bytes);
}

static uint32_t apic_entry(uint8_t *to, uint8_t id, uint32_t flags)
{
	memcpy(to, (uint8_t[8]){ 0, 8, 0, id }, 8);
	put(to + 4, flags, 4);
	return 8;
}

static uint32_t x2apic_entry(uint8_t *to, uint32_t id, uint32_t flags)
{
	memcpy(to, (uint8_t[16]){ 9, 16 }, 16);
	put(to + 4, id, 4);
	put(to + 8, flags, 4);
	return 16;
}

/* ---- broken ---- */

static void without_tables_there_is_nothing(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	acpi_init();
	CU_ASSERT_EQUAL(acpi_info.cpu_count, 0);
	CU_ASSERT_FALSE(acpi_info.has_s5);
	CU_ASSERT_PTR_NULL(acpi_find("APIC"));
}

static void a_root_pointer_with_a_wrong_checksum_does_not_count(void)
{
	begin();
	boot_info.rsdp[9]++;
	given_last_table("MCFG", "x", 1);
	acpi_init();
	CU_ASSERT_PTR_NULL(acpi_find("MCFG"));
}

static void tables_with_a_wrong_checksum_do_not_count(void)	/* A2 */
{
	begin();
	given_last_table("MCFG", "body", 4)[36]++;
	acpi_init();
	CU_ASSERT_PTR_NULL(acpi_find("MCFG"));
	CU_ASSERT_PTR_NOT_NULL(strstr(fake.log, "checksum"));
}

static void tables_of_absurd_length_do_not_count(void)		/* A1 */
{
	static const uint32_t lengths[] = { 0, 1, 35, UINT32_MAX, (4 << 20) + 1 };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		begin();
		put(given_table_at(0x200000, "MCFG", "body", 4) + 4, lengths[i], 4);
		acpi_init();
		CU_ASSERT_PTR_NULL(acpi_find("MCFG"));
	}
}

static void a_root_table_of_absurd_length_does_not_count(void)
{
	static const uint32_t lengths[] = { 0, 35, UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		begin();
		given_last_table("MCFG", "body", 4);
		put(at(ROOT + 4), lengths[i], 4);
		acpi_init();
		CU_ASSERT_PTR_NULL(acpi_find("MCFG"));
	}
}

static void addresses_of_nothing_are_skipped(void)
{
	begin();
	put(at(ROOT + 36), 0, 8);
	put(at(ROOT + 44), UINT64_MAX, 8);
	roots = 2;
	given_table_at(0x200000, "MCFG", "body", 4);
	acpi_init();
	CU_ASSERT_PTR_NOT_NULL(acpi_find("MCFG"));
}

static void a_madt_may_end_anywhere(void)			/* A1 */
{
	uint8_t body[8 + 24 + 16 + 12 + 10], *end = body + 8;

	memset(body, 0, sizeof(body));
	end += apic_entry(end, 1, 1);
	end += apic_entry(end, 2, 1);
	end += apic_entry(end, 3, 1);
	end += x2apic_entry(end, 4, 1);
	memcpy(end, (uint8_t[22]){ 1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0, 2, 10, 0, 4, 5 }, 22);
	for (uint32_t bytes = 0; bytes <= sizeof(body); bytes++) {
		begin();
		given_last_table("APIC", body, bytes);
		acpi_init();
		CU_ASSERT_EQUAL(acpi_info.cpu_count, bytes < 16 ? 0 : bytes < 24 ? 1 : bytes < 32 ? 2 : bytes < 48 ? 3 : 4);
		CU_ASSERT_EQUAL(acpi_info.ioapic_count, bytes >= 60);
	}
}

static void a_madt_entry_without_length_ends_the_table(void)
{
	uint8_t body[8 + 16] = { 0 };

	for (uint8_t length = 0; length < 2; length++) {
		apic_entry(body + 8, 1, 1);
		body[9] = length;
		apic_entry(body + 16, 2, 1);
		begin();
		given_last_table("APIC", body, sizeof(body));
		acpi_init();
		CU_ASSERT_EQUAL(acpi_info.cpu_count, 0);
	}
}

static void more_cpus_and_ioapics_than_fit_are_left_out(void)
{
	static uint8_t body[8 + 200 * 16 + 40 * 12];
	uint8_t *end = body + 8;

	for (uint32_t id = 0; id < 200; id++)
		end += x2apic_entry(end, id + 1000, 1);
	for (int i = 0; i < 40; i++, end += 12)
		memcpy(end, (uint8_t[12]){ 1, 12 }, 12);
	begin();
	given_last_table("APIC", body, sizeof(body));
	acpi_init();
	CU_ASSERT_EQUAL(acpi_info.cpu_count, MAX_CPUS);
	CU_ASSERT_EQUAL(acpi_info.ioapic_count, ACPI_IOAPICS_MAX);
}

static void given_fadt(uint32_t bytes, const void *aml, uint32_t aml_bytes)
{
	static uint8_t fadt[244 - 36];

	memset(fadt, 0, sizeof(fadt));
	put(fadt + 40 - 36, 0x300000, 4);
	put(fadt + 48 - 36, 0xb2, 4);
	fadt[52 - 36] = 0xa0;
	put(fadt + 64 - 36, 0x604, 4);
	put(fadt + 76 - 36, 0x608, 4);
	put(fadt + 112 - 36, 1 << 8 | 1 << 10, 4);
	memcpy(fadt + 116 - 36, (uint8_t[12]){ 1, 8, 0, 1, 0xf9, 0x0c }, 12);
	fadt[128 - 36] = 0x0f;
	begin();
	given_table_at(0x300000, "DSDT", aml, aml_bytes);
	roots = 0;
	given_root();
	given_last_table("FACP", fadt, bytes - 36);
}

static void a_fadt_may_end_anywhere(void)			/* A1 */
{
	for (uint32_t bytes = 36; bytes <= 244; bytes++) {
		given_fadt(bytes, "", 0);
		acpi_init();
		CU_ASSERT_EQUAL(acpi_info.pm1_control[0], bytes >= 68 ? 0x604 : 0);
		CU_ASSERT_EQUAL(acpi_info.pm_timer_port, bytes >= 80 ? 0x608 : 0);
		CU_ASSERT_EQUAL(acpi_info.reset_port, bytes >= 128 ? 0xcf9 : 0);
	}
}

/* Name(_S5_, Package() { 5, 1, 0, 0 }), and where it may be cut. */
static const uint8_t s5[] = { 0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 0x05, 0x01, 0x00, 0x00 };

static void a_dsdt_may_end_anywhere(void)			/* A1 */
{
	for (uint32_t bytes = 0; bytes <= sizeof(s5); bytes++) {
		given_fadt(244, "", 0);
		put(at(TABLES_END - 244 + 40), TABLES_END - 244 - 36 - bytes, 4);
		mend_checksum(at(TABLES_END - 244), 244);
		given_table_at(TABLES_END - 244 - 36 - bytes, "DSDT", s5, bytes);
		acpi_init();
		CU_ASSERT_EQUAL(acpi_info.has_s5, bytes >= 12);
	}
}

static void what_only_looks_like_s5_does_not_count(void)
{
	static const uint8_t wrong[][16] = {
		{ 0x10, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 0x05, 0x01 },	/* no Name */
		{ 0x08, '_', 'S', '5', '_', 0x11, 0x07, 0x04, 0x0a, 0x05, 0x01 },	/* no Package */
		{ 0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0c, 0x05, 0x01 },	/* no small number */
		{ 0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 0x05, 0x0c },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		given_fadt(244, wrong[i], sizeof(wrong[i]));
		acpi_init();
		CU_ASSERT_FALSE(acpi_info.has_s5);
	}
}

static void random_tables_do_no_harm(void)			/* A1 */
{
	static const char *const signatures[] = { "APIC", "FACP", "MCFG", "SSDT" };
	uint64_t seed = 7;
	uint8_t body[200];

	for (int round = 0; round < 4000; round++) {
		uint32_t bytes;

		for (size_t i = 0; i < sizeof(body); i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			body[i] = (uint8_t)(seed >> 40) & (seed >> 50 & 1 ? 0xff : 0x0f);
		}
		bytes = seed >> 33 & 127;
		/* No pointer to where there is nothing: the fake machine has a mapping for what the core maps. */
		memset(body + 4, 0, 4);
		memset(body + 104, 0, 8);
		begin();
		given_last_table(signatures[round % 4], body, bytes);
		acpi_init();
		CU_ASSERT(acpi_info.cpu_count <= MAX_CPUS && acpi_info.ioapic_count <= ACPI_IOAPICS_MAX);
	}
}

/* ---- as it should be ---- */

static void the_tables_are_found_through_the_bios_area(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	roots = 0;
	given_rsdp(at(0xf5a10), 2);
	given_root();
	given_table_at(0x200000, "MCFG", "body", 4);
	acpi_init();
	CU_ASSERT_PTR_EQUAL(acpi_find("MCFG"), at(0x200000));
	CU_ASSERT_EQUAL(acpi_find("MCFG")->bytes, 40);
}

static void an_old_machine_has_an_rsdt(void)
{
	begin();
	given_rsdp(boot_info.rsdp, 0);
	given_table_at(0x200000, "DMAR", "body", 4);
	memcpy(at(ROOT + 0x1000), "RSDT", 4);
	put(at(ROOT + 0x1004), 40, 4);
	put(at(ROOT + 0x1024), 0x200000, 4);
	mend_checksum(at(ROOT + 0x1000), 40);
	acpi_init();
	CU_ASSERT_PTR_NOT_NULL(acpi_find("DMAR"));
}

static void cpus_that_are_disabled_or_named_twice_count_once(void)
{
	uint8_t body[8 + 5 * 8 + 2 * 16] = { 0 }, *end = body + 8;

	end += apic_entry(end, 0, 1);
	end += apic_entry(end, 2, 1);
	end += apic_entry(end, 4, 0);
	end += apic_entry(end, 0xff, 1);
	end += apic_entry(end, 2, 1);
	end += x2apic_entry(end, 2, 1);
	end += x2apic_entry(end, 300, 1);
	begin();
	given_last_table("APIC", body, sizeof(body));
	acpi_init();
	CU_ASSERT_EQUAL(acpi_info.cpu_count, 3);
	CU_ASSERT_EQUAL(acpi_info.apic_id[1], 2);
	CU_ASSERT_EQUAL(acpi_info.apic_id[2], 300);
}

static void power_off_and_reset_are_found(void)
{
	given_fadt(244, s5, sizeof(s5));
	acpi_init();
	CU_ASSERT_TRUE(acpi_info.has_s5);
	CU_ASSERT_EQUAL(acpi_info.s5[0], 5);
	CU_ASSERT_EQUAL(acpi_info.s5[1], 1);
	CU_ASSERT_EQUAL(acpi_info.smi_command, 0xb2);
	CU_ASSERT_EQUAL(acpi_info.smi_enable, 0xa0);
	CU_ASSERT_EQUAL(acpi_info.reset_port, 0xcf9);
	CU_ASSERT_EQUAL(acpi_info.reset_value, 0x0f);
}

static const struct unit_case cases[] = {
	UNIT_CASE(without_tables_there_is_nothing),
	UNIT_CASE(a_root_pointer_with_a_wrong_checksum_does_not_count),
	UNIT_CASE(tables_with_a_wrong_checksum_do_not_count),
	UNIT_CASE(tables_of_absurd_length_do_not_count),
	UNIT_CASE(a_root_table_of_absurd_length_does_not_count),
	UNIT_CASE(addresses_of_nothing_are_skipped),
	UNIT_CASE(a_madt_may_end_anywhere),
	UNIT_CASE(a_madt_entry_without_length_ends_the_table),
	UNIT_CASE(more_cpus_and_ioapics_than_fit_are_left_out),
	UNIT_CASE(a_fadt_may_end_anywhere),
	UNIT_CASE(a_dsdt_may_end_anywhere),
	UNIT_CASE(what_only_looks_like_s5_does_not_count),
	UNIT_CASE(random_tables_do_no_harm),
	UNIT_CASE(the_tables_are_found_through_the_bios_area),
	UNIT_CASE(an_old_machine_has_an_rsdt),
	UNIT_CASE(cpus_that_are_disabled_or_named_twice_count_once),
	UNIT_CASE(power_off_and_reset_are_found),
};

int main(void)
{
	return unit_run("acpi", cases, ARRAY_SIZE(cases));
}
