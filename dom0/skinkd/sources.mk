# The daemon: build/dom0/skinkd
DOM0_SKINKD_SOURCES += dom0/skinkd/apply.c dom0/skinkd/attach.c dom0/skinkd/attach_list.c dom0/skinkd/attach_nodes.c dom0/skinkd/attach_step.c dom0/skinkd/autostart.c dom0/skinkd/check.c dom0/skinkd/conf.c dom0/skinkd/cores.c dom0/skinkd/devices.c dom0/skinkd/disks.c dom0/skinkd/domain.c dom0/skinkd/driver.c \
	dom0/skinkd/events.c dom0/skinkd/functions.c dom0/skinkd/host.c dom0/skinkd/inject.c dom0/skinkd/job.c dom0/skinkd/kernels.c dom0/skinkd/life.c dom0/skinkd/link.c dom0/skinkd/main.c dom0/skinkd/methods.c \
	dom0/skinkd/methods_attach.c dom0/skinkd/methods_change.c dom0/skinkd/methods_life.c dom0/skinkd/methods_look.c dom0/skinkd/methods_manifest.c dom0/skinkd/methods_volume.c dom0/skinkd/note.c \
	dom0/skinkd/partitions.c dom0/skinkd/plan.c dom0/skinkd/policy.c dom0/skinkd/rings.c dom0/skinkd/rpc.c dom0/skinkd/state.c dom0/skinkd/text.c dom0/skinkd/transient.c dom0/skinkd/volumes.c dom0/skinkd/wait.c
DOM0_SKINKD_SOURCES += dom0/skinkd/methods_restart.c dom0/skinkd/monitor.c dom0/skinkd/monitor_image.c dom0/skinkd/upgrade.c dom0/skinkd/monitor_record.c dom0/skinkd/monitor_tell.c dom0/skinkd/monitor_thread.c
DOM0_SKINKD_SOURCES += dom0/skinkd/deaths.c dom0/skinkd/deaths_file.c dom0/skinkd/methods_why.c
DOM0_SKINKD_SOURCES += dom0/skinkd/metrics.c dom0/skinkd/metrics_http.c dom0/skinkd/usage.c
DOM0_SKINKD_SOURCES += dom0/skinkd/watch.c dom0/skinkd/watch_ring.c dom0/skinkd/watch_slow.c dom0/skinkd/share.c dom0/skinkd/pay.c dom0/skinkd/hook.c dom0/skinkd/hook_facts.c
