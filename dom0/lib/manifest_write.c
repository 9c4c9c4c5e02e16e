/* SPDX-License-Identifier: MIT */
/* N2: canonical XML, with every default written out. One writer function for each element, in the order of the schema. */
#include <stdio.h>
#include <stdlib.h>

#include "manifest_names.h"
#include "manifest_put.h"
#include "manifest_value.h"

#define LIMIT_PERIODS	100	/* in a second: protocols/control.h */

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

/* ---- the domain ---- */

static void write_names(struct writer *writer, const struct manifest *manifest)
{
	char *uuid = manifest->has_uuid ? value_uuid_text(manifest->uuid) : NULL;

	put_text(writer, "name", manifest->name);
	put_text(writer, "uuid", uuid);
	put_text(writer, "title", manifest->title);
	put_text(writer, "description", manifest->description);
	if (manifest->metadata) {
		put_indent(writer);
		fprintf(writer->out, "%s\n", manifest->metadata);
	}
	free(uuid);
}

static void write_kib(struct writer *writer, const char *name, uint64_t kib)
{
	char text[NUMBER_TEXT];

	put_indent(writer);
	fprintf(writer->out, "<%s unit='KiB'>%s</%s>\n", name, number(text, kib), name);
}

static void write_cpus(struct writer *writer, const struct manifest *manifest)
{
	char vcpu[NUMBER_TEXT];
	bool has_pins = false;

	put_indent(writer);
	fprintf(writer->out, "<vcpu current='%u'>%u</vcpu>\n", manifest->current_vcpus, manifest->vcpus);
	for (uint32_t i = 0; i < manifest->vcpus; i++)
		has_pins |= manifest->affinity[i] != 0;
	if (!has_pins)
		return;
	put_begin(writer, "cputune", NULL);
	for (uint32_t i = 0; i < manifest->vcpus; i++) {
		char *cpus = manifest->affinity[i] ? value_cpus_text(manifest->affinity[i]) : NULL;

		if (cpus)
			put_empty(writer, "vcpupin", "vcpu", number(vcpu, i), "cpuset", cpus, NULL);
		free(cpus);
	}
	put_end(writer, "cputune");
}

static void write_sched(struct writer *writer, const struct manifest_sched *sched)
{
	char weight[NUMBER_TEXT], cap[NUMBER_TEXT];
	char *warp = value_duration_text(sched->warp_us), *limit = value_duration_text(sched->warp_limit_us);

	put_empty(writer, "skink:sched", "weight", number(weight, sched->weight), "cap", number(cap, sched->cap_percent),
		  "warp", warp, "warp-limit", limit, NULL);
	free(warp);
	free(limit);
}

static void write_limits(struct writer *writer, const struct manifest *manifest)
{
	char rate[NUMBER_TEXT];

	put_begin(writer, "skink:limits", NULL);
	for (size_t i = 0; i < SKINK_ACCOUNT_KINDS; i++)
		if (manifest->limit[i])
			put_empty(writer, "skink:limit", "on", manifest_limit_name(i), "per-second",
				  number(rate, manifest->limit[i] * LIMIT_PERIODS), NULL);
	put_end(writer, "skink:limits");
}

static void write_os(struct writer *writer, const struct manifest *manifest)
{
	put_begin(writer, "os", NULL);
	put_text(writer, "type", "linux");
	put_text(writer, "kernel", manifest->kernel);
	put_text(writer, "initrd", manifest->initrd);
	put_text(writer, "cmdline", manifest->cmdline);
	put_end(writer, "os");
}

static void write_life(struct writer *writer, const struct manifest *manifest)
{
	char adjustment[NUMBER_TEXT];

	put_text(writer, "on_poweroff", manifest_action_name(manifest->on_poweroff));
	put_text(writer, "on_reboot", manifest_action_name(manifest->on_reboot));
	if (manifest->role == ROLE_GUEST)
		put_text(writer, "on_crash", manifest_action_name(manifest->on_crash));
	snprintf(adjustment, sizeof(adjustment), "%lld", (long long)manifest->clock_adjustment_s);
	put_empty(writer, "clock", "offset", manifest_clock_name(manifest->clock), "adjustment",
		  manifest->clock == CLOCK_VARIABLE ? adjustment : NULL, NULL);
}

/* ---- devices ---- */

