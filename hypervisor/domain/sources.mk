# SPDX-License-Identifier: MIT
CORE_SOURCES += \
	hypervisor/domain/console.c \
	hypervisor/domain/context.c \
	hypervisor/domain/dma_pool.c \
	hypervisor/domain/domain.c \
	hypervisor/domain/domctl.c \
	hypervisor/domain/domctl_vcpu.c \
	hypervisor/domain/hypercall.c \
	hypervisor/domain/platform.c \
	hypervisor/domain/sysctl.c \
	hypervisor/domain/vcpu.c \
	hypervisor/domain/version.c
