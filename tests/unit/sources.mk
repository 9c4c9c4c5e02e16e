# Unit tests: see the Makefile for the names.
UNIT_COMMON_SOURCES += tests/unit/fake-cpu/cpu.c tests/unit/fake-cpu/memory.c tests/unit/fake-cpu/core.c tests/unit/fake-cpu/given.c

UNIT_TESTS += event event_delivery
UNIT_event_SOURCES := tests/unit/event_oracle.c hypervisor/event/channel.c hypervisor/event/deliver.c \
	hypervisor/event/hypercall.c hypervisor/event/physdev.c
UNIT_event_delivery_SOURCES := $(UNIT_event_SOURCES)
UNIT_TESTS += grant
UNIT_grant_SOURCES := tests/unit/fake-cpu/frames.c hypervisor/grant/copy.c hypervisor/grant/map.c \
	hypervisor/grant/operation.c hypervisor/grant/pin.c hypervisor/grant/table.c hypervisor/grant/transfer.c
UNIT_TESTS += ledger protocols front
UNIT_front_SOURCES := protocols/front/bus.c protocols/front/blk.c protocols/front/net.c
UNIT_TESTS += elf
UNIT_elf_SOURCES := tests/unit/fake-cpu/refuse.c hypervisor/boot/elf.c hypervisor/boot/placement.c \
	hypervisor/lib/format.c
UNIT_TESTS += dom0
UNIT_dom0_SOURCES := $(UNIT_elf_SOURCES) hypervisor/boot/dom0.c

UNIT_TESTS += timer sched sched_race sched_ops
UNIT_timer_SOURCES := hypervisor/sched/timer.c
UNIT_sched_SOURCES := tests/unit/fake-cpu/sched.c tests/unit/fake-cpu/frames.c hypervisor/sched/account.c \
	hypervisor/sched/bvt.c hypervisor/sched/ops.c hypervisor/sched/queue.c hypervisor/sched/time.c hypervisor/sched/timer.c
UNIT_sched_race_SOURCES := $(UNIT_sched_SOURCES)
UNIT_sched_ops_SOURCES := $(UNIT_sched_SOURCES)
UNIT_TESTS += decode
UNIT_decode_SOURCES := hypervisor/cpu/decode.c
UNIT_TESTS += emulate
UNIT_emulate_SOURCES := tests/unit/fake-cpu/privileged.c hypervisor/cpu/decode.c hypervisor/cpu/emulate.c \
	hypervisor/cpu/emulate_table.c
UNIT_TESTS += domain
UNIT_domain_SOURCES := tests/unit/fake-cpu/domain.c hypervisor/domain/context.c hypervisor/domain/domain.c \
	hypervisor/domain/hypercall.c hypervisor/domain/platform.c hypervisor/domain/vcpu.c hypervisor/domain/version.c \
	hypervisor/domain/domctl.c hypervisor/domain/domctl_vcpu.c hypervisor/domain/sysctl.c
UNIT_TESTS += cpuid
UNIT_cpuid_SOURCES := hypervisor/cpu/cpuid.c
UNIT_TESTS += msr
UNIT_msr_SOURCES := tests/unit/fake-cpu/privileged.c tests/unit/fake-cpu/frames.c hypervisor/cpu/msr.c

UNIT_TESTS += format log options multiboot
UNIT_format_SOURCES := hypervisor/lib/format.c
UNIT_log_SOURCES := hypervisor/lib/log.c hypervisor/lib/format.c
UNIT_options_SOURCES := hypervisor/boot/options.c hypervisor/lib/format.c
UNIT_multiboot_SOURCES := hypervisor/boot/multiboot.c hypervisor/boot/memory_map.c hypervisor/lib/format.c \
	tests/unit/fake-cpu/refuse.c
UNIT_TESTS += registers
UNIT_registers_SOURCES := tests/unit/fake-cpu/privileged.c hypervisor/cpu/registers.c
UNIT_TESTS += acpi
UNIT_acpi_SOURCES := hypervisor/boot/acpi.c
# These include the source under test, with fake instructions in place of cpu/ops.h.
UNIT_TESTS += apic bootmem clock irq pci_config power switch tlb
UNIT_bootmem_SOURCES := tests/unit/fake-cpu/refuse.c
UNIT_clock_SOURCES := tests/unit/fake-cpu/refuse.c
UNIT_TESTS += iommu
UNIT_iommu_SOURCES := tests/unit/vtd_model.c hypervisor/lib/format.c
UNIT_TESTS += features
UNIT_features_SOURCES := tests/unit/fake-cpu/privileged.c

