# SPDX-License-Identifier: MIT
RUNTIME_SOURCES += \
	driver-domain/runtime/start.S \
	driver-domain/runtime/answers.c \
	driver-domain/runtime/boot.c \
	driver-domain/runtime/console.c \
	driver-domain/runtime/driver_domain.c \
	driver-domain/runtime/events.c \
	driver-domain/runtime/foreign.c \
	driver-domain/runtime/grants.c \
	driver-domain/runtime/lib.c \
	driver-domain/runtime/memory.c \
	driver-domain/runtime/pci.c \
	driver-domain/runtime/ready.c \
	driver-domain/runtime/suspicion.c \
	driver-domain/runtime/time.c \
	driver-domain/runtime/traps.c \
	driver-domain/runtime/vcpu.c
