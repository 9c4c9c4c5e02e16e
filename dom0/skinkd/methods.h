/* SPDX-License-Identifier: MIT */
/* The methods of protocols/skinkd.md, by what they are about; methods.c has the table. */
#pragma once

#include "lib/manifest.h"
#include "skinkd/domain.h"
#include "skinkd/rpc.h"

/* methods_life.c */
void method_create(struct request *request);
void method_destroy(struct request *request);
void method_shutdown(struct request *request);
void method_reboot(struct request *request);
void method_pause(struct request *request);
void method_unpause(struct request *request);
void method_wait(struct request *request);
void method_sysrq(struct request *request);
void method_dump_core(struct request *request);
void method_autostart(struct request *request);

/* methods_restart.c */
void method_restart(struct request *request);
void method_release(struct request *request);

/* upgrade.c */
void method_upgrade(struct request *request);

/* methods_look.c */
void method_list(struct request *request);
void method_info(struct request *request);
void method_version(struct request *request);
void method_dmesg(struct request *request);
void method_top(struct request *request);
void method_vcpu_list(struct request *request);
void method_events(struct request *request);
void method_logs(struct request *request);
void method_dumpxml(struct request *request);
void method_console(struct request *request);

/* methods_manifest.c */
void method_validate(struct request *request);
void method_plan(struct request *request);
void method_apply(struct request *request);

/* methods_change.c */
void method_mem_set(struct request *request);
void method_sched(struct request *request);
void method_vcpu_set(struct request *request);
void method_vcpu_pin(struct request *request);

/* methods_attach.c */
void method_attach(struct request *request);
void method_detach(struct request *request);
void method_link(struct request *request);
void method_capture(struct request *request);

/* rings.c */
void method_rings(struct request *request);

/* usage.c */
void method_usage(struct request *request);

/* inject.c */
void method_inject(struct request *request);

/* methods_why.c */
void method_why(struct request *request);

/* methods_volume.c */
void method_volume_list(struct request *request);
void method_volume_create(struct request *request);
void method_volume_resize(struct request *request);
void method_volume_delete(struct request *request);
void method_volume_import(struct request *request);
void method_volume_export(struct request *request);

/* ---- what they share ---- */

/* False: it has failed the request (code 3, with the names that are known). */
bool method_target(struct request *request, const json_t *named, struct target *target);

/* The same, and it must be one that skinkd built, or (may_be_foreign) at least not Domain-0. */
bool method_guest(struct request *request, const json_t *named, bool may_be_foreign, struct target *target);

/* Parses and checks; NULL: it has failed the request. *warnings is for the caller to give away. */
struct manifest *method_manifest(struct request *request, const char *xml, const char *file, json_t **warnings);

json_t *vcpus_json(const struct target *target);
json_t *account_json(const uint64_t counts[]);
json_t *sched_json(const struct skink_domctl_sched *sched);

/* Changes a running domain to what the new manifest says, as far as CHANGE_LIVE goes; takes the manifest. */
struct outcome change_live(struct domain *domain, struct manifest *manifest);
struct outcome change_memory(struct domain *domain, uint64_t kib);
struct outcome change_vcpus(struct domain *domain, uint32_t vcpus);

/* Applies all manifests of a folder, then those of another (or NULL): when the host starts. */
void apply_folder(const char *folder, const char *then_folder);
