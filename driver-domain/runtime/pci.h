/* SPDX-License-Identifier: MIT */
/*
 * PCI functions that are this domain's, as the core lets it see them: configuration space through ports 0xcf8 and 0xcfc, BARs mapped
 * uncached, MSI-X (or MSI) as event channels.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_BARS 6
#define PCI_MAPPINGS 16
#define PCI_PORTS 16

/* A part of a BAR that is mapped. */
struct pci_mapping {
	unsigned int bar;
	uint64_t offset, bytes;
	volatile uint8_t *at;
};

struct pci_function {
	uint32_t address;		/* bus << 8 | slot << 3 | function */
	uint16_t vendor, device;
	uint32_t class_code;		/* class, subclass, interface in 24 bits */
	uint64_t bar[PCI_BARS];		/* machine address of memory BARs; 0: none */
	uint64_t bar_bytes[PCI_BARS];
	uint16_t msix_vectors;		/* 0: it has no MSI-X */
	unsigned int msix_bar;
	bool has_msi;
	struct pci_mapping mapping[PCI_MAPPINGS];
	unsigned int mapping_count;
	uint32_t port[PCI_PORTS];	/* of each vector; 0: it has none yet */
};

/* 0, or -ENODEV. */
int pci_open(uint32_t address, struct pci_function *function);

/* Its memory answers; no INTx. */
void pci_enable(const struct pci_function *function);
/* It may reach the pool: not before it has acknowledged a reset of its own. */
void pci_enable_dma(const struct pci_function *function);

uint32_t pci_read(const struct pci_function *function, uint32_t offset, unsigned int bytes);
void pci_write(const struct pci_function *function, uint32_t offset, unsigned int bytes, uint32_t value);
/* The next capability with this id behind `after` (0: the first); 0: there is none. */
uint32_t pci_capability(const struct pci_function *function, uint8_t id, uint32_t after);

/*
 * Bytes of a BAR from `offset` on, uncached; the address, or NULL: that is no memory of the function's, or its MSI-X table. What was mapped
 * once stays, and is given again.
 */
volatile void *pci_map(struct pci_function *function, unsigned int bar, uint64_t offset, uint64_t bytes);

/* MSI-X entry `vector` (or MSI, where that is all there is, and vector 0) as an event channel, unmasked; bound once, and given again. 0 or -errno. */
int pci_interrupt(struct pci_function *function, unsigned int vector, uint32_t *port);
