# SPDX-License-Identifier: MIT
CORE_SOURCES += \
	hypervisor/grant/copy.c \
	hypervisor/grant/map.c \
	hypervisor/grant/operation.c \
	hypervisor/grant/pin.c \
	hypervisor/grant/table.c \
	hypervisor/grant/transfer.c
