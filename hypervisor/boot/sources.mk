CORE_SOURCES += hypervisor/boot/multiboot.c hypervisor/boot/memory_map.c hypervisor/boot/options.c hypervisor/boot/acpi.c
CORE_SOURCES += hypervisor/boot/power.c hypervisor/boot/smp.c hypervisor/boot/trampoline.S
CORE_SOURCES += hypervisor/boot/head.S hypervisor/boot/main.c
CORE_SOURCES += \
	hypervisor/boot/dom0.c \
	hypervisor/boot/dom0_size.c \
	hypervisor/boot/dom0_tables.c \
	hypervisor/boot/elf.c \
	hypervisor/boot/elf_notes.c \
	hypervisor/boot/placement.c
