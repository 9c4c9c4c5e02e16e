CORE_SOURCES += $(addprefix hypervisor/iommu/, iommu.c dmar.c pages.c unit.c)
