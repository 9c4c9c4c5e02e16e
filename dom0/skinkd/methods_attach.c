/* SPDX-License-Identifier: MIT */
/* attach, detach, link, capture: devices of domains that run, Domain-0's too. What is attached becomes part of the domain's manifest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/check.h"
#include "skinkd/devices.h"
#include "skinkd/disks.h"
#include "skinkd/domain.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"
#include "skinkd/state.h"

#define TIMEOUT_S	60.0

/* Whom it is for: a domain that skinkd follows, or Domain-0. False: it has failed the request. */
static bool find_front(struct request *request, const json_t *named, struct target *target)
{
	if (!method_target(request, named, target))
		return false;
	if (target->has_id && target->id == 0)
		return true;
	if (!target->record)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' was not created by skinkd: use the tool that did", target->name);
	else if (target->record->phase != PHASE_RUNNING)
		rpc_fail(request, CODE_FAILED, "'%s' does not run: try again when it does", target->name);
	else if (target->record->driver)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' is a driver domain: it serves devices, and has none of others", target->name);
	else
		return true;
	return false;
}

static struct attachment *find_device(struct request *request, const struct target *target, const char *key)
{
	struct attachment *attachment = attach_find(target->id, key);
	json_t *list, *names, *one;
	char message[200];
	size_t i;

	if (attachment && !disks_is_own(attachment))
		return attachment;
	list = attachments_of_domain(target->id);
	names = json_array();
	json_array_foreach(list, i, one)
		json_array_append_new(names, json_sprintf("known: %s", json_string_value(json_object_get(one, "name"))));
	snprintf(message, sizeof(message), "'%.60s' has no device '%.40s': write a disk's name, as xvda, or an interface's MAC address",
		 target->name, key);
	json_decref(list);
	rpc_fail_lines(request, CODE_BAD, message, names);
	return NULL;
}

/* ---- attach ---- */

struct attaching {
	struct request *request;
	json_t *warnings;
	domid_t id;
	char key[ATTACH_KEY];
	bool is_awaited;
};

static json_t *one_attachment(domid_t id, const char *key)
{
	json_t *list = attachments_of_domain(id), *one, *found = NULL;
	size_t i;

	json_array_foreach(list, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "name")), key))
			found = json_incref(one);
	json_decref(list);
	return found ? found : json_null();
}

static void attached(void *context, const struct outcome *result)
{
	struct attaching *attaching = context;
	struct attachment *attachment = attach_find(attaching->id, attaching->key);

	if (!result->code || (result->code == CODE_TIMED_OUT && !attaching->is_awaited)) {
		rpc_answer(attaching->request, json_pack("{s:o, s:o}", "attachment", one_attachment(attaching->id, attaching->key),
							 "warnings", attaching->warnings));
	} else {
		rpc_fail_outcome(attaching->request, result);
		json_decref(attaching->warnings);
		/* What cannot be leaves nothing; what only has not come yet may still come. */
		if (result->code == CODE_FAILED && attachment) {
			devices_forget(attaching->id, attaching->key);
			attach_remove(attachment, true);
		}
	}
	free(attaching);
}

/* The device is the domain's from here on. */
static struct attachment *take_device(const struct target *target, struct manifest *device)
{
	struct manifest *manifest = attach_manifest_of(target->id);
	enum attach_kind kind = device->disk_count ? ATTACH_VBD : ATTACH_VIF;
	const char *driver = device->disk_count ? device->disks[0].driver : device->interfaces[0].driver;
	char key[ATTACH_KEY];

	if (kind == ATTACH_VBD)
		snprintf(key, sizeof(key), "%s", device->disks[0].target);
	else
		attach_mac_text(device->interfaces[0].mac, key);
	manifest_take_devices(manifest, device);
	return attach_add(target->id, target->name, kind, key, driver);
}

static bool check_new(struct request *request, const struct target *target, const struct manifest *device)
{
	const struct manifest *manifest = attach_manifest_of(target->id);
	char key[ATTACH_KEY] = "";

	if (device->disk_count) {
		snprintf(key, sizeof(key), "%s", device->disks[0].target);
		if (!target->id && !strncmp(key, "xvdp", 4) && key[4]) {
			rpc_fail(request, CODE_BAD, "xvdpa to xvdpz are skinkd's own in Domain-0: choose another <target dev='...'/>");
			return false;
		}
	} else if (device->interfaces[0].has_mac) {
		attach_mac_text(device->interfaces[0].mac, key);
	}
	if (!*key || (!attach_disk(manifest, key) && !attach_interface(manifest, key) && !attach_find(target->id, key)))
		return true;
	rpc_fail(request, CODE_BAD, "'%.60s' has a device '%.30s' already: detach it first, or choose another name", target->name, key);
	return false;
}

/* If it is not awaited, what cannot be attached at all is refused all the same. */
static void wait_until_attached(struct request *request, json_t *warnings, const struct attachment *attachment, double timeout,
				bool is_awaited)
{
	struct attaching *attaching = need_memory(calloc(1, sizeof(*attaching)));

	*attaching = (struct attaching){ .request = request, .warnings = warnings, .id = attachment->front_id, .is_awaited = is_awaited };
	snprintf(attaching->key, sizeof(attaching->key), "%s", attachment->key);
	attach_wait(attachment, ATTACH_AWAIT_CONNECTED, is_awaited && timeout > 0 ? timeout : 0, attached, attaching);
	attach_look();
}

