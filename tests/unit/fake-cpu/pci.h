/* SPDX-License-Identifier: MIT */
/*
 * A machine with PCI: configuration space in memory, whose BARs take sizes, and device memory behind FAKE_DEVICES. Tests write
 * a function's registers first, then call pci_init().
 */
#pragma once

#include "fake.h"

#include "pci/function.h"

#define FAKE_DEVICES		0xe0000000UL	/* mmio_map() finds memory here */
#define FAKE_DEVICES_BYTES	0x100000UL

struct fake_function {
	uint32_t sbdf;
	uint8_t byte[PCI_CONFIG_BYTES];
	uint64_t bar_bytes[6];		/* of the register's own 32 bits, or of both with the upper's 0; 0: no BAR */
	uint32_t resets;		/* by PCI Express or AF: clears command and BARs */
	uint32_t masters;		/* how often bus mastering came on */
};

/* A function that is there from now on, with no BAR and no capability. At most 16. */
struct fake_function *fake_function(uint32_t sbdf, uint16_t vendor, uint16_t device, uint32_t class_code);
void fake_function_set(struct fake_function *function, uint32_t offset, uint32_t bytes, uint32_t value);
uint32_t fake_function_get(const struct fake_function *function, uint32_t offset, uint32_t bytes);
struct fake_function *fake_function_find(uint32_t sbdf);	/* NULL: there is none */
/* A memory BAR, 64 bits wide if the flags say so. */
void fake_function_bar(struct fake_function *function, uint32_t n, paddr_t start, uint64_t bytes, uint32_t flags);
/* A capability at `at`, first of the list. */
void fake_function_capability(struct fake_function *function, uint32_t at, uint8_t id);

/* Device memory at a machine address. */
volatile uint32_t *fake_device(paddr_t address);

/* Time goes on, and what the storm's timer was set for happens. */
void fake_pci_timers(uint64_t ns);

/* No function, no pirq; fake_reset() does it where this is linked. */
void fake_pci_reset(void);

/*
 * What the fuzzer and most tests use: a bridge 00:00.0; SBDF_MSIX with a page-sized BAR 0 (64 bits), its table of 8 entries on
 * the first of the two pages of BAR 2, and a reset; SBDF_MSI with BAR 0 of 4 pages, and half a page as BAR 1, whose other
 * half is SBDF_NEIGHBOUR's BAR 0.
 */
#define SBDF_MSIX	0x0008
#define SBDF_MSI	0x0010
#define SBDF_NEIGHBOUR	0x0011
#define BAR_MSIX	FAKE_DEVICES
#define BAR_MSIX_TABLE	(FAKE_DEVICES + 0x10000)
#define BAR_MSI		(FAKE_DEVICES + 0x20000)
#define BAR_SHARED	(FAKE_DEVICES + 0x30000)
void given_functions(void);

/* The first of Q1, Q2 and Q6 that does not hold; NULL: all do. */
const char *fake_pci_complaint(void);
