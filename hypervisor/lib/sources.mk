CORE_SOURCES += hypervisor/lib/string.c hypervisor/lib/format.c hypervisor/lib/log.c
CORE_SOURCES += hypervisor/lib/backtrace.c hypervisor/lib/panic.c