static void write_iotune(struct writer *writer, const struct manifest_iotune *limits)
{
	put_begin(writer, "iotune", NULL);
	put_number(writer, "total_bytes_sec", limits->total_bytes_per_s);
	put_number(writer, "read_bytes_sec", limits->read_bytes_per_s);
	put_number(writer, "write_bytes_sec", limits->write_bytes_per_s);
	put_number(writer, "total_iops_sec", limits->total_iops);
	put_number(writer, "read_iops_sec", limits->read_iops);
	put_number(writer, "write_iops_sec", limits->write_iops);
	put_end(writer, "iotune");
}

static void write_source(struct writer *writer, const struct manifest_disk *disk)
{
	if (disk->driver)
		put_empty(writer, "backenddomain", "name", disk->driver, NULL);
	if (disk->extent_count == 0)
		return;
	put_begin(writer, "source", NULL);
	for (size_t i = 0; i < disk->extent_count; i++)
		put_empty(writer, "skink:extent", manifest_extent_attribute(disk->extents[i].kind),
			  disk->extents[i].name ? disk->extents[i].name : "yes", NULL);
	put_end(writer, "source");
}

static void write_disk(struct writer *writer, const struct manifest_disk *disk)
{
	char queues[NUMBER_TEXT], sector[NUMBER_TEXT];

	put_begin(writer, "disk", "type", "block", "device", disk->is_cdrom ? "cdrom" : "disk", NULL);
	write_source(writer, disk);
	put_empty(writer, "target", "dev", disk->target, "bus", "xen", NULL);
	put_empty(writer, "driver", "type", "raw", "discard", disk->may_discard ? "unmap" : "ignore", "queues",
		  disk->queues ? number(queues, disk->queues) : NULL, NULL);
	if (disk->sector_bytes)
		put_empty(writer, "blockio", "logical_block_size", number(sector, disk->sector_bytes), NULL);
	if (disk->is_readonly)
		put_empty(writer, "readonly", NULL);
	if (disk->is_shareable)
		put_empty(writer, "shareable", NULL);
	if (disk->is_transient)
		put_empty(writer, "transient", NULL);
	write_iotune(writer, &disk->iotune);
	put_end(writer, "disk");
}

static void write_direction(struct writer *writer, const char *name, const struct manifest_bandwidth *bandwidth)
{
	char average[NUMBER_TEXT], peak[NUMBER_TEXT], burst[NUMBER_TEXT];

	if (bandwidth->average_bytes_per_s)
		put_empty(writer, name, "average", number(average, bandwidth->average_bytes_per_s / 1024),
			  "peak", bandwidth->peak_bytes_per_s ? number(peak, bandwidth->peak_bytes_per_s / 1024) : NULL,
			  "burst", bandwidth->burst_bytes ? number(burst, bandwidth->burst_bytes / 1024) : NULL, NULL);
}

static void write_vlan(struct writer *writer, const struct manifest_interface *interface)
{
	char id[NUMBER_TEXT];

	if (interface->vlan_count == 0)
		return;
	put_begin(writer, "vlan", "trunk", yes_no(interface->is_trunk), NULL);
	for (size_t i = 0; i < interface->vlan_count; i++)
		put_empty(writer, "tag", "id", number(id, interface->vlans[i]), "nativeMode",
			  interface->vlans[i] == interface->native_vlan ? "untagged" : NULL, NULL);
	put_end(writer, "vlan");
}

static void write_interface(struct writer *writer, const struct manifest_interface *interface)
{
	char *mac = interface->has_mac ? value_mac_text(interface->mac) : NULL;
	char mtu[NUMBER_TEXT], queues[NUMBER_TEXT];

	put_begin(writer, "interface", "type", "bridge", NULL);
	put_empty(writer, "source", "bridge", interface->driver, NULL);
	if (mac)
		put_empty(writer, "mac", "address", mac, NULL);
	for (size_t i = 0; i < interface->address_count; i++)
		put_empty(writer, "ip", "address", interface->addresses[i], NULL);
	put_empty(writer, "skink:guard", "mac", yes_no(interface->guard_mac), "ip", yes_no(interface->guard_ip), NULL);
	put_begin(writer, "bandwidth", NULL);
	write_direction(writer, "inbound", &interface->inbound);
	write_direction(writer, "outbound", &interface->outbound);
	put_end(writer, "bandwidth");
	write_vlan(writer, interface);
	put_empty(writer, "link", "state", interface->is_up ? "up" : "down", NULL);
	put_empty(writer, "mtu", "size", number(mtu, interface->mtu), NULL);
	if (interface->queues)
		put_empty(writer, "driver", "queues", number(queues, interface->queues), NULL);
	put_end(writer, "interface");
	free(mac);
}

