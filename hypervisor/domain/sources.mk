# SPDX-License-Identifier: MIT
CORE_SOURCES += \
	hypervisor/domain/context.c \
	hypervisor/domain/domain.c \
	hypervisor/domain/hypercall.c \
	hypervisor/domain/multicall.c \
	hypervisor/domain/platform.c \
	hypervisor/domain/vcpu.c \
	hypervisor/domain/version.c \
	hypervisor/domain/vm_assist.c
CORE_SOURCES += hypervisor/domain/console.c
