/* SPDX-License-Identifier: MIT */
#include "skinkd/domain.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xen/sched.h>

#include "skinkd/attach.h"
#include "skinkd/autostart.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/text.h"
#include "skinkd/usage.h"

#define LIST_ROOM	256

void domain_keep_uuid(struct domain *domain)
{
	memcpy(domain->manifest->uuid, domain->uuid, sizeof(domain->uuid));
	domain->manifest->has_uuid = true;
}

/* In Xen's own range, as every tool of Xen's does; kept with the record: a guest that is started again has the same. */
void domain_choose_macs(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->interface_count; i++) {
		struct manifest_interface *interface = &manifest->interfaces[i];

		if (interface->has_mac)
			continue;
		memcpy(interface->mac, (uint8_t []){ 0x00, 0x16, 0x3e }, 3);
		if (getrandom(interface->mac + 3, 3, 0) != 3)
			abort();
		interface->mac[3] &= 0x7f;
		interface->has_mac = true;
	}
}

void domain_keep_macs(struct manifest *manifest, const struct manifest *old)
{
	for (size_t i = 0; i < manifest->interface_count && i < old->interface_count; i++)
		if (!manifest->interfaces[i].has_mac) {
			memcpy(manifest->interfaces[i].mac, old->interfaces[i].mac, sizeof(old->interfaces[i].mac));
			manifest->interfaces[i].has_mac = true;
		}
	domain_choose_macs(manifest);
}

struct domain *domain_add(struct manifest *manifest)
{
	struct domain *domain = need_memory(calloc(1, sizeof(*domain))), **at = &host.domains;

	domain->manifest = manifest;
	domain->id = DOMID_INVALID;
	domain->memory_target_kib = manifest->current_memory_kib;
	domain->vcpus_target = manifest->current_vcpus;
	memcpy(domain->uuid, manifest->uuid, sizeof(domain->uuid));
	if (!manifest->has_uuid) {
		if (getrandom(domain->uuid, sizeof(domain->uuid), 0) != sizeof(domain->uuid))
			abort();
		domain->uuid[6] = (domain->uuid[6] & 0x0f) | 0x40;	/* version 4, RFC 4122 */
		domain->uuid[8] = (domain->uuid[8] & 0x3f) | 0x80;
		domain_keep_uuid(domain);
	}
	domain_choose_macs(manifest);
	while (*at)
		at = &(*at)->next;
	*at = domain;
	return domain;
}

void domain_remove(struct domain *domain)
{
	struct domain **at = &host.domains;

	while (*at != domain)
		at = &(*at)->next;
	*at = domain->next;
	usage_end(domain);
	monitor_free(domain);
	manifest_free(domain->manifest);
	free(domain);
}

struct domain *domain_by_name(const char *name)
{
	struct domain *domain = host.domains;

	while (domain && strcmp(domain->manifest->name, name))
		domain = domain->next;
	return domain;
}

struct domain *domain_by_id(domid_t id)
{
	struct domain *domain = host.domains;

	while (domain && (domain->id != id || id == DOMID_INVALID))
		domain = domain->next;
	return domain;
}

struct domain *domain_by_uuid(const uint8_t uuid[16])
{
	struct domain *domain = host.domains;

	while (domain && memcmp(domain->uuid, uuid, 16))
		domain = domain->next;
	return domain;
}

bool uuid_parse(const char *text, uint8_t uuid[16])
{
	if (strlen(text) != UUID_TEXT - 1)
		return false;
	for (int i = 0; i < 16; i++) {
		unsigned int byte;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return false;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) || sscanf(text, "%2x", &byte) != 1)
			return false;
		uuid[i] = (uint8_t)byte;
		text += 2;
	}
	return true;
}

/* ---- targets ---- */

static void name_target(struct target *target)
{
	char *name = NULL;

	if (target->record)
		name = need_memory(strdup(target->record->manifest->name));
	else if (target->id == 0)
		name = need_memory(strdup("Domain-0"));
	else if (host.store.handle)
		name = store_read(&host.store, target->id, "name");
	if (name && text_is_plain(name))
		snprintf(target->name, sizeof(target->name), "%s", name);
	else
		snprintf(target->name, sizeof(target->name), "domain-%u", target->id);
	free(name);
}

static void target_from_info(const struct xen_domctl_getdomaininfo *info, struct target *target)
{
	*target = (struct target){ .record = domain_by_id(info->domain), .id = info->domain, .has_id = true, .info = *info };
	name_target(target);
}

static void target_from_record(struct domain *domain, struct target *target)
{
	*target = (struct target){ .record = domain, .id = domain->id };
	target->has_id = domain->id != DOMID_INVALID && !core_domain_info(&host.core, domain->id, &target->info);
	name_target(target);
}

size_t target_list(struct target **targets)
{
	struct xen_domctl_getdomaininfo info[LIST_ROOM];
	struct target *list = NULL;
	size_t count = 0;
	uint32_t first = 0;
	int got;

	while ((got = core_domain_list(&host.core, (domid_t)first, info, LIST_ROOM)) > 0) {
		list = need_memory(realloc(list, (count + (size_t)got) * sizeof(*list)));
		for (int i = 0; i < got; i++)
			target_from_info(&info[i], &list[count++]);
		first = info[got - 1].domain + 1U;
		if (got < LIST_ROOM)
			break;
	}
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		if (domain->phase != PHASE_BUILDING)
			continue;
		list = need_memory(realloc(list, (count + 1) * sizeof(*list)));
		target_from_record(domain, &list[count++]);
	}
	*targets = list;
	return count;
}

