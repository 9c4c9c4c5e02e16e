/* SPDX-License-Identifier: MIT */
#include "runtime/pci.h"

#include "runtime/console.h"
#include "runtime/events.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

#define PCI_WINDOW 0x7d0000000000UL	/* where BARs are mapped, one behind the other */
#define PCI_WINDOW_END 0x7e0000000000UL
#define PCI_PORT_ADDRESS 0xcf8
#define PCI_PORT_DATA 0xcfc
#define PTE_UNCACHED (1UL << 3 | 1UL << 4)

#define CONFIG_VENDOR 0x00
#define CONFIG_COMMAND 0x04
#define COMMAND_MEMORY (1u << 1)
#define COMMAND_MASTER (1u << 2)
#define COMMAND_NO_INTX (1u << 10)
#define CONFIG_STATUS 0x06
#define CONFIG_CLASS 0x08
#define CONFIG_HEADER 0x0e
#define CONFIG_BAR 0x10
#define CONFIG_CAPABILITIES 0x34
#define STATUS_CAPABILITIES (1u << 4)
#define BAR_IO 1u
#define BAR_64 4u
#define BAR_FLAGS 0xfu
#define CAPABILITY_MSI 0x05
#define CAPABILITY_MSIX 0x11
#define MSIX_TABLE 4
#define MSIX_BAR 7u

static uint64_t pci_next = PCI_WINDOW;

/* ---- configuration space ---- */

static void port_write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* The kernel of a paravirtual domain is not of ring 0: it asks for I/O privilege once. */
static void select(uint32_t address, uint32_t offset)
{
	static bool has_privilege;
	struct physdev_set_iopl iopl = { 1 };

	if (!has_privilege)
		ASSERT(hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl) == 0);
	has_privilege = true;
	port_write32(PCI_PORT_ADDRESS, 1u << 31 | (address & 0xffff) << 8 | (offset & 0xfc));
}

uint32_t pci_read(const struct pci_function *function, uint32_t offset, unsigned int bytes)
{
	uint16_t port = (uint16_t)(PCI_PORT_DATA + offset % 4);
	uint32_t value = 0;

	ASSERT(offset < 256 && offset % bytes == 0 && bytes <= 4);
	select(function->address, offset);
	if (bytes == 4)
		__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	else if (bytes == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(value) : "Nd"(port) : "memory");
	else
		__asm__ volatile("inb %1, %b0" : "+a"(value) : "Nd"(port) : "memory");
	return value;
}

void pci_write(const struct pci_function *function, uint32_t offset, unsigned int bytes, uint32_t value)
{
	uint16_t port = (uint16_t)(PCI_PORT_DATA + offset % 4);

	ASSERT(offset < 256 && offset % bytes == 0 && bytes <= 4);
	select(function->address, offset);
	if (bytes == 4)
		port_write32(port, value);
	else if (bytes == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port) : "memory");
	else
		__asm__ volatile("outb %b0, %1" : : "a"(value), "Nd"(port) : "memory");
}

void pci_enable(const struct pci_function *function)
{
	pci_write(function, CONFIG_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX);
}

void pci_enable_dma(const struct pci_function *function)
{
	pci_write(function, CONFIG_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX | COMMAND_MASTER);
}

/* A list that bites its own tail ends after as many as there is room for. */
uint32_t pci_capability(const struct pci_function *function, uint8_t id, uint32_t after)
{
	uint32_t at = after ? after + 1 : CONFIG_CAPABILITIES;

	if (!(pci_read(function, CONFIG_STATUS, 2) & STATUS_CAPABILITIES))
		return 0;
	for (unsigned int turn = 0; turn < 48; turn++) {
		at = pci_read(function, at, 1) & 0xfc;
		if (at < 0x40)
			return 0;
		if (pci_read(function, at, 1) == id)
			return at;
		at++;
	}
	return 0;
}

/* ---- BARs ---- */

/* All ones read back as the mask of its size. Returns how many registers it takes. */
static unsigned int bar_read(struct pci_function *function, unsigned int bar)
{
	uint32_t at = CONFIG_BAR + 4 * bar, low = pci_read(function, at, 4), high = 0, mask_low, mask_high = UINT32_MAX;
	bool is_64 = !(low & BAR_IO) && (low & 6) == BAR_64 && bar + 1 < PCI_BARS;
	uint64_t mask;

	pci_write(function, at, 4, UINT32_MAX);
	mask_low = pci_read(function, at, 4);
	pci_write(function, at, 4, low);
	if (is_64) {
		high = pci_read(function, at + 4, 4);
		pci_write(function, at + 4, 4, UINT32_MAX);
		mask_high = pci_read(function, at + 4, 4);
		pci_write(function, at + 4, 4, high);
	}
	if (!(low & BAR_IO) && mask_low) {
		mask = (uint64_t)mask_high << 32 | (mask_low & ~BAR_FLAGS);
		function->bar[bar] = (uint64_t)high << 32 | (low & ~BAR_FLAGS);
		function->bar_bytes[bar] = function->bar[bar] ? ~mask + 1 : 0;
	}
	return is_64 ? 2 : 1;
}

