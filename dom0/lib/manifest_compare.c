/* SPDX-License-Identifier: MIT */
/* Field by field: what `plan` prints, and what `apply` can bring about without a restart. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_names.h"
#include "manifest_value.h"
#include "need.h"

static void add(struct manifest_changes *changes, enum manifest_how how, char *field, char *from, char *to)
{
	*NEED_ONE_MORE(changes->changes, changes->count) = (struct manifest_change) { field, from, to, how };
	changes->needs_restart |= how == CHANGE_RESTART;
}

/* NULL and "" are the same: it is not there. */
static void texts(struct manifest_changes *changes, enum manifest_how how, const char *field, const char *from, const char *to)
{
	from = from ? from : "";
	to = to ? to : "";
	if (strcmp(from, to) != 0)
		add(changes, how, need_copy(field), need_copy(from), need_copy(to));
}

static void numbers(struct manifest_changes *changes, enum manifest_how how, const char *field, const char *unit,
		    uint64_t from, uint64_t to)
{
	if (from != to)
		add(changes, how, need_copy(field), need_text("%llu%s", (unsigned long long)from, unit),
		    need_text("%llu%s", (unsigned long long)to, unit));
}

/* Takes both texts. */
static void owned(struct manifest_changes *changes, enum manifest_how how, const char *field, char *from, char *to)
{
	texts(changes, how, field, from, to);
	free(from);
	free(to);
}

static void compare_names(struct manifest_changes *changes, const struct manifest *old, const struct manifest *new)
{
	texts(changes, CHANGE_RESTART, "name", old->name, new->name);
	if (new->has_uuid)
		owned(changes, CHANGE_RESTART, "uuid", old->has_uuid ? value_uuid_text(old->uuid) : NULL,
		      value_uuid_text(new->uuid));
	texts(changes, CHANGE_RECORD, "title", old->title, new->title);
	texts(changes, CHANGE_RECORD, "description", old->description, new->description);
	texts(changes, CHANGE_RECORD, "metadata", old->metadata, new->metadata);
}

static void compare_tuning(struct manifest_changes *changes, const struct manifest *old, const struct manifest *new)
{
	/* The maximum is what the P2M, and shared_info's vcpus, were made for. */
	numbers(changes, CHANGE_RESTART, "memory", " KiB", old->memory_kib, new->memory_kib);
	numbers(changes, CHANGE_LIVE, "currentMemory", " KiB", old->current_memory_kib, new->current_memory_kib);
	numbers(changes, CHANGE_RESTART, "vcpu", "", old->vcpus, new->vcpus);
	numbers(changes, CHANGE_LIVE, "vcpu current", "", old->current_vcpus, new->current_vcpus);
	for (uint32_t i = 0; i < old->vcpus || i < new->vcpus; i++) {
		char *field = need_text("vcpupin %u", i);

		if (old->affinity[i] != new->affinity[i])
			owned(changes, CHANGE_LIVE, field, value_cpus_text(old->affinity[i]), value_cpus_text(new->affinity[i]));
		free(field);
	}
	numbers(changes, CHANGE_LIVE, "weight", "", old->sched.weight, new->sched.weight);
	numbers(changes, CHANGE_LIVE, "cap", " %", old->sched.cap_percent, new->sched.cap_percent);
	numbers(changes, CHANGE_LIVE, "warp", " us", old->sched.warp_us, new->sched.warp_us);
	numbers(changes, CHANGE_LIVE, "warp-limit", " us", old->sched.warp_limit_us, new->sched.warp_limit_us);
	for (size_t i = 0; i < SKINK_ACCOUNT_KINDS; i++) {
		char *field = need_text("limit on %s", manifest_limit_name(i));

		numbers(changes, CHANGE_LIVE, field, " in 10 ms", old->limit[i], new->limit[i]);
		free(field);
	}
}

static void compare_life(struct manifest_changes *changes, const struct manifest *old, const struct manifest *new)
{
	texts(changes, CHANGE_RESTART, "kernel", old->kernel, new->kernel);
	texts(changes, CHANGE_RESTART, "initrd", old->initrd, new->initrd);
	texts(changes, CHANGE_RESTART, "cmdline", old->cmdline, new->cmdline);
	texts(changes, CHANGE_LIVE, "on_poweroff", manifest_action_name(old->on_poweroff), manifest_action_name(new->on_poweroff));
	texts(changes, CHANGE_LIVE, "on_reboot", manifest_action_name(old->on_reboot), manifest_action_name(new->on_reboot));
	texts(changes, CHANGE_LIVE, "on_crash", manifest_action_name(old->on_crash), manifest_action_name(new->on_crash));
	texts(changes, CHANGE_RESTART, "clock", manifest_clock_name(old->clock), manifest_clock_name(new->clock));
	if (old->clock_adjustment_s != new->clock_adjustment_s)
		owned(changes, CHANGE_RESTART, "clock adjustment", need_text("%lld s", (long long)old->clock_adjustment_s),
		      need_text("%lld s", (long long)new->clock_adjustment_s));
	texts(changes, CHANGE_RESTART, "console", old->has_console ? "yes" : "", new->has_console ? "yes" : "");
}