# The real mem/, grant/, event/ and domain/ on a small fake machine: for tests/unit/<file of mem/>.c and tests/fuzz.
REAL_MEM_SOURCES := tests/unit/fake-cpu/tables.c tests/unit/fake-cpu/alloc_state.c tests/unit/memory_guest.c \
	hypervisor/mem/base.c hypervisor/mem/deferred.c hypervisor/mem/exchange.c hypervisor/mem/frame.c hypervisor/mem/grant_pte.c hypervisor/mem/heap.c \
	hypervisor/mem/memory_op.c hypervisor/mem/mmuext.c hypervisor/mem/pagelist.c \
	hypervisor/mem/table.c hypervisor/mem/update.c
REAL_CORE_SOURCES := $(REAL_MEM_SOURCES) tests/unit/fake-cpu/domain_state.c tests/unit/fake-cpu/channel_state.c \
	hypervisor/domain/context.c hypervisor/domain/hypercall.c hypervisor/domain/vcpu.c \
	tests/unit/fake-cpu/pci.c hypervisor/pci/assign.c hypervisor/pci/config.c hypervisor/pci/function.c \
	hypervisor/event/physdev.c hypervisor/domain/platform.c hypervisor/domain/version.c \
	hypervisor/domain/dma_pool.c hypervisor/domain/domctl.c hypervisor/domain/domctl_vcpu.c hypervisor/domain/sysctl.c \
	hypervisor/event/deliver.c hypervisor/event/hypercall.c hypervisor/grant/copy.c \
	hypervisor/grant/map.c hypervisor/grant/operation.c hypervisor/grant/pin.c \
	hypervisor/grant/table.c hypervisor/grant/transfer.c \
	hypervisor/reset/ready.c hypervisor/reset/control.c hypervisor/reset/restore.c hypervisor/reset/renew.c
ORACLE_SOURCES := tests/unit/memory_oracle.c tests/unit/grant_oracle.c
UNIT_TESTS += frame table alloc memory_op domctl pci dma_pool reset
UNIT_frame_SOURCES := $(REAL_CORE_SOURCES) $(ORACLE_SOURCES) tests/unit/fake-cpu/domain.c
UNIT_table_SOURCES := $(UNIT_frame_SOURCES)
UNIT_alloc_SOURCES := $(UNIT_frame_SOURCES)
UNIT_memory_op_SOURCES := $(UNIT_frame_SOURCES)
UNIT_domctl_SOURCES := $(UNIT_frame_SOURCES)
UNIT_pci_SOURCES := $(UNIT_frame_SOURCES)
UNIT_dma_pool_SOURCES := $(UNIT_frame_SOURCES)
UNIT_reset_SOURCES := $(UNIT_frame_SOURCES)

