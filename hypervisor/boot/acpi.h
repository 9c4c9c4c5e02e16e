/* SPDX-License-Identifier: MIT */
/* What ACPI's tables say about the machine: read once by acpi_init(), in our own memory from then on. */
#pragma once

#define ACPI_IOAPICS_MAX	16

struct acpi_ioapic {
	paddr_t address;
	uint32_t gsi_base;		/* number of its first input */
	uint32_t id;
};

struct acpi_info {
	uint32_t cpu_count;		/* usable ones; 0: no MADT */
	uint32_t apic_id[MAX_CPUS];	/* in the table's order */
	uint32_t ioapic_count;
	struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];

	uint16_t pm_timer_port;		/* 3.579545 MHz; 0: none */
	uint16_t pm1_control[2];	/* 0: none */
	uint16_t smi_command;		/* enable goes there while SCI_EN is clear */
	uint8_t smi_enable;
	bool has_s5;
	uint8_t s5[2];			/* sleep types of soft-off, for each of pm1_control */
	uint16_t reset_port;		/* 0: none */
	uint8_t reset_value;		/* goes there */
};

extern struct acpi_info acpi_info;

struct acpi_table {
	char signature[4];
	uint32_t bytes;			/* with this header; all of it is mapped, its checksum is right */
	uint8_t revision, checksum;
	char about_its_maker[26];
} PACKED;			/* old firmware aligns nothing */

void acpi_init(void);			/* after paging_init() */

/* MCFG, DMAR and so on; NULL if there is none, or a broken one. */
const struct acpi_table *acpi_find(const char *signature);

/* Little-endian field of 1, 2, 4 or 8 bytes; 0 if the table is too short to have it. */
uint64_t acpi_field(const struct acpi_table *table, uint32_t offset, uint32_t bytes);