int pci_open(uint32_t address, struct pci_function *function)
{
	uint32_t id, msix;

	memset(function, 0, sizeof(*function));
	function->address = address;
	id = pci_read(function, CONFIG_VENDOR, 4);
	if (id == UINT32_MAX || address > 0xffff || (pci_read(function, CONFIG_HEADER, 1) & 0x7f))
		return -XEN_ENODEV;
	function->vendor = (uint16_t)id;
	function->device = (uint16_t)(id >> 16);
	function->class_code = pci_read(function, CONFIG_CLASS, 4) >> 8;
	for (unsigned int bar = 0; bar < PCI_BARS;)
		bar += bar_read(function, bar);
	msix = pci_capability(function, CAPABILITY_MSIX, 0);
	if (msix)
		function->msix_bar = pci_read(function, msix + MSIX_TABLE, 4) & MSIX_BAR;
	if (msix && function->msix_bar < PCI_BARS)	/* 6 and 7 are reserved: such a table is nowhere */
		function->msix_vectors = (uint16_t)((pci_read(function, msix + 2, 2) & 0x7ff) + 1);
	function->has_msi = pci_capability(function, CAPABILITY_MSI, 0);
	return 0;
}

static int map_pages(uint64_t machine, uint64_t bytes)
{
	int error = 0;

	for (uint64_t done = 0; done < bytes && !error; done += PAGE_SIZE)
		error = memory_map(pci_next + done, (machine + done) | PTE_KERNEL | PTE_UNCACHED | PTE_NX);
	return error;
}

/* Mapped once: who asks for the same bytes again, as a driver that starts again, is given the same address. */
volatile void *pci_map(struct pci_function *function, unsigned int bar, uint64_t offset, uint64_t bytes)
{
	uint64_t size = bar < PCI_BARS ? function->bar_bytes[bar] : 0, machine, page;
	volatile void *address;
	int error;

	if (!bytes || offset > size || bytes > size - offset)
		return NULL;
	for (unsigned int i = 0; i < function->mapping_count; i++)
		if (function->mapping[i].bar == bar && offset >= function->mapping[i].offset &&
		    offset + bytes <= function->mapping[i].offset + function->mapping[i].bytes)
			return function->mapping[i].at + (offset - function->mapping[i].offset);
	machine = function->bar[bar] + offset;
	page = machine % PAGE_SIZE;
	if (function->mapping_count == PCI_MAPPINGS || bytes > PCI_WINDOW_END - PAGE_SIZE - pci_next)
		return NULL;
	error = map_pages(machine - page, page + bytes);
	if (error) {
		printf("pci %04x: BAR %u from 0x%lx on: %lu bytes cannot be mapped: error %d\n", function->address, bar, offset, bytes,
		       -error);
		return NULL;
	}
	address = (volatile uint8_t *)pci_next + page;
	pci_next += (page + bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
	function->mapping[function->mapping_count++] = (struct pci_mapping){ bar, offset, bytes, address };
	return address;
}

/* ---- interrupts ---- */

int pci_interrupt(struct pci_function *function, unsigned int vector, uint32_t *port)
{
	struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI, .index = -1, .pirq = -1 };
	struct evtchn_bind_pirq bind = { 0 };
	int error;

	if (vector >= PCI_PORTS || (function->msix_vectors ? vector >= function->msix_vectors : vector || !function->has_msi))
		return -XEN_ENODEV;
	*port = function->port[vector];
	if (*port)
		return 0;
	map.bus = (int)(function->address >> 8);
	map.devfn = (int)(function->address & 0xff);
	map.entry_nr = (int)vector;
	map.table_base = function->msix_vectors ? function->bar[function->msix_bar] : 0;
	error = (int)hypercall(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &map);
	if (error)
		return error;
	bind.pirq = (uint32_t)map.pirq;
	error = (int)hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind);
	if (error)
		return error;
	*port = function->port[vector] = bind.port;
	return event_unmask(bind.port);
}
