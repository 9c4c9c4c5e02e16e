/* SPDX-License-Identifier: MIT */
/*
 * ACPI without an interpreter: tables, and one value of the AML byte code.
 * A1  No length and no address in a table is believed: what is not inside a mapped table is read as 0.
 * A2  A table whose checksum is wrong is not there.
 */
#include "boot/acpi.h"

#include "boot/boot_info.h"
#include "cpu/features.h"

#define TABLES_MAX	64
#define TABLE_BYTES_MAX	(4u << 20)
#define BIOS_AREA	0xe0000
#define BIOS_AREA_BYTES	0x20000

enum rsdp_offset { RSDP_REVISION = 15, RSDP_RSDT = 16, RSDP_BYTES_OLD = 20, RSDP_XSDT = 24 };

enum fadt_offset {
	FADT_DSDT = 40, FADT_SMI_COMMAND = 48, FADT_ACPI_ENABLE = 52, FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68, FADT_PM_TIMER = 76, FADT_FLAGS = 112, FADT_RESET = 116, FADT_RESET_VALUE = 128,
	FADT_RESET_ADDRESS = 120, FADT_X_DSDT = 140,
};
#define FADT_HAS_RESET		(1u << 10)
#define SPACE_IO		1

enum madt_entry { MADT_APIC = 0, MADT_IOAPIC = 1, MADT_X2APIC = 9 };
#define MADT_FIRST_ENTRY	44
#define MADT_CPU_ENABLED	1u

enum aml_op { AML_ONE = 0x01, AML_NAME = 0x08, AML_BYTE = 0x0a };
#define S5_PACKAGE		"_S5_\x12"	/* the name, and the operator for a package */
#define S5_BYTES_MIN		11		/* with its length and four elements */

struct acpi_info acpi_info;

static const struct acpi_table *tables[TABLES_MAX];
static uint32_t table_count;

/* A1 */
uint64_t acpi_field(const struct acpi_table *table, uint32_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	if (table && (uint64_t)offset + bytes <= table->bytes)
		memcpy(&value, (const uint8_t *)table + offset, bytes);
	return value;
}

static bool sum_is_right(const void *start, size_t bytes)
{
	const uint8_t *byte = start;
	uint8_t total = 0;

	while (bytes-- > 0)
		total = (uint8_t)(total + *byte++);
	return total == 0;
}

static bool is_rsdp(const uint8_t *at) { return !memcmp(at, "RSD PTR ", 8) && sum_is_right(at, RSDP_BYTES_OLD); }

static bool find_rsdp(void)
{
	const uint8_t *area = boot_map(BIOS_AREA, BIOS_AREA_BYTES), *at = area;

	for (; !boot_info.rsdp[0] && at + sizeof(boot_info.rsdp) <= area + BIOS_AREA_BYTES; at += 16)
		if (is_rsdp(at))
			memcpy(boot_info.rsdp, at, sizeof(boot_info.rsdp));
	return is_rsdp(boot_info.rsdp);
}

/* A1, A2. NULL if it is no good. */
static const struct acpi_table *map_table(paddr_t address)
{
	const struct acpi_table *table;
	uint32_t bytes;

	if (address == 0 || address >> cpu_features.address_bits)
		return NULL;
	table = boot_map(address, sizeof(*table));
	bytes = table->bytes;
	if (bytes >= sizeof(*table) && bytes <= TABLE_BYTES_MAX) {
		table = boot_map(address, bytes);
		if (sum_is_right(table, bytes))
			return table;
	}
	log_warning("acpi: wrong length or checksum: a table at 0x%lx is left out\n", address);
	return NULL;
}

static void add_tables(void)
{
	uint32_t entry_bytes = boot_info.rsdp[RSDP_REVISION] >= 2 ? 8 : 4;
	const struct acpi_table *root, *table;
	paddr_t address = 0;

	memcpy(&address, boot_info.rsdp + (entry_bytes == 8 ? RSDP_XSDT : RSDP_RSDT), entry_bytes);
	root = map_table(address);
	for (uint32_t at = sizeof(*root); root && at + entry_bytes <= root->bytes; at += entry_bytes) {
		table = map_table(acpi_field(root, at, entry_bytes));
		if (table && table_count < TABLES_MAX)
			tables[table_count++] = table;
	}
}

const struct acpi_table *acpi_find(const char *signature)
{
	for (uint32_t i = 0; i < table_count; i++)
		if (!memcmp(tables[i]->signature, signature, 4))
			return tables[i];
	return NULL;
}

static void add_cpu(uint32_t apic_id, uint32_t flags)
{
	if (!(flags & MADT_CPU_ENABLED) || acpi_info.cpu_count == MAX_CPUS)
		return;
	for (uint32_t i = 0; i < acpi_info.cpu_count; i++)
		if (acpi_info.apic_id[i] == apic_id)
			return;
	acpi_info.apic_id[acpi_info.cpu_count++] = apic_id;
}