static void write_pci(struct writer *writer, const struct manifest_pci *pci)
{
	char segment[8], bus[8], slot[8], function[8];

	snprintf(segment, sizeof(segment), "0x%04x", pci->segment);
	snprintf(bus, sizeof(bus), "0x%02x", pci->bus);
	snprintf(slot, sizeof(slot), "0x%02x", pci->slot);
	snprintf(function, sizeof(function), "0x%x", pci->function);
	put_begin(writer, "hostdev", "mode", "subsystem", "type", "pci", NULL);
	put_begin(writer, "source", NULL);
	put_empty(writer, "address", "domain", segment, "bus", bus, "slot", slot, "function", function, NULL);
	put_end(writer, "source");
	put_end(writer, "hostdev");
}

static void write_devices(struct writer *writer, const struct manifest *manifest)
{
	put_begin(writer, "devices", NULL);
	for (size_t i = 0; i < manifest->disk_count; i++)
		write_disk(writer, &manifest->disks[i]);
	for (size_t i = 0; i < manifest->interface_count; i++)
		write_interface(writer, &manifest->interfaces[i]);
	for (size_t i = 0; i < manifest->device_count; i++)
		write_pci(writer, &manifest->devices[i]);
	if (manifest->has_console)
		put_empty(writer, "console", "type", "pty", NULL);
	put_end(writer, "devices");
}

/* ---- Skink's own ---- */

static void write_health(struct writer *writer, const struct manifest_health *health)
{
	char *hang = value_duration_text(health->hang_us), *heartbeat = value_duration_text(health->heartbeat_us);
	char *device = value_duration_text(health->device_us);

	put_empty(writer, "skink:health", "hang", hang, "heartbeat", heartbeat, "device", device, NULL);
	free(hang);
	free(heartbeat);
	free(device);
}

static void write_restart(struct writer *writer, const struct manifest_restart *restart)
{
	char limit[NUMBER_TEXT], jitter[NUMBER_TEXT];
	char *within = value_duration_text(restart->within_us), *backoff = value_duration_text(restart->backoff_us);
	char *most = value_duration_text(restart->backoff_max_us);

	snprintf(jitter, sizeof(jitter), "%u%%", restart->jitter_percent);
	if (restart->is_automatic)
		put_empty(writer, "skink:restart", "limit", number(limit, restart->limit), "within", within, "backoff", backoff,
			  "backoff-limit", most, "jitter", jitter, "armed", yes_no(restart->is_armed), "then",
			  manifest_exhausted_name(restart->then), NULL);
	else
		put_empty(writer, "skink:restart", "automatic", "no", NULL);
	free(within);
	free(backoff);
	free(most);
}

static void write_driver(struct writer *writer, const struct manifest *manifest)
{
	const struct manifest_driver *driver = &manifest->driver;
	char *pool = value_size_text(driver->dma_pool_kib), *timeout = value_duration_text(driver->hook.timeout_us);

	put_begin(writer, "skink:driver", "role", manifest_role_name(manifest->role), NULL);
	put_empty(writer, "skink:dma", "pool", pool, "unprotected", yes_no(driver->dma_unprotected), NULL);
	if (driver->fallback)
		put_empty(writer, "skink:fallback", "image", driver->fallback, NULL);
	put_empty(writer, "skink:inject", "allow", yes_no(driver->may_inject), NULL);
	write_health(writer, &driver->health);
	write_restart(writer, &driver->restart);
	if (driver->hook.command)
		put_empty(writer, "skink:hook", "command", driver->hook.command, "user", driver->hook.user, "timeout", timeout,
			  NULL);
	put_end(writer, "skink:driver");
	free(pool);
	free(timeout);
}

char *manifest_write(const struct manifest *manifest)
{
	char *text = NULL;
	size_t length;
	struct writer writer = { open_memstream(&text, &length), 0 };

	if (!writer.out)
		abort();
	put_begin(&writer, "domain", "type", "skink", "xmlns:skink", MANIFEST_NAMESPACE, NULL);
	write_names(&writer, manifest);
	write_kib(&writer, "memory", manifest->memory_kib);
	write_kib(&writer, "currentMemory", manifest->current_memory_kib);
	write_cpus(&writer, manifest);
	write_os(&writer, manifest);
	write_life(&writer, manifest);
	write_devices(&writer, manifest);
	write_sched(&writer, &manifest->sched);
	write_limits(&writer, manifest);
	if (manifest->role != ROLE_GUEST)
		write_driver(&writer, manifest);
	put_end(&writer, "domain");
	if (fclose(writer.out) != 0 || !text)
		abort();
	return text;
}
