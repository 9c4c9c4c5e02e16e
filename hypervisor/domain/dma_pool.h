/* SPDX-License-Identifier: MIT */
/*
 * The DMA pool: machine-contiguous frames of a domain, declared once by Dom0, which the domain's devices reach and
 * nothing else (iommu/iommu.h). A function of the domain may be a bus master once the pool is there, and is attached then:
 * by assignment if the pool came first, by pci_pool_is_there() if it comes second.
 *
 * D3  A frame of a pool is held writable: it is never a page table, and not freed before all devices are detached.
 */
#pragma once

struct skink_domctl_dma_pool;

struct dma_pool {
	mfn_t first;
	uint64_t count;			/* 0: none is declared; set once, under domctl_lock */
	uint64_t held;			/* so many: while it is declared, and taken apart, not all */
	bool is_unprotected;		/* Dom0 has said that no IOMMU need guard it */

	/* iommu_lock */
	uint32_t id;			/* as the IOMMU counts it */
	uint64_t *tables;		/* the IOMMU's; NULL without one */
};

/* SKINK_DOMCTL_dma_pool (protocols/control.h). domctl_lock is held. -ERESTART: again with the same. */
MUST_CHECK int dma_pool_declare(struct domain *domain, struct skink_domctl_dma_pool *wanted);
/* D3: of a domain that dies, after its last device is detached; -ERESTART while there is more. */
MUST_CHECK int dma_pool_release(struct domain *domain);
