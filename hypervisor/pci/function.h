/* SPDX-License-Identifier: MIT */
/* One function, for the files of pci/ and iommu/ alone; everybody else includes pci.h. */
#pragma once

#include "cpu/pci_config.h"
#include "pci/pci.h"

enum pci_register {		/* of configuration space, header type 0 */
	PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_CLASS = 0x08, PCI_BAR = 0x10,
	PCI_BAR_END = 0x28, PCI_SUBSYSTEM = 0x2c, PCI_ROM = 0x30, PCI_CAPABILITIES = 0x34,
};
#define COMMAND_IO		0x001u
#define COMMAND_MEMORY		0x002u
#define COMMAND_MASTER		0x004u
#define COMMAND_NO_INTX		0x400u
#define STATUS_CAPABILITIES	0x10u

enum pci_capability { CAPABILITY_MSI = 0x05, CAPABILITY_EXPRESS = 0x10, CAPABILITY_MSIX = 0x11, CAPABILITY_AF = 0x13 };

#define BARS		6
#define BAR_IO		1u
#define BAR_64		4u
#define BAR_FLAGS	0xfu

struct pci_bar {
	paddr_t start;
	uint64_t bytes;			/* 0: none, or I/O ports, or the upper half of the one before */
	uint32_t flags;			/* the register's low 4 bits */
};

struct pci_function {
	/* Set at boot, never changed. */
	struct pci_function *next;
	uint32_t sbdf;
	uint32_t header[16];		/* as firmware left it */
	struct pci_bar bar[BARS];
	uint32_t msi, msix, express, af;	/* offsets of capabilities; 0: it has none */
	bool is_assignable;
	uint32_t msix_count;		/* entries; 0: none that can be used */
	paddr_t msix_start;
	volatile uint32_t *msix_table;

	/* pci_lock, and see pci.h */
	struct domain *owner;
	bool is_stopped;		/* its owner dies */
	bool is_attached;		/* to the owner's pool, by the IOMMU */
	uint32_t sized;			/* BARs, a bit each, that were written all ones: they read as sizes */
	uint32_t msis;			/* pirqs that it has */
	bool uses_msix;			/* they are of this kind */
	uint32_t storms;

	/* iommu_lock: iommu/iommu.c */
	uint32_t pool_id;		/* of the pool that it reaches; 0: it is not attached */
	domid_t attached_to;		/* last; DOMID_INVALID: to nobody ever */
	uint64_t faults;		/* what was refused of it since boot, accesses and interrupts; a storm is counted in part only */

	/* The CPU that is interrupted, CPU 0. */
	uint64_t period_start_ns;
	uint32_t period_count;		/* interrupts since then */

	uint32_t mappings;		/* L1 entries for its pages; atomic */
	/* domctl_lock */
	bool is_reset;			/* nobody has used it since */
	uint64_t reset_over_ns;
};

extern struct pci_function *pci_functions;
extern struct spinlock pci_lock;

struct pci_function *pci_find(uint32_t sbdf);		/* NULL: there is none */

static inline uint32_t function_read(const struct pci_function *function, uint32_t offset, uint32_t bytes)
{
	return pci_config_read(function->sbdf, offset, bytes);
}

static inline void function_write(const struct pci_function *function, uint32_t offset, uint32_t bytes, uint32_t value)
{
	pci_config_write(function->sbdf, offset, bytes, value);
}

void pci_reset_start(struct pci_function *function);	/* at function level, if there is one; it lasts */
/* pci_lock is held: no interrupt can come before one is mapped; none comes any more. */
void pci_msi_prepare(const struct pci_function *function);
void pci_msi_disable(const struct pci_function *function);
/* ... and those pirqs that it had go. */
void pci_msi_free(struct pci_function *function);
/* Q2 */
bool pci_may_be_master(const struct pci_function *function);
