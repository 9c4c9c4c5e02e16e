/* SPDX-License-Identifier: MIT */
/*
 * What Dom0 may ask of the core beyond Xen's domctl: commands of our own, in struct xen_domctl of Xen 4.17
 * (interface version 0x15), their argument in its union's first bytes. The rules are domctl's: Domain-0 only, -EPERM to
 * all others; -ESRCH: no such domain; -EINVAL: a value out of range, and nothing has changed.
 */
#pragma once

#include <stdint.h>

#define SKINK_DOMCTL_sched	0x534b0001u	/* struct skink_domctl_sched: read, or set and read */
#define SKINK_DOMCTL_account	0x534b0002u	/* struct skink_domctl_account: read, or set limits and read */
#define SKINK_DOMCTL_dma_pool	0x534b0003u	/* struct skink_domctl_dma_pool: once for each domain */

/* The scheduler's parameters of one domain (borrowed virtual time; Duda and Cheriton, SOSP 1999). */
struct skink_domctl_sched {
	uint32_t set;			/* in: 0 reads, 1 sets all that follows and reads it back */
	uint32_t weight;		/* share of CPU time: 1 .. 65535, 256 is usual */
	uint32_t cap_percent;		/* of one CPU; 0: none */
	uint32_t warp_us;		/* virtual time that a waking vcpu borrows; 0: none */
	uint32_t warp_limit_us;		/* run time before warp is withdrawn; 0: no limit */
};

/* Index into the counts. */
#define SKINK_ACCOUNT_HYPERCALLS		0
#define SKINK_ACCOUNT_EVENTS_SENT		1
#define SKINK_ACCOUNT_GRANT_MAPS		2
#define SKINK_ACCOUNT_GRANT_COPIES		3
#define SKINK_ACCOUNT_PAGE_TABLE_UPDATES	4
#define SKINK_ACCOUNT_KINDS			5

struct skink_domctl_account {
	uint64_t set;				/* in: 0 reads, 1 sets the limits and reads */
	uint64_t used[SKINK_ACCOUNT_KINDS];	/* since the domain was created */
	uint64_t limit[SKINK_ACCOUNT_KINDS];	/* in each period of 10 ms; 0: none */
};

_Static_assert(sizeof(struct skink_domctl_account) <= 128, "the union of struct xen_domctl has 128 bytes");

#define SKINK_DMA_POOL_UNPROTECTED	1u	/* where there is no IOMMU, devices reach all memory: so be it */
#define SKINK_DMA_POOL_FRAMES_MAX	4096u	/* 16 MiB */

/*
 * Frames of the domain, machine-contiguous, that its devices reach, and nothing else. They stay the domain's until its end,
 * and are never page tables. -EINVAL: count, flags, or a frame that is not the domain's; -EBUSY: one is a page table;
 * -EEXIST: it has a pool; -EOPNOTSUPP: no IOMMU guards it, and `flags` do not say that none need do.
 */
struct skink_domctl_dma_pool {
	uint64_t first_mfn, count;
	uint32_t flags;			/* SKINK_DMA_POOL_* */
	uint32_t is_protected;		/* out: an IOMMU guards it */
};

#define SKINK_DOMCTL_pci_function	0x534b0004u	/* struct skink_domctl_pci_function; the domain that is named does not matter */

#define SKINK_PCI_ASSIGNABLE	1u	/* no bridge, and firmware has given it its memory */
#define SKINK_PCI_PROTECTED	2u	/* its owner has a pool, and an IOMMU lets it reach nothing else */
#define SKINK_PCI_HAS_RESET	4u	/* function level reset: it begins anew for each owner */
#define SKINK_PCI_BARS		6

/*
 * The PCI functions of the machine, one after the other. -ENOENT: there is none with this index or a higher one.
 * XEN_DOMCTL_assign_device, deassign_device and test_assign_device do what Xen's do; flags must be 0. assign: -ENODEV: no such
 * function, or not assignable; -EBUSY: it is somebody's, or its last owner is not yet gone. deassign: -ENODEV: it is not
 * this domain's; -EBUSY: the domain still maps its memory or has its interrupts.
 */
struct skink_domctl_pci_function {
	uint32_t index;			/* in: from 0 on */
	uint32_t sbdf;			/* segment << 16 | bus << 8 | slot << 3 | function */
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code;		/* class << 16 | subclass << 8 | interface */
	uint8_t header_type;		/* bit 7: one of several functions */
	uint8_t revision;
	uint16_t owner;			/* DOMID_INVALID: nobody */
	uint32_t flags;			/* SKINK_PCI_* */
	uint32_t msix_vectors;		/* 0: it has no MSI-X */
	uint32_t faults;		/* what the IOMMU has refused of it, since boot */
	uint32_t storms;		/* how often its interrupts had to be masked for a while */
	uint64_t bar_start[SKINK_PCI_BARS];	/* memory; 0: none */
	uint8_t bar_order[SKINK_PCI_BARS];	/* of 1 << so many bytes */
	uint8_t zero[2];
};

_Static_assert(sizeof(struct skink_domctl_pci_function) <= 128, "the union of struct xen_domctl has 128 bytes");
