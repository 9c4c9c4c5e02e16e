/* SPDX-License-Identifier: MIT */
/*
 * ACPI without an interpreter: tables, and one value of the AML byte code.
 * A1  No length and no address in a table is believed: what is not inside a mapped table is read as 0.
 * A2  A table whose checksum is wrong is not there.
 */
#include "boot/acpi.h"

#include "boot/boot_info.h"
#include "cpu/directmap.h"
#include "lib/log.h"
#include "lib/string.h"

#define TABLES_MAX	64
#define TABLE_BYTES_MAX	(4u << 20)
#define BIOS_AREA	0xe0000
#define BIOS_AREA_BYTES	0x20000
#define EBDA_POINTER	0x40e		/* its segment, in the BIOS data area */
#define EBDA_BYTES	1024

enum rsdp_offset { RSDP_REVISION = 15, RSDP_RSDT = 16, RSDP_BYTES_OLD = 20, RSDP_XSDT = 24, RSDP_BYTES_NEW = 36 };

enum fadt_offset {
	FADT_DSDT = 40, FADT_SMI_COMMAND = 48, FADT_ACPI_ENABLE = 52, FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68, FADT_PM_TIMER = 76, FADT_FLAGS = 112, FADT_RESET = 116, FADT_RESET_VALUE = 128,
	FADT_X_DSDT = 140, FADT_X_PM1A_CONTROL = 172, FADT_X_PM1B_CONTROL = 184, FADT_X_PM_TIMER = 208,
};
#define FADT_TIMER_32_BITS	(1u << 8)
#define FADT_HAS_RESET		(1u << 10)

enum madt_entry { MADT_APIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_X2APIC = 9 };
#define MADT_FIRST_ENTRY	44
#define MADT_CPU_ENABLED	1u
#define HPET_REGISTER		40

enum aml_op { AML_ZERO = 0x00, AML_ONE = 0x01, AML_NAME = 0x08, AML_BYTE = 0x0a, AML_PACKAGE = 0x12 };

struct acpi_info acpi_info;

static const struct acpi_table *tables[TABLES_MAX];
static uint32_t table_count;

static uint64_t little_endian(const uint8_t *from, uint32_t bytes)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

uint64_t acpi_field(const struct acpi_table *table, uint32_t offset, uint32_t bytes)
{
	if (!table || (uint64_t)offset + bytes > table->bytes)
		return 0;
	return little_endian((const uint8_t *)table + offset, bytes);
}

static struct acpi_register register_at(const struct acpi_table *table, uint32_t offset)
{
	return (struct acpi_register){ (uint8_t)acpi_field(table, offset, 1), acpi_field(table, offset + 4, 8) };
}

static uint8_t sum(const void *start, size_t bytes)
{
	const uint8_t *byte = start;
	uint8_t total = 0;

	while (bytes-- > 0)
		total = (uint8_t)(total + *byte++);
	return total;
}

static bool is_rsdp(const uint8_t *at)
{
	return !memcmp(at, "RSD PTR ", 8) && sum(at, RSDP_BYTES_OLD) == 0;
}

static bool search_rsdp(paddr_t start, size_t bytes)
{
	const uint8_t *area = boot_map(start, bytes);

	for (size_t at = 0; at + RSDP_BYTES_NEW <= bytes; at += 16)
		if (is_rsdp(area + at)) {
			memcpy(boot_info.rsdp, area + at, RSDP_BYTES_NEW);
			return true;
		}
	return false;
}

static bool find_rsdp(void)
{
	paddr_t ebda;

	if (boot_info.rsdp[0])
		return is_rsdp(boot_info.rsdp);
	ebda = little_endian((const uint8_t *)boot_map(EBDA_POINTER, 2), 2) << 4;
	return (ebda >= 0x80000 && ebda < 0xa0000 && search_rsdp(ebda, EBDA_BYTES)) ||
	       search_rsdp(BIOS_AREA, BIOS_AREA_BYTES);
}