DOM0_UNIT_TESTS += attach health image inject manifest kernel monitor pulse restart rpc symbols
DOM0_UNIT_monitor_SOURCES = dom0/skinkd/host.c dom0/skinkd/monitor.c dom0/skinkd/text.c tests/unit/dom0/call.c
DOM0_UNIT_TESTS += rings
DOM0_UNIT_rings_SOURCES = dom0/skinkd/rings.c
DOM0_UNIT_TESTS += hook ledger_check note watch_slow share pay standstill
DOM0_UNIT_note_SOURCES = dom0/skinkd/note.c dom0/skinkd/text.c tests/unit/dom0/call.c
DOM0_UNIT_pay_SOURCES = dom0/skinkd/pay.c tests/unit/dom0/call.c
DOM0_UNIT_share_SOURCES = dom0/skinkd/share.c tests/unit/dom0/call.c
DOM0_UNIT_watch_slow_SOURCES = dom0/skinkd/watch_slow.c tests/unit/dom0/call.c
DOM0_UNIT_hook_SOURCES = dom0/skinkd/hook.c
DOM0_UNIT_rpc_SOURCES = dom0/skinkd/conf.c dom0/skinkd/host.c dom0/skinkd/rpc.c dom0/skinkd/text.c
DOM0_UNIT_TESTS += deaths
DOM0_UNIT_deaths_SOURCES = $(addprefix dom0/skinkd/,deaths.c host.c) tests/unit/dom0/call.c
DOM0_UNIT_TESTS += attachments
DOM0_UNIT_attachments_SOURCES = $(addprefix dom0/skinkd/,attach.c attach_list.c attach_step.c host.c usage.c) tests/unit/dom0/call.c
DOM0_UNIT_TESTS += autostart
DOM0_UNIT_autostart_SOURCES = $(addprefix dom0/skinkd/,autostart.c host.c text.c)
DOM0_UNIT_TESTS += state
DOM0_UNIT_state_SOURCES = $(addprefix dom0/skinkd/,cores.c host.c state.c) tests/unit/dom0/call.c
DOM0_UNIT_TESTS += volume volumes
DOM0_UNIT_volume_WITHOUT = dom0/lib/lvm.c
DOM0_UNIT_volumes_SOURCES = dom0/skinkd/host.c
DOM0_UNIT_TESTS += transient job kernels
DOM0_UNIT_kernels_SOURCES = dom0/skinkd/host.c dom0/skinkd/kernels.c
DOM0_UNIT_job_SOURCES = dom0/skinkd/host.c dom0/skinkd/job.c
DOM0_UNIT_transient_SOURCES = dom0/skinkd/host.c
DOM0_UNIT_inject_SOURCES = dom0/inject/decode.c dom0/inject/image.c

DRIVER_UNIT_TESTS += blk blk_successor
DRIVER_UNIT_blk_SOURCES = tests/unit/driver/blk_world.c $(BLK_LOGIC_SOURCES)
DRIVER_UNIT_blk_successor_SOURCES = $(DRIVER_UNIT_blk_SOURCES)
# The block back-end without its domain, as tests on the host have it.
BLK_LOGIC_SOURCES = $(filter-out %/blk.c,$(BLK_SOURCES)) $(BACK_END_SOURCES)
BACK_END_SOURCES = $(addprefix driver-domain/,runtime/answers.c runtime/suspicion.c device/pool.c)
DRIVER_UNIT_TESTS += virtio virtio_view
DRIVER_UNIT_virtio_SOURCES = tests/unit/driver/virtio_device.c $(addprefix driver-domain/device/,pool.c virtqueue.c virtio-blk.c virtio-net.c)
DRIVER_UNIT_TESTS += virtio_pci
DRIVER_UNIT_virtio_pci_SOURCES = $(addprefix driver-domain/device/,pool.c virtqueue.c virtio.c)
DRIVER_UNIT_TESTS += nvme e1000e
DRIVER_UNIT_nvme_SOURCES = $(addprefix tests/unit/driver/,pci_device.c nvme_device.c) $(addprefix driver-domain/device/,pool.c nvme.c)
DRIVER_UNIT_e1000e_SOURCES = tests/unit/driver/pci_device.c $(addprefix driver-domain/device/,pool.c e1000e.c)
DRIVER_UNIT_TESTS += net net_deaths net_successor
DRIVER_UNIT_net_successor_SOURCES = $(DRIVER_UNIT_net_deaths_SOURCES)
DRIVER_UNIT_net_SOURCES = tests/unit/driver/net_world.c $(NET_HOST_SOURCES)
DRIVER_UNIT_net_deaths_SOURCES = tests/unit/driver/net_world.c tests/unit/driver/net_guests.c $(NET_HOST_SOURCES)
NET_HOST_SOURCES = $(NET_LOGIC_SOURCES) $(BACK_END_SOURCES)
DRIVER_UNIT_TESTS += driver_domain
DRIVER_UNIT_driver_domain_SOURCES = driver-domain/device/pool.c
DOM0_UNIT_TESTS += metrics openmetrics
DOM0_UNIT_metrics_SOURCES = dom0/skinkd/conf.c dom0/skinkd/host.c dom0/skinkd/metrics_http.c