/* ---- devices: each one as its text, so that two are the same if their texts are ---- */

static char *extents_text(const struct manifest_disk *disk)
{
	char *text = need_text("%s", disk->driver ? disk->driver : "");

	for (size_t i = 0; i < disk->extent_count; i++) {
		const struct manifest_extent *extent = &disk->extents[i];
		char *longer = need_text("%s %s=%s", text, manifest_extent_attribute(extent->kind), extent->name ? extent->name : "yes");

		free(text);
		text = longer;
	}
	return text;
}

static char *disk_text(const struct manifest_disk *disk)
{
	char *extents = extents_text(disk);
	char *text = need_text("%s %s%s%s%s%s sector=%u queues=%u", extents, disk->is_cdrom ? "cdrom" : "disk",
			       disk->is_readonly ? " readonly" : "", disk->is_shareable ? " shareable" : "",
			       disk->is_transient ? " transient" : "", disk->may_discard ? " discard" : "", disk->sector_bytes,
			       disk->queues);

	free(extents);
	return text;
}

static char *iotune_text(const struct manifest_iotune *t)
{
	return need_text("bytes/s %llu (read %llu, write %llu), iops %llu (read %llu, write %llu)",
			 (unsigned long long)t->total_bytes_per_s, (unsigned long long)t->read_bytes_per_s,
			 (unsigned long long)t->write_bytes_per_s, (unsigned long long)t->total_iops,
			 (unsigned long long)t->read_iops, (unsigned long long)t->write_iops);
}

static const struct manifest_disk *disk_named(const struct manifest *manifest, const char *target)
{
	for (size_t i = 0; i < manifest->disk_count; i++)
		if (strcmp(manifest->disks[i].target, target) == 0)
			return &manifest->disks[i];
	return NULL;
}

/* A disk that comes or goes is hot-plugged; NULL: not there. */
static void compare_disk(struct manifest_changes *changes, const struct manifest_disk *old, const struct manifest_disk *new)
{
	char *field = need_text("disk %s", (old ? old : new)->target), *iotune = need_text("%s iotune", field);

	owned(changes, old && new ? CHANGE_RESTART : CHANGE_LIVE, field, old ? disk_text(old) : NULL, new ? disk_text(new) : NULL);
	if (old && new)
		owned(changes, CHANGE_LIVE, iotune, iotune_text(&old->iotune), iotune_text(&new->iotune));
	free(field);
	free(iotune);
}

static void compare_disks(struct manifest_changes *changes, const struct manifest *old, const struct manifest *new)
{
	for (size_t i = 0; i < old->disk_count; i++)
		compare_disk(changes, &old->disks[i], disk_named(new, old->disks[i].target));
	for (size_t i = 0; i < new->disk_count; i++)
		if (!disk_named(old, new->disks[i].target))
			compare_disk(changes, NULL, &new->disks[i]);
}

/* What the front-end has been told when it connected; guard and VLANs its driver has been (protocols/driver.md, D1). */
static char *interface_text(const struct manifest_interface *interface)
{
	return need_text("on %s mtu=%u queues=%u", interface->driver, interface->mtu, interface->queues);
}

static char *addresses_text(const struct manifest_interface *interface)
{
	char *text = need_text("mac=%s ip=%s", interface->guard_mac ? "yes" : "no", interface->guard_ip ? "yes" : "no");

	for (size_t i = 0; i < interface->address_count; i++) {
		char *longer = need_text("%s %s", text, interface->addresses[i]);

		free(text);
		text = longer;
	}
	return text;
}

static char *vlans_text(const struct manifest_interface *interface)
{
	char *text = need_text("%s", interface->is_trunk ? "trunk" : "");

	for (size_t i = 0; i < interface->vlan_count; i++) {
		bool is_native = interface->vlans[i] == interface->native_vlan;
		char *longer = need_text("%s %u%s", text, interface->vlans[i], is_native ? " untagged" : "");

		free(text);
		text = longer;
	}
	return text;
}

static char *bandwidth_text(const struct manifest_bandwidth *b)
{
	if (b->average_bytes_per_s == 0)
		return NULL;
	return need_text("average %llu B/s peak %llu B/s burst %llu B", (unsigned long long)b->average_bytes_per_s,
			 (unsigned long long)b->peak_bytes_per_s, (unsigned long long)b->burst_bytes);
}

static void compare_one(struct manifest_changes *changes, enum manifest_how how, size_t index, const char *part,
			char *from, char *to)
{
	char *field = need_text("interface %zu%s", index, part);

	owned(changes, how, field, from, to);
	free(field);
}