/* At `at` of the table, all of it inside. */
static void parse_madt_entry(const struct acpi_table *madt, uint32_t at)
{
	uint32_t byte_2 = acpi_field(madt, at + 2, 1), byte_3 = acpi_field(madt, at + 3, 1);
	uint32_t word_4 = acpi_field(madt, at + 4, 4), word_8 = acpi_field(madt, at + 8, 4);

	switch ((enum madt_entry)acpi_field(madt, at, 1)) {
	case MADT_APIC:
		if (byte_3 != 0xff)
			add_cpu(byte_3, word_4);
		break;
	case MADT_X2APIC:
		add_cpu(word_4, word_8);
		break;
	case MADT_IOAPIC:
		if (acpi_info.ioapic_count < ACPI_IOAPICS_MAX)
			acpi_info.ioapic[acpi_info.ioapic_count++] = (struct acpi_ioapic){ word_4, word_8, byte_2 };
		break;
	}
}

static void parse_madt(const struct acpi_table *madt)
{
	uint32_t at = MADT_FIRST_ENTRY, bytes;

	for (; (bytes = (uint32_t)acpi_field(madt, at + 1, 1)) >= 2; at += bytes)
		if (at + bytes <= madt->bytes)
			parse_madt_entry(madt, at);
}

/* The element of a package at `at`: a small number. Returns what follows, 0 if it is something else. */
static uint32_t take_number(const struct acpi_table *table, uint32_t at, uint8_t *value)
{
	bool has_prefix = acpi_field(table, at, 1) == AML_BYTE;

	*value = (uint8_t)acpi_field(table, at + has_prefix, 1);
	return has_prefix || *value <= AML_ONE ? at + has_prefix + 1 : 0;
}

/* Name(_S5_, Package(n) { a, b, ... }) */
static void search_s5(const struct acpi_table *table)
{
	const uint8_t *aml = (const uint8_t *)table;

	for (uint32_t at = sizeof(*table); table && at + S5_BYTES_MIN <= table->bytes; at++) {
		uint32_t name = aml[at - 1] == '\\' ? at - 2 : at - 1, element;

		if (memcmp(aml + at, S5_PACKAGE, 5) || aml[name] != AML_NAME)
			continue;
		/* Behind the operator: length (1 to 4 bytes), number of elements. */
		element = take_number(table, at + 7 + (aml[at + 5] >> 6), &acpi_info.s5[0]);
		acpi_info.has_s5 = element && take_number(table, element, &acpi_info.s5[1]);
		if (acpi_info.has_s5)
			return;
	}
}

static void parse_fadt(const struct acpi_table *fadt)
{
	const struct acpi_table *dsdt = map_table(acpi_field(fadt, FADT_X_DSDT, 8));

	search_s5(dsdt ? dsdt : map_table(acpi_field(fadt, FADT_DSDT, 4)));
	acpi_info.smi_command = (uint16_t)acpi_field(fadt, FADT_SMI_COMMAND, 4);
	acpi_info.smi_enable = (uint8_t)acpi_field(fadt, FADT_ACPI_ENABLE, 1);
	/* Ports: what newer tables have in 64 bits besides says the same. */
	acpi_info.pm1_control[0] = (uint16_t)acpi_field(fadt, FADT_PM1A_CONTROL, 4);
	acpi_info.pm1_control[1] = (uint16_t)acpi_field(fadt, FADT_PM1B_CONTROL, 4);
	acpi_info.pm_timer_port = (uint16_t)acpi_field(fadt, FADT_PM_TIMER, 4);
	if ((acpi_field(fadt, FADT_FLAGS, 4) & FADT_HAS_RESET) && acpi_field(fadt, FADT_RESET, 1) == SPACE_IO)
		acpi_info.reset_port = (uint16_t)acpi_field(fadt, FADT_RESET_ADDRESS, 8);
	acpi_info.reset_value = (uint8_t)acpi_field(fadt, FADT_RESET_VALUE, 1);
}

void acpi_init(void)
{
	acpi_info = (struct acpi_info){ .cpu_count = 0 };
	table_count = 0;
	if (!find_rsdp()) {
		log_warning("acpi: no tables found: one CPU, no power-off\n");
		return;
	}
	add_tables();
	parse_madt(acpi_find("APIC"));
	parse_fadt(acpi_find("FACP"));
	log_info("acpi: %u tables, %u CPUs, %u IOAPICs%s%s\n", table_count, acpi_info.cpu_count,
		 acpi_info.ioapic_count, acpi_info.pm_timer_port ? ", PM timer" : "",
		 acpi_info.has_s5 ? ", soft-off" : "");
}
