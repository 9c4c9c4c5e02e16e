CORE_SOURCES += hypervisor/lib/string.c hypervisor/lib/format.c hypervisor/lib/log.c hypervisor/lib/panic.c
