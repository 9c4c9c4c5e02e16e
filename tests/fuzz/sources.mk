# Fuzzers: see the Makefile for the names.
FUZZ_TARGETS += hypercalls
FUZZ_hypercalls_SOURCES = tests/fuzz/guests.c tests/fuzz/iommu.c tests/unit/event_oracle.c $(ORACLE_SOURCES) $(REAL_CORE_SOURCES) \
	tests/unit/fake-cpu/domain.c hypervisor/sched/ops.c

# They look for mistakes of the core's, not for their own: fast, and no coverage to be found in them.
CFLAGS_tests/unit/memory_oracle.c = -O3 -fno-sanitize=all
CFLAGS_tests/unit/grant_oracle.c = -O3 -fno-sanitize=all
CFLAGS_tests/unit/event_oracle.c = -O3 -fno-sanitize=all

DOM0_FUZZ_TARGETS += manifest
DOM0_FUZZ_manifest_SOURCES = $(filter dom0/lib/manifest% dom0/lib/need.c dom0/lib/report.c,$(DOM0_LIB_SOURCES))
DOM0_FUZZ_manifest_SEEDS = $(wildcard tests/manifests/*/*.xml manifests/*.xml manifests/examples/*.xml)

DOM0_FUZZ_TARGETS += kernel
DOM0_FUZZ_kernel_SOURCES = dom0/lib/cache.c dom0/lib/file.c dom0/lib/kernel.c dom0/lib/layout.c dom0/lib/pvelf.c dom0/lib/refuse.c dom0/lib/tables.c \
	dom0/lib/unpack.c
DOM0_FUZZ_kernel_SEEDS = $(wildcard build/guest/*.elf)

DRIVER_FUZZ_TARGETS += virtio
DRIVER_FUZZ_virtio_SOURCES = $(DRIVER_UNIT_virtio_SOURCES)

DRIVER_FUZZ_TARGETS += nvme e1000e
DRIVER_FUZZ_nvme_SOURCES = $(DRIVER_UNIT_nvme_SOURCES)
DRIVER_FUZZ_e1000e_SOURCES = $(DRIVER_UNIT_e1000e_SOURCES)

DRIVER_FUZZ_TARGETS += blk-ring
DRIVER_FUZZ_blk-ring_SOURCES = tests/unit/driver/blk_world.c $(BLK_LOGIC_SOURCES)

DRIVER_FUZZ_TARGETS += net-ring
DRIVER_FUZZ_net-ring_SOURCES = tests/unit/driver/net_world.c tests/unit/driver/net_guests.c $(NET_HOST_SOURCES)
