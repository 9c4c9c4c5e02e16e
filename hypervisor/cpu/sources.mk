CORE_SOURCES += hypervisor/cpu/memory.c hypervisor/cpu/uart.c
