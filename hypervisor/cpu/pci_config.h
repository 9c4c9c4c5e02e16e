/* SPDX-License-Identifier: MIT */
/*
 * Configuration space of the machine's PCI functions, as it is: memory-mapped (ECAM) where ACPI's MCFG says so, else
 * ports 0xcf8 and 0xcfc. `sbdf`: bus << 8 | slot << 3 | function; of segment 0, which is all there is on most machines.
 */
#pragma once

#define PCI_CONFIG_BYTES	256
#define PCI_PORT_ADDRESS	0xcf8
#define PCI_PORT_DATA		0xcfc
#define PCI_ADDRESS_ENABLED	(1u << 31)

void pci_config_init(void);		/* after acpi_init() */

/* 1, 2 or 4 bytes, aligned, in the first 256. What is not there reads as all ones. */
uint32_t pci_config_read(uint32_t sbdf, uint32_t offset, uint32_t bytes);
void pci_config_write(uint32_t sbdf, uint32_t offset, uint32_t bytes, uint32_t value);
