CORE_SOURCES += hypervisor/mem/frame.c hypervisor/mem/pagelist.c hypervisor/mem/alloc.c hypervisor/mem/heap.c
CORE_SOURCES += hypervisor/mem/table.c hypervisor/mem/deferred.c hypervisor/mem/update.c hypervisor/mem/mmuext.c
CORE_SOURCES += hypervisor/mem/base.c hypervisor/mem/grant_pte.c
CORE_SOURCES += hypervisor/mem/memory_op.c hypervisor/mem/exchange.c