/* A1, A2. NULL if it is no good. */
static const struct acpi_table *map_table(paddr_t address)
{
	const struct acpi_table *table;
	uint32_t bytes;

	if (address == 0 || address >= 1ULL << 52)
		return NULL;
	table = boot_map(address, sizeof(*table));
	bytes = table->bytes;
	if (bytes < sizeof(*table) || bytes > TABLE_BYTES_MAX) {
		log_warning("acpi: a table of %u bytes at 0x%lx is left out\n", bytes, address);
		return NULL;
	}
	table = boot_map(address, bytes);
	if (sum(table, bytes) != 0) {
		log_warning("acpi: wrong checksum: %.4s is left out\n", table->signature);
		return NULL;
	}
	return table;
}

static void add_table(paddr_t address)
{
	const struct acpi_table *table = map_table(address);

	if (table && table_count < TABLES_MAX)
		tables[table_count++] = table;
}

static void add_tables(void)
{
	const struct acpi_table *root = NULL;
	uint32_t entry_bytes = 8;

	if (boot_info.rsdp[RSDP_REVISION] >= 2)
		root = map_table(little_endian(boot_info.rsdp + RSDP_XSDT, 8));
	if (!root || memcmp(root->signature, "XSDT", 4)) {
		root = map_table(little_endian(boot_info.rsdp + RSDP_RSDT, 4));
		entry_bytes = 4;
	}
	for (uint32_t at = sizeof(*root); root && at + entry_bytes <= root->bytes; at += entry_bytes)
		add_table(acpi_field(root, at, entry_bytes));
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
	if (!(flags & MADT_CPU_ENABLED))
		return;
	for (uint32_t i = 0; i < acpi_info.cpu_count; i++)
		if (acpi_info.apic_id[i] == apic_id)
			return;
	if (acpi_info.cpu_count == MAX_CPUS)
		acpi_info.cpus_left_out++;
	else
		acpi_info.apic_id[acpi_info.cpu_count++] = apic_id;
}

static void add_override(uint32_t isa, uint32_t gsi, uint32_t flags)
{
	/* Polarity and trigger: 3 is low or level, 0 as on the ISA bus: high, edge. */
	if (isa < ISA_IRQS)
		acpi_info.isa_irq[isa] = (struct acpi_isa_irq){ gsi, (flags >> 2 & 3) == 3, (flags & 3) == 3 };
}

static void parse_madt_entry(const struct acpi_table *madt, uint32_t at, uint32_t kind)
{
	switch (kind) {
	case MADT_APIC:
		if (acpi_field(madt, at + 3, 1) != 0xff)
			add_cpu((uint32_t)acpi_field(madt, at + 3, 1), (uint32_t)acpi_field(madt, at + 4, 4));
		break;
	case MADT_X2APIC:
		add_cpu((uint32_t)acpi_field(madt, at + 4, 4), (uint32_t)acpi_field(madt, at + 8, 4));
		break;
	case MADT_IOAPIC:
		if (acpi_info.ioapic_count < ACPI_IOAPICS_MAX)
			acpi_info.ioapic[acpi_info.ioapic_count++] = (struct acpi_ioapic){
				acpi_field(madt, at + 4, 4), (uint32_t)acpi_field(madt, at + 8, 4) };
		break;
	case MADT_OVERRIDE:
		add_override((uint32_t)acpi_field(madt, at + 3, 1), (uint32_t)acpi_field(madt, at + 4, 4),
			     (uint32_t)acpi_field(madt, at + 8, 2));
		break;
	}
}

static void parse_madt(const struct acpi_table *madt)
{
	uint32_t at = MADT_FIRST_ENTRY, bytes;

	for (; madt && (bytes = (uint32_t)acpi_field(madt, at + 1, 1)) >= 2; at += bytes)
		if (at + bytes <= madt->bytes)
			parse_madt_entry(madt, at, (uint32_t)acpi_field(madt, at, 1));
}

/* A port that stands in an old field and, with larger tables, in a new one. */
static uint16_t port_of(const struct acpi_table *fadt, uint32_t old, uint32_t new)
{
	struct acpi_register reg = register_at(fadt, new);

	if (reg.address && reg.space == ACPI_SPACE_IO)
		return (uint16_t)reg.address;
	return (uint16_t)acpi_field(fadt, old, 4);
}

