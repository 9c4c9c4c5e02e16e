# Dom0's library: build/dom0/libskink.a
DOM0_LIB_SOURCES += dom0/lib/attach.c dom0/lib/attach_ledger.c dom0/lib/attach_offer.c dom0/lib/attach_read.c dom0/lib/build.c dom0/lib/cache.c dom0/lib/core.c dom0/lib/driver.c dom0/lib/dump.c dom0/lib/fault.c dom0/lib/file.c dom0/lib/health.c dom0/lib/image.c dom0/lib/kernel.c dom0/lib/layout.c dom0/lib/lvm.c dom0/lib/pulse.c dom0/lib/pvelf.c dom0/lib/refuse.c dom0/lib/ring_view.c dom0/lib/store.c dom0/lib/symbols.c \
	dom0/lib/tables.c dom0/lib/unpack.c dom0/lib/volume.c dom0/lib/volume_data.c
DOM0_LIB_SOURCES += dom0/lib/manifest.c dom0/lib/manifest_compare.c dom0/lib/manifest_device.c dom0/lib/manifest_disk.c \
	dom0/lib/manifest_driver.c dom0/lib/manifest_explain.c dom0/lib/manifest_interface.c dom0/lib/manifest_names.c \
	dom0/lib/manifest_pattern.c dom0/lib/manifest_put.c dom0/lib/manifest_read.c dom0/lib/manifest_schema.c dom0/lib/manifest_set.c \
	dom0/lib/manifest_text.c dom0/lib/manifest_tune.c dom0/lib/manifest_value.c dom0/lib/manifest_write.c \
	dom0/lib/manifest_xml.c dom0/lib/need.c dom0/lib/report.c
DOM0_INSTALL += docs/manifest.md=usr/share/skink/manifest.md
DOM0_LIB_SOURCES += dom0/lib/line.c dom0/lib/restart.c
DOM0_LIB_SOURCES += dom0/lib/openmetrics.c
DOM0_LIB_SOURCES += dom0/lib/ledger_check.c dom0/lib/standstill.c
