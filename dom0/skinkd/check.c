/* SPDX-License-Identifier: MIT */
#include "skinkd/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skinkd/host.h"

void memory_free(uint64_t *free_kib, uint64_t *all_kib)
{
	struct xen_sysctl_physinfo machine = { 0 };
	uint64_t reserve = host.conf.memory_reserve_kib;

	core_machine(&host.core, &machine);
	*free_kib = machine.free_pages << (FRAME_SHIFT - 10);
	*free_kib = *free_kib > reserve ? *free_kib - reserve : 0;
	*all_kib = machine.total_pages << (FRAME_SHIFT - 10);
}

static void check_names(const struct manifest *manifest, const struct domain *instead_of, struct report *report)
{
	struct blame name = manifest_blame(manifest, MANIFEST_NAME), uuid = manifest_blame(manifest, MANIFEST_UUID);
	json_t *named = json_string(manifest->name);
	const struct domain *other;
	struct target target;

	if (target_find(named, &target) && (!target.record || target.record != instead_of)) {
		if (target.has_id && target.id == 0)
			report_error(report, &name, "'%s' is the name of the control domain\nchoose another", manifest->name);
		else
			report_error(report, &name, "there is a domain '%s' already\ndestroy it first, or choose another name", target.name);
	}
	json_decref(named);
	other = manifest->has_uuid ? domain_by_uuid(manifest->uuid) : NULL;
	if (other && other != instead_of)
		report_error(report, &uuid, "domain '%s' has this UUID\nchoose another, or leave the element out", other->manifest->name);
}

static void check_size(const struct manifest *manifest, const struct domain *instead_of, struct report *report)
{
	struct blame memory = manifest_blame(manifest, MANIFEST_CURRENT_MEMORY), vcpu = manifest_blame(manifest, MANIFEST_VCPU);
	struct blame tune = manifest_blame(manifest, MANIFEST_CPUTUNE);
	struct xen_sysctl_physinfo machine = { 0 };
	uint64_t available, all;

	memory_free(&available, &all);
	core_machine(&host.core, &machine);
	if (manifest->current_memory_kib > all)
		report_error(report, &memory, "%lu MiB are more than this machine has, %lu MiB\nwrite less", manifest->current_memory_kib >> 10,
			     all >> 10);
	else if (!instead_of && manifest->current_memory_kib > available)
		report_error(report, &memory, "%lu MiB are more than is free now, %lu MiB\nwrite less, or end another domain",
			     manifest->current_memory_kib >> 10, available >> 10);
	if (machine.nr_cpus && manifest->vcpus > machine.nr_cpus)
		report_warning(report, &vcpu, "%u vcpus share this machine's %u CPU%s\nwrite %u, unless that is what is wanted",
			       manifest->vcpus, machine.nr_cpus, machine.nr_cpus == 1 ? "" : "s", machine.nr_cpus);
	for (uint32_t i = 0; i < manifest->vcpus; i++)
		if (machine.nr_cpus && manifest->affinity[i] && !(manifest->affinity[i] & ((2UL << (machine.nr_cpus - 1)) - 1)))
			report_error(report, &tune, "vcpu %u is pinned to CPUs that this machine does not have\nname some of 0-%u", i,
				     machine.nr_cpus - 1);
}

/* What needs driver domains. */
static void check_devices(const struct manifest *manifest, struct report *report)
{
	struct blame role = manifest_blame(manifest, MANIFEST_DRIVER), blame;

	if (manifest->role != ROLE_GUEST)
		report_error(report, &role, "there is no image for a driver domain on this host\nleave the element out for a guest");
	for (size_t i = 0; i < manifest->disk_count; i++) {
		blame = manifest_blame_disk(manifest, i);
		report_error(report, &blame, "no driver domain on this host serves disks\nleave it out, and boot from an initrd");
	}
	for (size_t i = 0; i < manifest->interface_count; i++) {
		blame = manifest_blame_interface(manifest, i);
		report_error(report, &blame, "no driver domain on this host serves networks\nleave it out");
	}
	for (size_t i = 0; i < manifest->device_count; i++) {
		blame = manifest_blame_device(manifest, i);
		report_error(report, &blame, "devices cannot be given to domains on this host\nleave it out");
	}
}

static void check_file(const struct manifest *manifest, const char *file, enum manifest_element element, struct report *report)
{
	struct blame blame = manifest_blame(manifest, element);

	if (file && access(file, R_OK))
		report_error(report, &blame, "there is no file '%s' in Domain-0\nname one that is there", file);
}

void check_host(const struct manifest *manifest, const struct domain *instead_of, struct report *report)
{
	check_names(manifest, instead_of, report);
	check_size(manifest, instead_of, report);
	check_devices(manifest, report);
	check_file(manifest, manifest->kernel, MANIFEST_KERNEL, report);
	check_file(manifest, manifest->initrd, MANIFEST_INITRD, report);
}

int check_files(const struct manifest *manifest, struct build_error *error)
{
	const struct build_request request = {
		.kernel = manifest->kernel, .initrd = manifest->initrd, .command_line = manifest->cmdline,
		.memory_kib = manifest->current_memory_kib, .memory_max_kib = manifest->memory_kib,
		.vcpus_max = manifest->vcpus,
	};

	return build_check(&request, error);
}

json_t *report_lines(const struct report *report, enum severity severity)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < report->entry_count; i++) {
		char *line;

		if (report->entries[i].severity != severity)
			continue;
		line = report_line(&report->entries[i]);
		json_array_append_new(lines, json_string(line));
		free(line);
	}
	return lines;
}