/* The element of a package at *at: a small number. */
static bool next_number(const uint8_t *aml, uint32_t bytes, uint32_t *at, uint8_t *value)
{
	if (*at < bytes && (aml[*at] == AML_ZERO || aml[*at] == AML_ONE)) {
		*value = aml[(*at)++];
		return true;
	}
	if (*at + 1 >= bytes || aml[*at] != AML_BYTE)
		return false;
	*value = aml[*at + 1];
	*at += 2;
	return true;
}

/* Name(_S5_, Package(n) { a, b, ... }), at the name. */
static bool parse_s5(const uint8_t *aml, uint32_t bytes, uint32_t at)
{
	bool is_name = (at >= 1 && aml[at - 1] == AML_NAME) ||
		       (at >= 2 && aml[at - 2] == AML_NAME && aml[at - 1] == '\\');

	at += 4;
	if (!is_name || at + 1 >= bytes || aml[at] != AML_PACKAGE)
		return false;
	at += 1 + 1 + (aml[at + 1] >> 6) + 1;	/* operator, length (1 to 4 bytes), number of elements */
	return next_number(aml, bytes, &at, &acpi_info.s5_a) && next_number(aml, bytes, &at, &acpi_info.s5_b);
}

static void search_s5(const struct acpi_table *table)
{
	const uint8_t *aml = (const uint8_t *)table;

	for (uint32_t at = sizeof(*table); !acpi_info.has_s5 && at + 4 <= table->bytes; at++)
		if (!memcmp(aml + at, "_S5_", 4))
			acpi_info.has_s5 = parse_s5(aml, table->bytes, at);
}

static void parse_fadt(const struct acpi_table *fadt)
{
	uint32_t flags = (uint32_t)acpi_field(fadt, FADT_FLAGS, 4);
	const struct acpi_table *dsdt = map_table(acpi_field(fadt, FADT_X_DSDT, 8));

	if (!dsdt)
		dsdt = map_table(acpi_field(fadt, FADT_DSDT, 4));
	if (dsdt)
		search_s5(dsdt);
	for (uint32_t i = 0; i < table_count; i++)
		if (!memcmp(tables[i]->signature, "SSDT", 4))
			search_s5(tables[i]);
	acpi_info.smi_command = (uint16_t)acpi_field(fadt, FADT_SMI_COMMAND, 4);
	acpi_info.smi_enable = (uint8_t)acpi_field(fadt, FADT_ACPI_ENABLE, 1);
	acpi_info.pm1a_control = port_of(fadt, FADT_PM1A_CONTROL, FADT_X_PM1A_CONTROL);
	acpi_info.pm1b_control = port_of(fadt, FADT_PM1B_CONTROL, FADT_X_PM1B_CONTROL);
	acpi_info.pm_timer_port = port_of(fadt, FADT_PM_TIMER, FADT_X_PM_TIMER);
	acpi_info.pm_timer_has_32_bits = flags & FADT_TIMER_32_BITS;
	if (flags & FADT_HAS_RESET) {
		acpi_info.reset = register_at(fadt, FADT_RESET);
		acpi_info.reset_value = (uint8_t)acpi_field(fadt, FADT_RESET_VALUE, 1);
	}
}

void acpi_init(void)
{
	struct acpi_register hpet;

	acpi_info = (struct acpi_info){ .cpu_count = 0 };
	table_count = 0;
	for (uint32_t i = 0; i < ISA_IRQS; i++)
		acpi_info.isa_irq[i] = (struct acpi_isa_irq){ .gsi = i };
	if (!find_rsdp()) {
		log_warning("acpi: no tables found: one CPU, no power-off\n");
		return;
	}
	add_tables();
	parse_madt(acpi_find("APIC"));
	if (acpi_find("FACP"))
		parse_fadt(acpi_find("FACP"));
	hpet = register_at(acpi_find("HPET"), HPET_REGISTER);
	acpi_info.hpet = hpet.space == ACPI_SPACE_MEMORY ? hpet.address : 0;
	log_info("acpi: %u tables, %u CPUs, %u IOAPICs%s%s%s\n", table_count, acpi_info.cpu_count,
		 acpi_info.ioapic_count, acpi_info.pm_timer_port ? ", PM timer" : "",
		 acpi_info.hpet ? ", HPET" : "", acpi_info.has_s5 ? ", soft-off" : "");
}
