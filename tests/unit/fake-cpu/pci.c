/* SPDX-License-Identifier: MIT */
#include "pci.h"

#include <string.h>

/* Its table of pirqs is set back for each test. */
#include "../../../hypervisor/pci/msi.c"

#define FUNCTIONS_MAX 16

static struct fake_function functions[FUNCTIONS_MAX];
static uint32_t function_count;
static uint8_t devices[FAKE_DEVICES_BYTES] ALIGNED(4096);

void fake_pci_reset(void)
{
	memset(functions, 0, sizeof(functions));
	memset(devices, 0, sizeof(devices));
	memset(msis, 0, sizeof(msis));
	storm_timer = (struct timer){ .handler = storm_over };
	function_count = 0;
	pci_functions = NULL;
	pci_lock = (struct spinlock)SPINLOCK_FREE;
}

void fake_pci_timers(uint64_t ns)
{
	fake_advance(ns);
	if (storm_timer.deadline_ns && fake.now_ns >= storm_timer.deadline_ns)
		storm_over(NULL);
}

volatile uint32_t *fake_device(paddr_t address)
{
	if (address < FAKE_DEVICES || address >= FAKE_DEVICES + FAKE_DEVICES_BYTES)
		panic("no device memory at %lx", address);
	return (volatile uint32_t *)&devices[address - FAKE_DEVICES];
}

volatile void *mmio_map(paddr_t address, size_t bytes)
{
	(void)fake_device(address + bytes - 1);
	return fake_device(address);
}

/* ---- making one ---- */

struct fake_function *fake_function(uint32_t sbdf, uint16_t vendor, uint16_t device, uint32_t class_code)
{
	struct fake_function *function = &functions[function_count++];

