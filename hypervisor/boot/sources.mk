CORE_SOURCES += hypervisor/boot/multiboot.c hypervisor/boot/memory_map.c hypervisor/boot/options.c hypervisor/boot/acpi.c
CORE_SOURCES += hypervisor/boot/head.S hypervisor/boot/main.c
