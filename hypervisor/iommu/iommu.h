/* SPDX-License-Identifier: MIT */
/*
 * What devices may reach (VT-d): each function that is attached the DMA pool of its domain, at the machine's own
 * addresses; all others nothing. Interrupts go only where the core has said.
 *
 * N1  A function that is not attached reads and writes no memory and raises no interrupt.
 * N2  An attached one reaches its domain's DMA pool and nothing else.
 * N3  When iommu_device_detach() is back nothing that the function had on its way can arrive any more.
 * N4  A function raises only the vectors that iommu_msi_map() has given it.
 */
#pragma once

/* A function of PCI: segment << 16 | bus << 8 | device << 3 | function. */

void iommu_init(void);			/* after acpi_init() and pci_init(), before irq_init(): on from here */

/* False: there is none, or none that keeps N1 to N4 (no interrupt remapping, say): the rest of this does nothing. */
bool iommu_is_there(void);

/*
 * `count` machine-contiguous frames become all that the devices of `domain` reach; once for each domain, before any of
 * them is attached. The caller holds each frame writable until iommu_pool_unmap(), which comes after the last detach.
 * -ENOMEM; -ENOSPC: too many pools; -ERANGE: beyond the addresses that the hardware translates.
 */
MUST_CHECK int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count);
void iommu_pool_unmap(struct domain *domain);

/*
 * The function reaches the pool of `domain` from here on. -EINVAL: the domain has no pool; -EBUSY: it is attached
 * already; -ENODEV: no unit translates for it; -EOPNOTSUPP: firmware keeps memory for it (RMRR), or it shares its name
 * with others, behind a bridge to conventional PCI; -ENOMEM.
 */
MUST_CHECK int iommu_device_attach(uint32_t sbdf, struct domain *domain);
/* N3, in bounded time. Of one that is not attached: nothing. */
void iommu_device_detach(uint32_t sbdf);

/*
 * The message that raises `vector` on CPU 0, and that only this function can send: replaces what pirq_create() said.
 * Without an IOMMU *address and *data stay as they are. -ENODEV.
 */
MUST_CHECK int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data);
void iommu_msi_unmap(uint32_t sbdf, uint32_t vector);

/* The upper word of an IOAPIC's entry that raises `vector` on CPU 0; without an IOMMU as it is. False: it cannot. */
MUST_CHECK bool iommu_ioapic_entry(uint32_t ioapic_id, uint32_t vector, uint32_t *high);

/* VECTOR_IOMMU, with no lock held: reads what was refused, tells of it, charges it to the function's domain. */
void iommu_faults_read(void);
