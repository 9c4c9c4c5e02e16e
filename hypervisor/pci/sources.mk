# SPDX-License-Identifier: MIT
CORE_SOURCES += hypervisor/pci/function.c hypervisor/pci/config.c hypervisor/pci/assign.c hypervisor/pci/msi.c
