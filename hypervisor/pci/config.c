/* SPDX-License-Identifier: MIT */
/*
 * Configuration space as a domain sees it, by the ports that every PC has. It sees its own functions, where they are, and
 * reads what is there. What it may write:
 *
 *   command          bus master, if pci_may_be_master(); memory stays on, I/O ports and the interrupt line stay off
 *   BARs             all ones, and the next read gives the size; anything else has no effect
 *   all other        nothing: MSI and MSI-X are physdev_op's, resets and power the core's, and what a function has in its
 *                    vendor's capabilities its memory has too
 */
#include "pci/function.h"

/* The registers of I/O ports, which nobody is given, read as if they were not there. */
static uint32_t bar_read(const struct pci_function *function, uint32_t n)
{
	const struct pci_bar *bar = &function->bar[n];
	bool is_size = function->sized & 1u << n;

	if (n > 0 && (bar[-1].flags & BAR_64))
		return (uint32_t)((is_size ? -bar[-1].bytes : bar[-1].start) >> 32);
	return bar->bytes ? (uint32_t)(is_size ? -bar->bytes : bar->start) | bar->flags : 0;
}

static uint32_t config_read(const struct pci_function *function, uint32_t at, uint32_t bytes)
{
	if (at >= PCI_BAR && at < PCI_BAR_END)
		return bar_read(function, (at - PCI_BAR) / 4) >> at % 4 * 8 & (uint32_t)operand_mask(bytes);
	if (at >= PCI_ROM && at < PCI_ROM + 4)
		return 0;
	return function_read(function, at, bytes);
}

static void command_write(const struct pci_function *function, uint32_t at, uint32_t bytes, uint32_t value)
{
	uint32_t shift = at % 4 * 8, mask = (uint32_t)operand_mask(bytes), command = function_read(function, PCI_COMMAND, 2);

	command = (command & ~(mask << shift)) | (value & mask) << shift;
	command = pci_may_be_master(function) ? command & COMMAND_MASTER : 0;
	function_write(function, PCI_COMMAND, 2, command | COMMAND_MEMORY | COMMAND_NO_INTX);
}

static void config_write(struct pci_function *function, uint32_t at, uint32_t bytes, uint32_t value)
{
	if (at >= PCI_BAR && at < PCI_BAR_END && bytes == 4) {
		uint32_t bit = 1u << (at - PCI_BAR) / 4;

		function->sized = value == UINT32_MAX ? function->sized | bit : function->sized & ~bit;
	} else if (at >= PCI_COMMAND && at < PCI_STATUS) {
		command_write(function, at, bytes, value);
	}
}

static void data_access(struct domain *domain, uint32_t at, uint32_t bytes, bool is_out, uint32_t *value)
{
	uint32_t address = read_once(&domain->pci_address);
	struct pci_function *function;

	at |= address & 0xfc;
	spin_lock(&pci_lock);
	function = address & PCI_ADDRESS_ENABLED && at % bytes == 0 ? pci_find(address >> 8 & 0xffff) : NULL;
	if (!function || function->owner != domain || function->is_stopped)		/* Q1 */
		*value = UINT32_MAX;
	else if (is_out)
		config_write(function, at, bytes, *value);
	else
		*value = config_read(function, at, bytes);
	spin_unlock(&pci_lock);
}

/*
 * To a domain without functions there is no PCI at all. Which register it means is remembered all the same: it may be
 * given one before it reads.
 */
bool pci_port(struct domain *domain, uint16_t port, uint32_t bytes, bool is_out, uint32_t *value)
{
	bool is_address = port == PCI_PORT_ADDRESS && bytes == 4;

	if (is_address && is_out)
		write_once(&domain->pci_address, *value);
	if (!read_once(&domain->pci_functions))
		return false;
	if (is_address) {
		*value = read_once(&domain->pci_address);
		return true;
	}
	if (port < PCI_PORT_DATA || port >= PCI_PORT_DATA + 4)
		return false;
	data_access(domain, port % 4, bytes, is_out, value);
	return true;
}
