/* SPDX-License-Identifier: MIT */
/*
 * PCI functions: which there are, whose each is, and what their domain may do with them. A function is called by its sbdf,
 * segment << 16 | bus << 8 | slot << 3 | function.
 * Lock: pci_lock, after a domain's lock and before irq_lock: who owns a function, its registers. Owners change under
 * domctl_lock and the owner's domain->lock besides, so whoever holds one of the three can rely on what it finds.
 *
 * Q1  A function has one owner at most; nobody else sees its configuration space, maps its memory or gets its interrupts.
 * Q2  A function is a bus master only while it has an owner, who has a DMA pool, which it is attached to if there is an IOMMU.
 * Q3  A domain maps a page only if it is of a BAR of one of its functions, has nothing of another function's and nothing of
 *     an MSI-X table. Such an entry has PTE_DEVICE and holds no reference to a frame: there is none.
 * Q4  A function gets a new owner only when the last one's mappings are gone and its reset is over.
 * Q5  BARs and capabilities are the core's: what a domain writes there is not there when it reads again.
 */
#pragma once

struct skink_domctl_pci_function;

void pci_init(void);			/* finds all functions; none is a bus master from here on */

/* domctl_lock is held. The errors of protocols/control.h; -ERESTART: its reset takes longer. */
MUST_CHECK int pci_test_assign(uint32_t sbdf);
MUST_CHECK int pci_assign(struct domain *domain, uint32_t sbdf);
MUST_CHECK int pci_deassign(struct domain *domain, uint32_t sbdf);
MUST_CHECK int pci_describe(struct skink_domctl_pci_function *wanted);

/* Behind a bridge to conventional PCI all functions send in the bridge's name. */
bool pci_shares_name(uint32_t sbdf);

/* The domain has a DMA pool now: what it was assigned before is attached to it. iommu_device_attach()'s errors. */
MUST_CHECK int pci_pool_is_there(struct domain *domain);

/* Reset: its functions reach no memory until pci_pool_is_there() attaches them again. domctl_lock is held. */
void pci_domain_fence(struct domain *domain);
/* Renewal: and they have no interrupts any more. Its pirqs' channels are closed, its vcpus do not run. */
void pci_domain_renew(struct domain *domain);
/* The domain dies. First: its functions reach no memory and interrupt nobody any more. */
void pci_domain_stop(struct domain *domain);
/* Last, when its event channels are closed: they are nobody's. */
void pci_domain_release(struct domain *domain);

/* The current guest's in or out at ports 0xcf8 .. 0xcff. False: nothing is there for this domain. */
MUST_CHECK bool pci_port(struct domain *domain, uint16_t port, uint32_t bytes, bool is_out, uint32_t *value);

/* Q3: an L1 entry of `domain`, whose lock is held, for a page that is no RAM. -EINVAL: not its; -EPERM: an MSI-X table. */
MUST_CHECK int pci_page_get(const struct domain *domain, mfn_t page);
void pci_page_put(mfn_t page);

/*
 * MSI-X entry `entry`, or MSI (entry 0), becomes a pirq of the domain's. -ENODEV: not its function; -EINVAL: it has no such
 * entry; -EEXIST: it has a pirq; -EBUSY: the other kind is in use; -ENOSPC.
 */
MUST_CHECK int pci_msi_map(struct domain *domain, uint32_t sbdf, uint32_t entry, bool is_msix, uint32_t *pirq);
MUST_CHECK int pci_msi_unmap(struct domain *domain, uint32_t pirq);	/* -EINVAL: not its; -EBUSY: it is bound */
/* A pirq has come: one that comes too often is masked until the period ends. On the exit path, with no lock held. */
void pci_msi_arrived(uint32_t pirq);
