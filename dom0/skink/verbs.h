/* SPDX-License-Identifier: MIT */
/* What runs for each verb: one function, in the file named above it. */
#pragma once

#include "verb.h"

/* life.c: a domain comes and goes */
int verb_destroy(const struct invocation *);
int verb_shutdown(const struct invocation *);
int verb_reboot(const struct invocation *);
int verb_pause(const struct invocation *);
int verb_unpause(const struct invocation *);
int verb_restart(const struct invocation *);
int verb_release(const struct invocation *);
int verb_upgrade(const struct invocation *);
int verb_wait(const struct invocation *);
int verb_sysrq(const struct invocation *);
int verb_dump_core(const struct invocation *);
int verb_autostart(const struct invocation *);

/* create.c */
int verb_create(const struct invocation *);

/* devices.c */
int verb_attach(const struct invocation *);
int verb_detach(const struct invocation *);
int verb_link(const struct invocation *);

/* capture.c */
int verb_capture(const struct invocation *);

/* rings.c */
int verb_rings(const struct invocation *);

/* inject.c */
int verb_inject(const struct invocation *);

/* volumes.c */
int verb_volume_list(const struct invocation *);
int verb_volume_create(const struct invocation *);
int verb_volume_resize(const struct invocation *);
int verb_volume_delete(const struct invocation *);
int verb_volume_import(const struct invocation *);
int verb_volume_export(const struct invocation *);

/* console.c */
int verb_console(const struct invocation *);

/* show.c: what there is */
int verb_list(const struct invocation *);
int verb_info(const struct invocation *);
int verb_version(const struct invocation *);

/* text.c: what was said */
int verb_dmesg(const struct invocation *);
int verb_events(const struct invocation *);
int verb_logs(const struct invocation *);
int verb_dumpxml(const struct invocation *);

/* why.c */
int verb_why(const struct invocation *);

/* usage.c */
int verb_usage(const struct invocation *);

/* top.c */
int verb_top(const struct invocation *);

/* manifests.c */
int verb_validate(const struct invocation *);
int verb_plan(const struct invocation *);
int verb_apply(const struct invocation *);

/* change.c: CPUs, memory, turns */
int verb_vcpu_list(const struct invocation *);
int verb_vcpu_set(const struct invocation *);
int verb_vcpu_pin(const struct invocation *);
int verb_mem_set(const struct invocation *);
int verb_sched(const struct invocation *);

/* help.c */
int verb_show_help(const struct invocation *);

/* complete.c: for the shell's completion */
int verb_complete(const struct invocation *);
