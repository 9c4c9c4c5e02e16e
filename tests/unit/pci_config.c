/* SPDX-License-Identifier: MIT */
/* cpu/pci_config.c: by which of two ways a register is reached, and that MCFG is not believed. */
#define SKINK_OPS_H		/* in place of cpu/ops.h: ports behind which a small configuration space stands */

#include "fake.h"

#include <string.h>

#define BUS_BYTES	(1UL << 20)
#define FUNCTION	0x0108		/* 01:01.0, there by both ways */

static uint8_t by_port[256], bridge_by_port[256];
static uint8_t ecam_memory[2 * BUS_BYTES] __attribute__((aligned(4096)));
static uint32_t latch, port_accesses;

static void *port_place(uint16_t port)
{
	static uint8_t nothing[4];

	port_accesses++;
	memset(nothing, 0xff, sizeof(nothing));
	if (latch == (1u << 31 | (latch & 0xfc)))
		return &bridge_by_port[(latch & 0xfc) + (port & 3)];
	return latch >> 8 == (1u << 23 | FUNCTION) ? &by_port[(latch & 0xfc) + (port & 3)] : nothing;
}

#define PORT(bits)										\
	static inline uint##bits##_t port_in##bits(uint16_t port)				\
	{											\
		uint##bits##_t value;								\
												\
		memcpy(&value, port_place(port), sizeof(value));				\
		return value;									\
	}											\
	static inline void port_out##bits(uint16_t port, uint##bits##_t value)			\
	{											\
		if (port == 0xcf8)								\
			latch = (uint32_t)value;						\
		else										\
			memcpy(port_place(port), &value, sizeof(value));			\
	}
PORT(8)
PORT(16)
PORT(32)

#define pci_config_init		real_pci_config_init
#define pci_config_read		real_pci_config_read
#define pci_config_write	real_pci_config_write
#include "../../hypervisor/cpu/pci_config.c"

#include "unit.h"

static struct { struct acpi_table header; uint8_t reserved[8], entry[2][16]; } PACKED mcfg;
static uint32_t maps;

const struct acpi_table *acpi_find(const char *signature) { return mcfg.header.bytes ? &mcfg.header : NULL; }

uint64_t acpi_field(const struct acpi_table *table, uint32_t offset, uint32_t bytes)
{
	uint64_t value = 0;

	if (table && offset + bytes <= table->bytes)
		memcpy(&value, (const uint8_t *)table + offset, bytes);
	return value;
}

volatile void *mmio_map(paddr_t address, size_t bytes)
{
	CU_ASSERT_EQUAL(address, 0xb0000000);
	CU_ASSERT_EQUAL(bytes, sizeof(ecam_memory));
	maps++;
	return ecam_memory;
}

static void given_entry(uint32_t n, uint64_t base, uint16_t segment, uint8_t first, uint8_t last)
{
	memcpy(mcfg.entry[n], &base, 8);
	memcpy(mcfg.entry[n] + 8, &segment, 2);
	mcfg.entry[n][10] = first;
	mcfg.entry[n][11] = last;
	mcfg.header.bytes = 44 + (n + 1) * 16;
}

static void given(void)
{
	memset(&mcfg, 0, sizeof(mcfg));
	memset(by_port, 0, sizeof(by_port));
	memset(ecam_memory, 0, sizeof(ecam_memory));
	ecam = NULL;
	maps = 0;
	memcpy(ecam_memory, "\x86\x80\xc0\x29", 4);
	memcpy(bridge_by_port, "\x86\x80\xc0\x29", 4);
	memcpy(by_port, "\x34\x12\xe8\x11", 4);
	memcpy(&ecam_memory[FUNCTION << 12], "\x34\x12\xe8\x11", 4);
	by_port[0x41] = 0x55;
	ecam_memory[(FUNCTION << 12) + 0x41] = 0xaa;
}

static void check_widths(uint8_t *space)
{
	real_pci_config_write(FUNCTION, 0x20, 4, 0x44332211);
	real_pci_config_write(FUNCTION, 0x23, 1, 0x99);
	real_pci_config_write(FUNCTION, 0x20, 2, 0x8877);
	CU_ASSERT_EQUAL(memcmp(space + 0x20, "\x77\x88\x33\x99", 4), 0);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x20, 4), 0x99338877);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x22, 2), 0x9933);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x23, 1), 0x99);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0, 4), 0x11e81234);
	CU_ASSERT(!spin_is_locked(&port_lock));
}

static void without_mcfg_registers_are_behind_ports(void)
{
	given();
	real_pci_config_init();
	CU_ASSERT_EQUAL(maps, 0);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x41, 1), 0x55);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION + 8, 0, 4), UINT32_MAX);
	check_widths(by_port);
}

static void with_mcfg_no_port_is_touched(void)
{
	given();
	given_entry(0, 0xc0000000, 1, 0, 255);		/* another segment's */
	given_entry(1, 0xb0000000, 0, 0, 1);
	real_pci_config_init();
	CU_ASSERT_EQUAL(maps, 1);
	port_accesses = 0;
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x41, 1), 0xaa);
	check_widths(&ecam_memory[FUNCTION << 12]);
	CU_ASSERT_EQUAL(port_accesses, 0);
	/* Behind the last bus there are ports again. */
	CU_ASSERT_EQUAL(real_pci_config_read(0x200, 0, 4), UINT32_MAX);
	CU_ASSERT_EQUAL(port_accesses, 1);
}

static void mcfg_that_is_wrong_is_not_used(void)
{
	given();
	given_entry(0, 0xb0000000, 0, 0, 1);
	mcfg.header.bytes = 44 + 15;			/* cut off in its last entry */
	real_pci_config_init();
	CU_ASSERT_EQUAL(maps, 0);
	mcfg.header.bytes = 44 + 16;
	given_entry(0, 0xb0000000, 0, 4, 5);		/* not from bus 0 on */
	real_pci_config_init();
	CU_ASSERT_EQUAL(maps, 0);
	/* Nobody answers there. */
	given_entry(0, 0xb0000000, 0, 0, 1);
	memset(ecam_memory, 0xff, 4);
	real_pci_config_init();
	CU_ASSERT_EQUAL(maps, 1);
	CU_ASSERT_EQUAL(real_pci_config_read(FUNCTION, 0x41, 1), 0x55);
	CU_ASSERT(strstr(fake.log, "ports are used") != NULL);
}

static const struct unit_case cases[] = {
	UNIT_CASE(without_mcfg_registers_are_behind_ports),
	UNIT_CASE(with_mcfg_no_port_is_touched),
	UNIT_CASE(mcfg_that_is_wrong_is_not_used),
};

int main(void) { return unit_run("pci_config", cases, ARRAY_SIZE(cases)); }
