/* SPDX-License-Identifier: MIT */
#include "skinkd/methods.h"

#include <stdlib.h>
#include <string.h>

#include "skinkd/check.h"

static bool always(const json_t *params)
{
	return true;
}

static bool if_only_asked(const json_t *params)
{
	return json_object_size(params) == 1;		/* the domain alone: nothing is set */
}

const struct method methods[] = {
	{ "create", method_create, NULL },
	{ "destroy", method_destroy, NULL },
	{ "shutdown", method_shutdown, NULL },
	{ "reboot", method_reboot, NULL },
	{ "pause", method_pause, NULL },
	{ "unpause", method_unpause, NULL },
	{ "restart", method_restart, NULL },
	{ "release", method_release, NULL },
	{ "upgrade", method_upgrade, NULL },
	{ "wait", method_wait, always },
	{ "sysrq", method_sysrq, NULL },
	{ "dump-core", method_dump_core, NULL },
	{ "autostart", method_autostart, NULL },
	{ "attach", method_attach, NULL },
	{ "detach", method_detach, NULL },
	{ "link", method_link, NULL },
	{ "capture", method_capture, NULL },
	{ "rings", method_rings, NULL },
	{ "inject", method_inject, NULL },
	{ "volume-list", method_volume_list, always },
	{ "volume-create", method_volume_create, NULL },
	{ "volume-resize", method_volume_resize, NULL },
	{ "volume-delete", method_volume_delete, NULL },
	{ "volume-import", method_volume_import, NULL },
	{ "volume-export", method_volume_export, NULL },
	{ "list", method_list, always },
	{ "info", method_info, always },
	{ "version", method_version, always },
	{ "dmesg", method_dmesg, always },
	{ "top", method_top, always },
	{ "usage", method_usage, always },
	{ "vcpu-list", method_vcpu_list, always },
	{ "events", method_events, always },
	{ "why", method_why, always },
	{ "logs", method_logs, always },
	{ "dumpxml", method_dumpxml, always },
	{ "console", method_console, NULL },
	{ "validate", method_validate, always },
	{ "plan", method_plan, always },
	{ "apply", method_apply, NULL },
	{ "mem-set", method_mem_set, NULL },
	{ "sched", method_sched, if_only_asked },
	{ "vcpu-set", method_vcpu_set, NULL },
	{ "vcpu-pin", method_vcpu_pin, NULL },
	{ NULL, NULL, NULL },
};

static void fail_unknown(struct request *request, const json_t *named)
{
	char *text = json_dumps(named, JSON_ENCODE_ANY), message[300];
	json_t *names = json_array();
	struct target *list;
	size_t count = target_list(&list);

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_sprintf("known: %s", list[i].name));
	snprintf(message, sizeof(message), "there is no domain %s", text ? text : "");
	free(text);
	free(list);
	rpc_fail_lines(request, CODE_NO_DOMAIN, message, names);
}

bool method_target(struct request *request, const json_t *named, struct target *target)
{
	if (target_find(named, target))
		return true;
	fail_unknown(request, named);
	return false;
}

bool method_guest(struct request *request, const json_t *named, bool may_be_foreign, struct target *target)
{
	if (!method_target(request, named, target))
		return false;
	if (target->has_id && target->id == 0)
		rpc_fail(request, CODE_NOT_ALLOWED, "Domain-0 is the control domain: this is for guests ('poweroff' in Domain-0 ends "
			 "the machine)");
	else if (!target->record && !may_be_foreign)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' was not created by skinkd: use the tool that did", target->name);
	else if (target->record && target->record->phase == PHASE_BUILDING)
		rpc_fail(request, CODE_FAILED, "'%s' is still being built: try again when it runs", target->name);
	else
		return true;
	return false;
}

struct manifest *method_manifest(struct request *request, const char *xml, const char *file, json_t **warnings)
{
	struct report report = { 0 };
	struct manifest *manifest = NULL;

	if (manifest_parse(xml, strlen(xml), file, &manifest, &report))
		check_host(manifest, NULL, NULL, &report);
	report_sort(&report);
	*warnings = report_lines(&report, SEVERITY_WARNING);
	if (report.error_count) {
		rpc_fail_lines(request, CODE_BAD, "the manifest cannot be used", report_lines(&report, SEVERITY_ERROR));
		json_decref(*warnings);
		manifest_free(manifest);
		manifest = NULL;
	}
	report_free(&report);
	return manifest;
}