	if (function_count > FUNCTIONS_MAX)
		panic("too many functions");
	function->sbdf = sbdf;
	fake_function_set(function, PCI_ID, 4, (uint32_t)device << 16 | vendor);
	fake_function_set(function, PCI_CLASS, 4, class_code << 8);
	fake_function_set(function, PCI_COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
	return function;
}

struct fake_function *fake_function_find(uint32_t sbdf)
{
	for (uint32_t i = 0; i < function_count; i++)
		if (functions[i].sbdf == sbdf)
			return &functions[i];
	return NULL;
}

void fake_function_set(struct fake_function *function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	memcpy(&function->byte[offset], &value, bytes);
}

uint32_t fake_function_get(const struct fake_function *function, uint32_t offset, uint32_t bytes)
{
	uint32_t value = 0;

	memcpy(&value, &function->byte[offset], bytes);
	return value;
}

void fake_function_bar(struct fake_function *function, uint32_t n, paddr_t start, uint64_t bytes, uint32_t flags)
{
	function->bar_bytes[n] = bytes;
	fake_function_set(function, PCI_BAR + 4 * n, 4, (uint32_t)start | flags);
	if (flags & BAR_64)
		fake_function_set(function, PCI_BAR + 4 * n + 4, 4, (uint32_t)(start >> 32));
}

void fake_function_capability(struct fake_function *function, uint32_t at, uint8_t id)
{
	function->byte[at] = id;
	function->byte[at + 1] = function->byte[PCI_CAPABILITIES];
	function->byte[PCI_CAPABILITIES] = (uint8_t)at;
	function->byte[PCI_STATUS] |= STATUS_CAPABILITIES;
}

void given_functions(void)
{
	struct fake_function *function;

	fake_function(0, 0x8086, 0x29c0, 0x060000);
	function = fake_function(SBDF_MSIX, 0x1af4, 0x1041, 0x020000);
	fake_function_bar(function, 0, BAR_MSIX, PAGE_SIZE, BAR_64);
	fake_function_bar(function, 2, BAR_MSIX_TABLE, 2 * PAGE_SIZE, 0);
	fake_function_bar(function, 4, 0xc000, 32, BAR_IO);
	fake_function_capability(function, 0x40, CAPABILITY_MSIX);
	fake_function_set(function, 0x42, 2, 7);
	fake_function_set(function, 0x44, 4, 2);
	fake_function_capability(function, 0x60, CAPABILITY_EXPRESS);
	fake_function_set(function, 0x64, 4, 1u << 28);
	function = fake_function(SBDF_MSI, 0x1234, 0x11e8, 0x00ff00);
	fake_function_set(function, 0x0e, 1, 0x80);
	fake_function_bar(function, 0, BAR_MSI, 4 * PAGE_SIZE, 0);
	fake_function_bar(function, 1, BAR_SHARED, PAGE_SIZE / 2, 0);
	fake_function_capability(function, 0x50, CAPABILITY_MSI);
	fake_function_set(function, 0x52, 2, 0x0180);
	function = fake_function(SBDF_NEIGHBOUR, 0x1234, 0x1111, 0x030000);
	fake_function_bar(function, 0, BAR_SHARED + PAGE_SIZE / 2, PAGE_SIZE / 2, 0);
	pci_init();
}

/* ---- its registers ---- */

void pci_config_init(void) { }

uint32_t pci_config_read(uint32_t sbdf, uint32_t offset, uint32_t bytes)
{
	const struct fake_function *function = fake_function_find(sbdf);

	ASSERT(offset % bytes == 0 && offset + bytes <= PCI_CONFIG_BYTES, "pci_config.h");
	return function ? fake_function_get(function, offset, bytes) : UINT32_MAX >> (32 - bytes * 8);
}

/* What cannot be written in a BAR: its flags, and what is below its size. */
static void bar_write(struct fake_function *function, uint32_t n, uint32_t value)
{
	uint32_t flags = fake_function_get(function, PCI_BAR + 4 * n, 4) & BAR_FLAGS;

	if (n > 0 && (fake_function_get(function, PCI_BAR + 4 * (n - 1), 4) & (BAR_64 | BAR_IO)) == BAR_64)
		fake_function_set(function, PCI_BAR + 4 * n, 4, value & (uint32_t)(-function->bar_bytes[n - 1] >> 32));
	else if (function->bar_bytes[n])
		fake_function_set(function, PCI_BAR + 4 * n, 4, (value & (uint32_t)-function->bar_bytes[n]) | flags);
}

static void reset(struct fake_function *function)
{
	function->resets++;
	fake_function_set(function, PCI_COMMAND, 2, 0);
	for (uint32_t n = 0; n < BARS; n++)
		bar_write(function, n, 0);
}

void pci_config_write(uint32_t sbdf, uint32_t offset, uint32_t bytes, uint32_t value)
{
	struct fake_function *function = fake_function_find(sbdf);
	uint32_t express = function && function->byte[0x60] == CAPABILITY_EXPRESS ? 0x60 : 0;

	ASSERT(function && offset % bytes == 0 && offset + bytes <= PCI_CONFIG_BYTES, "pci_config.h");
	if (offset >= PCI_BAR && offset < PCI_BAR_END) {
		ASSERT(bytes == 4, "whole BARs");
		bar_write(function, (offset - PCI_BAR) / 4, value);
		return;
	}
	if (offset == PCI_COMMAND)
		function->masters += (value & COMMAND_MASTER) && !(function->byte[PCI_COMMAND] & COMMAND_MASTER);
	if (express && offset == express + 8 && (value & 0x8000))
		reset(function);
	else
		fake_function_set(function, offset, bytes, value);
}

/* ---- what must be true ---- */

static bool entry_has_pirq(const struct pci_function *function, uint32_t entry)
{
	for (uint32_t pirq = 0; pirq < PIRQ_COUNT; pirq++)
		if (msis[pirq].function == function && msis[pirq].entry == entry)
			return true;
	return false;
}

static const char *complaint_of(const struct pci_function *function)
{
	const struct fake_function *machine = fake_function_find(function->sbdf);
	uint32_t pirqs = 0;

	for (uint32_t pirq = 0; pirq < PIRQ_COUNT; pirq++)
		pirqs += msis[pirq].function == function;
	if (pirqs != function->msis || (pirqs && !function->owner))
		return "a function has other pirqs than it counts, or no owner";
	if (!function->is_assignable)
		return function->owner ? "a bridge has an owner" : NULL;
	if ((fake_function_get(machine, PCI_COMMAND, 2) & COMMAND_MASTER) && !pci_may_be_master(function))
		return "a function is a bus master without an owner or a pool: Q2";
	for (uint32_t entry = 0; function->owner && entry < function->msix_count; entry++)
		if (!(function->msix_table[entry * ENTRY_WORDS + ENTRY_CONTROL] & ENTRY_MASKED) && !entry_has_pirq(function, entry))
			return "an MSI-X entry is not masked and has no pirq: Q6";
	for (uint32_t n = 0; function->owner && !function->is_stopped && n < BARS; n++)
		if (fake_function_get(machine, PCI_BAR + 4 * n, 4) != function->header[PCI_BAR / 4 + n])
			return "a BAR was moved: Q5";
	return NULL;
}

const char *fake_pci_complaint(void)
{
	const char *wrong = NULL;

	for (const struct pci_function *function = pci_functions; function && !wrong; function = function->next)
		wrong = complaint_of(function);
	return wrong;
}
