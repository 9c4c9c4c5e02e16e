CORE_SOURCES += $(addprefix hypervisor/boot/, head.S trampoline.S main.c multiboot.c memory_map.c options.c acpi.c \
	smp.c power.c dom0.c elf.c placement.c)