void method_attach(struct request *request)
{
	double timeout = TIMEOUT_S;
	struct attachment *attachment;
	struct manifest *device;
	struct target target;
	const char *xml, *file = "device";
	json_t *named, *warnings;
	int is_awaited = 1;

	if (!rpc_unpack(request, "{s:o, s:s, s?s, s?b, s?F}", "domain", &named, "xml", &xml, "file", &file, "wait", &is_awaited,
			"timeout", &timeout) || !find_front(request, named, &target))
		return;
	device = devices_parse_one(request, xml, file, &warnings);
	if (!device)
		return;
	if (!check_new(request, &target, device)) {
		manifest_free(device);
		json_decref(warnings);
		return;
	}
	domain_choose_macs(device);
	attachment = take_device(&target, device);
	manifest_free(device);
	state_save();
	wait_until_attached(request, warnings, attachment, timeout, is_awaited);
}

/* ---- capture: an interface of Domain-0's that hears another one ---- */

/* Which driver and which address: an interface's, or of a driver domain its wire. False: it has failed the request. */
static bool find_heard(struct request *request, const struct target *target, const char *key, const char **driver, uint8_t mac[6])
{
	const struct manifest_interface *interface;
	const struct attachment *attachment;

	memset(mac, 0, 6);
	if (!key && target->record && target->record->driver) {
		*driver = target->name;
		return true;
	}
	if (!key) {
		rpc_fail(request, CODE_BAD, "'%.60s' is no driver domain: name one of its interfaces too, by its MAC address", target->name);
		return false;
	}
	if (!find_front(request, json_object_get(request->params, "domain"), &(struct target){ 0 }))
		return false;
	attachment = find_device(request, target, key);
	if (!attachment)
		return false;
	interface = attach_interface(attach_manifest_of(target->id), key);
	if (!interface || interface->is_mirror) {
		rpc_fail(request, CODE_BAD, "'%.30s' is no interface that could be heard", key);
		return false;
	}
	*driver = attachment->driver_name;
	memcpy(mac, interface->mac, 6);
	return true;
}

void method_capture(struct request *request)
{
	json_t *named, *warnings, *zero = json_integer(0);
	struct target target, dom0;
	const char *key = NULL, *driver;
	struct manifest *device;
	uint8_t mac[6];
	char xml[200];

	if (rpc_unpack(request, "{s:o, s?s}", "domain", &named, "device", &key) && method_target(request, named, &target) &&
	    find_heard(request, &target, key, &driver, mac)) {
		snprintf(xml, sizeof(xml), "<interface type='bridge'><source bridge='%s'/></interface>", driver);
		device = devices_parse_one(request, xml, "capture", &warnings);
		if (device) {
			device->interfaces[0].is_mirror = true;
			memcpy(device->interfaces[0].mirrored, mac, sizeof(mac));
			domain_choose_macs(device);
			target_find(zero, &dom0);
			wait_until_attached(request, warnings, take_device(&dom0, device), TIMEOUT_S, true);
			manifest_free(device);
		}
	}
	json_decref(zero);
}

/* ---- detach, link ---- */

static void detached(void *context, const struct outcome *result)
{
	struct request *request = context;

	if (result->code)
		rpc_fail_outcome(request, result);
	else
		rpc_answer(request, json_object());
}

void method_detach(struct request *request)
{
	int is_awaited = 1, is_forced = 0;
	struct attachment *attachment;
	double timeout = TIMEOUT_S;
	struct target target;
	const char *key;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:s, s?b, s?b, s?F}", "domain", &named, "device", &key, "force", &is_forced, "wait", &is_awaited,
			"timeout", &timeout) || !find_front(request, named, &target))
		return;
	attachment = find_device(request, &target, key);
	if (!attachment)
		return;
	if (is_awaited)
		attach_wait(attachment, ATTACH_AWAIT_GONE, timeout < 0 ? 0 : timeout, detached, request);
	devices_forget(target.id, key);
	attach_remove(attachment, is_forced);
	state_save();
	attach_look();
	if (!is_awaited)
		rpc_answer(request, json_object());
}

void method_link(struct request *request)
{
	struct manifest_interface *interface;
	struct target target;
	const char *key;
	json_t *named;
	int is_up;

	if (!rpc_unpack(request, "{s:o, s:s, s:b}", "domain", &named, "device", &key, "up", &is_up) ||
	    !find_front(request, named, &target) || !find_device(request, &target, key))
		return;
	interface = (struct manifest_interface *)attach_interface(attach_manifest_of(target.id), key);
	if (!interface) {
		rpc_fail(request, CODE_BAD, "'%.30s' is no interface: a disk has no link", key);
		return;
	}
	if (interface->is_up != (bool)is_up)
		event("changed", target.name, target.id, "interface %.30s: link %s", key, is_up ? "up" : "down");
	interface->is_up = is_up;
	attach_update(target.id, attach_manifest_of(target.id));
	state_save();
	rpc_answer(request, json_pack("{s:o}", "attachment", one_attachment(target.id, key)));
}
