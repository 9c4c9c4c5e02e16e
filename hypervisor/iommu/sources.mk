CORE_SOURCES += hypervisor/iommu/iommu.c
