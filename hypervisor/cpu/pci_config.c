/* SPDX-License-Identifier: MIT */
/* Two ways to the same registers (cpu/pci_config.h). */
#include "cpu/pci_config.h"

#include "boot/acpi.h"
#include "cpu/features.h"
#include "cpu/ops.h"

enum mcfg_offset { MCFG_FIRST_ENTRY = 44, MCFG_ENTRY_BYTES = 16, MCFG_SEGMENT = 8, MCFG_FIRST_BUS = 10, MCFG_LAST_BUS = 11 };
#define PCI_ID		0
#define BUS_SHIFT	20		/* a bus has 1 MiB, a function 4 KiB */
#define FUNCTION_SHIFT	12

static volatile uint8_t *ecam;		/* of buses 0 .. last_bus; NULL: by ports */
static uint32_t last_bus;
static struct spinlock port_lock;

static volatile void *ecam_at(uint32_t sbdf, uint32_t offset)
{
	return ecam && sbdf >> 8 <= last_bus ? ecam + ((uint64_t)sbdf << FUNCTION_SHIFT) + offset : NULL;
}

uint32_t pci_config_read(uint32_t sbdf, uint32_t offset, uint32_t bytes)
{
	volatile void *at = ecam_at(sbdf, offset);
	uint16_t port = (uint16_t)(PCI_PORT_DATA + offset % 4);
	uint32_t value;

	if (at)
		return bytes == 1 ? *(volatile uint8_t *)at : bytes == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
	spin_lock(&port_lock);
	port_out32(PCI_PORT_ADDRESS, PCI_ADDRESS_ENABLED | sbdf << 8 | (offset & ~3u));
	value = bytes == 1 ? port_in8(port) : bytes == 2 ? port_in16(port) : port_in32(port);
	spin_unlock(&port_lock);
	return value;
}

void pci_config_write(uint32_t sbdf, uint32_t offset, uint32_t bytes, uint32_t value)
{
	volatile void *at = ecam_at(sbdf, offset);
	uint16_t port = (uint16_t)(PCI_PORT_DATA + offset % 4);

	if (!at) {
		spin_lock(&port_lock);
		port_out32(PCI_PORT_ADDRESS, PCI_ADDRESS_ENABLED | sbdf << 8 | (offset & ~3u));
		if (bytes == 1)
			port_out8(port, (uint8_t)value);
		else if (bytes == 2)
			port_out16(port, (uint16_t)value);
		else
			port_out32(port, value);
		spin_unlock(&port_lock);
	} else if (bytes == 1) {
		*(volatile uint8_t *)at = (uint8_t)value;
	} else if (bytes == 2) {
		*(volatile uint16_t *)at = (uint16_t)value;
	} else {
		*(volatile uint32_t *)at = value;
	}
}

/* Believed if it shows the same host bridge as the ports do. */
static void ecam_try(paddr_t base, uint32_t last)
{
	uint32_t by_ports = pci_config_read(0, PCI_ID, 4);

	last_bus = last;
	ecam = mmio_map(base, (size_t)(last + 1) << BUS_SHIFT);
	if (pci_config_read(0, PCI_ID, 4) == by_ports)
		return;
	log_warning("pci: no configuration space at 0x%lx, where MCFG has it: ports are used\n", base);
	ecam = NULL;
}

void pci_config_init(void)
{
	const struct acpi_table *mcfg = acpi_find("MCFG");

	for (uint32_t at = MCFG_FIRST_ENTRY; mcfg && at + MCFG_ENTRY_BYTES <= mcfg->bytes; at += MCFG_ENTRY_BYTES)
		if (acpi_field(mcfg, at + MCFG_SEGMENT, 2) == 0 && acpi_field(mcfg, at + MCFG_FIRST_BUS, 1) == 0 &&
		    !(acpi_field(mcfg, at, 8) >> cpu_features.address_bits))
			return ecam_try(acpi_field(mcfg, at, 8), (uint32_t)acpi_field(mcfg, at + MCFG_LAST_BUS, 1));
}