static bool find_id(json_int_t id, struct target *target)
{
	struct xen_domctl_getdomaininfo info;

	if (id < 0 || id >= DOMID_FIRST_RESERVED || core_domain_info(&host.core, (domid_t)id, &info))
		return false;
	target_from_info(&info, target);
	return true;
}

/* One that is not ours has its name in the store alone. */
static bool find_foreign(const char *name, struct target *target)
{
	struct target *list;
	size_t count = target_list(&list);
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		found = list[i].has_id && !list[i].record && !strcmp(list[i].name, name);
		if (found)
			*target = list[i];
	}
	free(list);
	return found;
}

bool target_find(const json_t *named, struct target *target)
{
	const char *name = json_string_value(named);
	uint8_t uuid[16];
	struct domain *domain;

	if (json_is_integer(named))
		return find_id(json_integer_value(named), target);
	if (!name || !*name)
		return false;
	domain = domain_by_name(name);
	if (!domain && uuid_parse(name, uuid))
		domain = domain_by_uuid(uuid);
	if (domain) {
		target_from_record(domain, target);
		return true;
	}
	if (strspn(name, "0123456789") == strlen(name) && strlen(name) < 6)
		return find_id(atoi(name), target);
	return find_foreign(name, target);
}

/* ---- what is shown ---- */

const char *reason_name(uint32_t flags)
{
	static const char *const names[] = {
		[SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot", [SHUTDOWN_suspend] = "suspend",
		[SHUTDOWN_crash] = "crash", [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft-reset",
	};
	uint32_t code = flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;

	if (!(flags & XEN_DOMINF_shutdown))
		return NULL;
	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "crash";
}

const char *state_name(const struct target *target)
{
	uint32_t flags = target->info.flags;
	const char *reason = reason_name(flags);

	if (target->record && target->record->phase == PHASE_BUILDING)
		return "building";
	if (!target->has_id || flags & XEN_DOMINF_dying)
		return "dying";
	if (reason)
		return strcmp(reason, "crash") && strcmp(reason, "watchdog") ? "shutdown" : "crashed";
	if (flags & XEN_DOMINF_paused)
		return "paused";
	return flags & XEN_DOMINF_running || !(flags & XEN_DOMINF_blocked) ? "running" : "blocked";
}

static uint64_t memory_max_kib(const struct target *target)
{
	struct xen_sysctl_physinfo machine;
	uint64_t pages = target->info.max_pages;

	if (target->record)
		return target->record->manifest->memory_kib;
	if (!core_machine(&host.core, &machine) && pages > machine.total_pages)
		pages = machine.total_pages;
	return pages << (FRAME_SHIFT - 10);
}

/* What a list shows of a driver domain; null in others. */
static void add_driver(json_t *json, const struct driver *driver)
{
	const char *name;

	json_object_set_new(json, "front_ends", driver ? json_integer(attach_count(driver, &name)) : json_null());
	json_object_set_new(json, "unprotected", driver ? json_boolean(!driver->shared.is_protected) : json_null());
	json_object_set_new(json, "driver_state", driver ? json_string(driver_state_name(driver)) : json_null());
}

json_t *target_json(const struct target *target)
{
	const struct domain *domain = target->record;
	const struct xen_domctl_getdomaininfo *info = &target->info;
	uint64_t kib = (info->tot_pages << (FRAME_SHIFT - 10)) + (domain && domain->driver ? DRIVER_CLEAN_KIB : 0);
	char uuid[UUID_TEXT];
	json_t *json;

	uuid_text(domain ? domain->uuid : info->handle, uuid);
	json = json_pack("{s:s, s:o, s:s, s:s, s:s?}", "name", target->name,
			 "id", target->has_id ? json_integer(target->id) : json_null(), "uuid", uuid,
			 "state", state_name(target), "reason", target->has_id ? reason_name(info->flags) : NULL);
	need_memory(json);
	json_object_set_new(json, "vcpus", json_integer(target->has_id ? info->nr_online_vcpus : domain->vcpus_target));
	json_object_set_new(json, "vcpus_max", json_integer(domain ? domain->manifest->vcpus : info->max_vcpu_id + 1));
	json_object_set_new(json, "memory_kib", json_integer(target->has_id ? (json_int_t)kib : 0));
	json_object_set_new(json, "memory_max_kib", json_integer((json_int_t)memory_max_kib(target)));
	json_object_set_new(json, "memory_target_kib", json_integer((json_int_t)(domain ? domain->memory_target_kib : kib)));
	json_object_set_new(json, "cpu_seconds", json_real(target->has_id ? (double)info->cpu_time / 1e9 : 0));
	json_object_set_new(json, "started", domain ? json_real(domain->started) : json_null());
	json_object_set_new(json, "managed", json_boolean(domain));
	json_object_set_new(json, "autostart", json_boolean(autostart_is_on(target->name)));
	json_object_set_new(json, "role", json_string(domain ? manifest_role_name(domain->manifest->role) :
						       target->id ? "guest" : "control"));
	json_object_set_new(json, "title", domain && domain->manifest->title ? json_string(domain->manifest->title) : json_null());
	json_object_set_new(json, "restarts", json_integer(!domain ? 0 : domain->restarts +
							   (domain->monitor ? domain->monitor->restarts : 0)));
	add_driver(json, domain ? domain->driver : NULL);
	return json;
}

json_t *domain_json(const struct domain *domain)
{
	struct target target;

	target_from_record((struct domain *)domain, &target);
	return target_json(&target);
}
