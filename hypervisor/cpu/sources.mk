CORE_SOURCES += hypervisor/cpu/memory.c hypervisor/cpu/uart.c
CORE_SOURCES += hypervisor/cpu/bootmem.c hypervisor/cpu/paging.c hypervisor/cpu/percpu.c
CORE_SOURCES += hypervisor/cpu/entry.S hypervisor/cpu/idt.c hypervisor/cpu/traps.c hypervisor/cpu/bounce.c
CORE_SOURCES += hypervisor/cpu/callbacks.c hypervisor/cpu/switch.c hypervisor/cpu/uaccess.c
CORE_SOURCES += hypervisor/cpu/tlb.c hypervisor/cpu/hypercall_page.c
CORE_SOURCES += hypervisor/cpu/features.c hypervisor/cpu/thunks.S hypervisor/cpu/speculation.c hypervisor/cpu/fpu.c
CORE_SOURCES += hypervisor/cpu/debug.c hypervisor/cpu/cpuid.c hypervisor/cpu/msr.c hypervisor/cpu/decode.c
CORE_SOURCES += hypervisor/cpu/emulate.c hypervisor/cpu/emulate_table.c
