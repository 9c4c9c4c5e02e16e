/* SPDX-License-Identifier: MIT */
/* Machines without VT-d, so far all: iommu_is_there() says so, and all else leaves things as they are. */
#include "iommu/iommu.h"

void iommu_init(void) { }
bool iommu_is_there(void) { return false; }
int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count) { return 0; }
void iommu_pool_unmap(struct domain *domain) { }
int iommu_device_attach(uint32_t sbdf, struct domain *domain) { return 0; }
void iommu_device_detach(uint32_t sbdf) { }
int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data) { return 0; }
void iommu_msi_unmap(uint32_t sbdf, uint32_t vector) { }
void iommu_ioapic_entry(uint32_t ioapic_id, uint32_t vector, uint32_t *low, uint32_t *high) { }
void iommu_faults_read(void) { }
uint64_t iommu_fault_count(uint32_t sbdf) { return 0; }
