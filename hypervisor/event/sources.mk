CORE_SOURCES += hypervisor/event/channel.c hypervisor/event/deliver.c hypervisor/event/hypercall.c hypervisor/event/physdev.c