static void compare_interface(struct manifest_changes *changes, size_t index, const struct manifest_interface *old,
			      const struct manifest_interface *new)
{
	compare_one(changes, CHANGE_RESTART, index, "", interface_text(old), interface_text(new));
	if (new->has_mac)
		compare_one(changes, CHANGE_RESTART, index, ": mac", old->has_mac ? value_mac_text(old->mac) : NULL,
			    value_mac_text(new->mac));
	compare_one(changes, CHANGE_RESTART, index, ": guard", addresses_text(old), addresses_text(new));
	compare_one(changes, CHANGE_RESTART, index, ": vlan", vlans_text(old), vlans_text(new));
	compare_one(changes, CHANGE_LIVE, index, ": inbound", bandwidth_text(&old->inbound), bandwidth_text(&new->inbound));
	compare_one(changes, CHANGE_LIVE, index, ": outbound", bandwidth_text(&old->outbound), bandwidth_text(&new->outbound));
	compare_one(changes, CHANGE_LIVE, index, ": link", need_copy(old->is_up ? "up" : "down"),
		    need_copy(new->is_up ? "up" : "down"));
}

static void compare_interfaces(struct manifest_changes *changes, const struct manifest *old, const struct manifest *new)
{
	for (size_t i = 0; i < old->interface_count || i < new->interface_count; i++) {
		if (i >= old->interface_count)
			compare_one(changes, CHANGE_LIVE, i, "", NULL, interface_text(&new->interfaces[i]));
		else if (i >= new->interface_count)
			compare_one(changes, CHANGE_LIVE, i, "", interface_text(&old->interfaces[i]), NULL);
		else
			compare_interface(changes, i, &old->interfaces[i], &new->interfaces[i]);
	}
}

static char *devices_text(const struct manifest *manifest)
{
	char *text = need_copy("");

	for (size_t i = 0; i < manifest->device_count; i++) {
		const struct manifest_pci *pci = &manifest->devices[i];
		char *longer = need_text("%s%s%04x:%02x:%02x.%x", text, i ? " " : "", pci->segment, pci->bus, pci->slot, pci->function);

		free(text);
		text = longer;
	}
	return text;
}

/* ---- driver domains ---- */

static void compare_restart(struct manifest_changes *changes, const struct manifest_restart *old, const struct manifest_restart *new)
{
	texts(changes, CHANGE_LIVE, "restart", old->is_automatic ? "automatic" : "by hand", new->is_automatic ? "automatic" : "by hand");
	numbers(changes, CHANGE_LIVE, "restart limit", "", old->limit, new->limit);
	numbers(changes, CHANGE_LIVE, "restart within", " us", old->within_us, new->within_us);
	numbers(changes, CHANGE_LIVE, "restart backoff", " us", old->backoff_us, new->backoff_us);
	numbers(changes, CHANGE_LIVE, "restart backoff-limit", " us", old->backoff_max_us, new->backoff_max_us);
	numbers(changes, CHANGE_LIVE, "restart jitter", " %", old->jitter_percent, new->jitter_percent);
	texts(changes, CHANGE_LIVE, "restart armed", old->is_armed ? "yes" : "no", new->is_armed ? "yes" : "no");
	texts(changes, CHANGE_LIVE, "restart then", manifest_exhausted_name(old->then), manifest_exhausted_name(new->then));
}

static void compare_driver(struct manifest_changes *changes, const struct manifest_driver *old, const struct manifest_driver *new)
{
	numbers(changes, CHANGE_RESTART, "dma pool", " KiB", old->dma_pool_kib, new->dma_pool_kib);
	texts(changes, CHANGE_RESTART, "dma unprotected", old->dma_unprotected ? "yes" : "no", new->dma_unprotected ? "yes" : "no");
	texts(changes, CHANGE_LIVE, "fallback", old->fallback, new->fallback);
	texts(changes, CHANGE_LIVE, "inject", old->may_inject ? "yes" : "no", new->may_inject ? "yes" : "no");
	numbers(changes, CHANGE_LIVE, "health hang", " us", old->health.hang_us, new->health.hang_us);
	numbers(changes, CHANGE_LIVE, "health heartbeat", " us", old->health.heartbeat_us, new->health.heartbeat_us);
	numbers(changes, CHANGE_LIVE, "health device", " us", old->health.device_us, new->health.device_us);
	compare_restart(changes, &old->restart, &new->restart);
	texts(changes, CHANGE_LIVE, "hook", old->hook.command, new->hook.command);
	texts(changes, CHANGE_LIVE, "hook user", old->hook.user, new->hook.user);
	numbers(changes, CHANGE_LIVE, "hook timeout", " us", old->hook.timeout_us, new->hook.timeout_us);
}

void manifest_compare(const struct manifest *old, const struct manifest *new, struct manifest_changes *changes)
{
	*changes = (struct manifest_changes) { 0 };
	compare_names(changes, old, new);
	compare_tuning(changes, old, new);
	compare_life(changes, old, new);
	compare_disks(changes, old, new);
	compare_interfaces(changes, old, new);
	owned(changes, CHANGE_RESTART, "hostdev", devices_text(old), devices_text(new));
	texts(changes, CHANGE_RESTART, "role", manifest_role_name(old->role), manifest_role_name(new->role));
	if (old->role != ROLE_GUEST && new->role != ROLE_GUEST)
		compare_driver(changes, &old->driver, &new->driver);
}

void manifest_changes_free(struct manifest_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->changes[i].field);
		free(changes->changes[i].from);
		free(changes->changes[i].to);
	}
	free(changes->changes);
	*changes = (struct manifest_changes) { 0 };
}
