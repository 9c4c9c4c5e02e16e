# SPDX-License-Identifier: MIT
GUEST_TESTS += \
	boot burner fake-driver minimal p2m \
	abi bench cpu disk dma domctl events grants memory mmu nic offload pci reset smp time traps user wakeups \
	crash-fault-selector crash-fault-stack crash-handler crash-iret crash-iret-user crash-recursion crash-shutdown crash-stack \
	crash-stack-hypervisor crash-stack-table crash-watchdog

# A second domain, built by the first.
GUEST_dma_SOURCES := tests/guest/builder.c
GUEST_domctl_SOURCES := tests/guest/builder.c
GUEST_bench_SOURCES := tests/guest/builder.c
# Devices' drivers.
GUEST_disk_SOURCES = tests/guest/builder.c tests/guest/device.c $(DEVICE_SOURCES)
GUEST_nic_SOURCES = $(GUEST_disk_SOURCES)
GUEST_offload_SOURCES = $(GUEST_disk_SOURCES)
GUEST_pci_SOURCES := tests/guest/builder.c
GUEST_reset_SOURCES := tests/guest/builder.c
