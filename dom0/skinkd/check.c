/* SPDX-License-Identifier: MIT */
#include "skinkd/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skinkd/attach.h"
#include "skinkd/driver.h"
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

/* ---- driver domains, and who needs them ---- */

/* Those that are there and those that shall be, by their role. */
static bool is_known(const struct check_set *set, const char *name, enum manifest_role role)
{
	const struct domain *domain = domain_by_name(name);

	if (domain && domain->manifest->role == role)
		return true;
	for (size_t i = 0; set && i < set->count; i++)
		if (set->manifests[i]->role == role && !strcmp(set->manifests[i]->name, name))
			return true;
	return false;
}

static void add_name(char *names, size_t room, const char *name)
{
	size_t length = strlen(names);

	snprintf(names + length, room - length, "%s%s", length ? ", " : "", name);
}

/* "net0, net1": each once. */
static size_t known_names(const struct check_set *set, enum manifest_role role, char *names, size_t room)
{
	size_t count = 0;

	*names = 0;
	for (const struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->manifest->role == role) {
			add_name(names, room, domain->manifest->name);
			count++;
		}
	for (size_t i = 0; set && i < set->count; i++)
		if (set->manifests[i]->role == role && !domain_by_name(set->manifests[i]->name)) {
			add_name(names, room, set->manifests[i]->name);
			count++;
		}
	return count;
}

static void check_driver_of(const struct blame *blame, const char *name, enum manifest_role role, const struct check_set *set,
			    struct report *report)
{
	const char *what = role == ROLE_NET ? "network" : "disk";
	char names[300];
	size_t count = known_names(set, role, names, sizeof(names));

	if (!count)
		report_error(report, blame, "no driver domain on this host serves %ss\ncreate one (/usr/share/skink/manifests/examples/driver-%s.xml is one), "
			     "or leave it out", what, manifest_role_name(role));
	else if (name && !is_known(set, name, role))
		report_error(report, blame, "there is no %s driver domain '%.64s'\nwrite one of those there are: %s", what, name, names);
	else if (!name && count > 1)
		report_error(report, blame, "does not say which driver domain serves it\nwrite <backenddomain name='...'/> with one of %s",
			     names);
}

static bool same_function(const struct manifest_pci *a, const struct manifest_pci *b)
{
	return a->segment == b->segment && a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

static void check_function(const struct manifest *manifest, size_t index, const struct domain *instead_of, struct report *report)
{
	struct blame blame = manifest_blame_device(manifest, index);
	const struct manifest_pci *wanted = &manifest->devices[index];

	for (const struct domain *domain = host.domains; domain; domain = domain->next)
		for (size_t i = 0; domain != instead_of && i < domain->manifest->device_count; i++)
			if (same_function(wanted, &domain->manifest->devices[i]))
				report_error(report, &blame, "%04x:%02x:%02x.%x is assigned to '%s'\na device has one owner: name another, "
					     "or destroy that one first", wanted->segment, wanted->bus, wanted->slot, wanted->function,
					     domain->manifest->name);
}

static void check_driver(const struct manifest *manifest, struct report *report)
{
	struct blame memory = manifest_blame(manifest, MANIFEST_MEMORY), vcpu = manifest_blame(manifest, MANIFEST_VCPU);
	struct blame role = manifest_blame(manifest, MANIFEST_DRIVER), kernel = manifest_blame(manifest, MANIFEST_INITRD);

	if (manifest->memory_kib > DRIVER_MEMORY_KIB_MAX)
		report_error(report, &memory, "%lu KiB are more than a driver domain may have\nwrite %lu MiB or less", manifest->memory_kib,
			     DRIVER_MEMORY_KIB_MAX >> 10);
	if (manifest->vcpus > 1)
		report_error(report, &vcpu, "a driver domain has one vcpu\nwrite 1, or leave the element out");
	if (manifest->initrd)
		report_error(report, &kernel, "a driver domain has no initrd\nleave it out");
	if (manifest->device_count > DRIVER_FUNCTIONS_MAX)
		report_error(report, &role, "a driver domain drives at most %u devices\nmake two of it", DRIVER_FUNCTIONS_MAX);
}

void check_served(const struct manifest *manifest, const struct check_set *set, struct report *report)
{
	struct blame blame;

	for (size_t i = 0; i < manifest->disk_count; i++) {
		blame = manifest_blame_disk(manifest, i);
		check_driver_of(&blame, manifest->disks[i].driver, ROLE_BLK, set, report);
	}
	for (size_t i = 0; i < manifest->interface_count; i++) {
		blame = manifest_blame_interface(manifest, i);
		check_driver_of(&blame, manifest->interfaces[i].driver, ROLE_NET, set, report);
	}
}

/* What can be told from manifests alone; extents that have other names are compared when the disk is offered (DK1), and copies when they are made. */
static void check_disk(const struct manifest *manifest, size_t index, const struct domain *other, struct report *report)
{
	const struct manifest_disk *wanted = &manifest->disks[index];

	for (size_t i = 0; i < other->manifest->disk_count; i++) {
		const struct manifest_disk *had = &other->manifest->disks[i];
		struct blame blame;
		size_t extent;

		if (wanted->is_transient || had->is_transient || !manifest_disks_overlap(wanted, had, &extent))
			continue;
		blame = manifest_blame_extent(manifest, index, extent);
		report_error(report, &blame, "%s of '%s' has the same extent\nname another, or write <readonly/> or <shareable/> into both",
			     had->target, other->manifest->name);
	}
}

/* Who is going lets go of what it has. */
static void check_disks(const struct manifest *manifest, const struct domain *instead_of, struct report *report)
{
	for (const struct domain *other = host.domains; other; other = other->next)
		for (size_t i = 0; i < manifest->disk_count; i++)
			if (other != instead_of && (other->phase != PHASE_ENDING || other->is_restarting))
				check_disk(manifest, i, other, report);
}

static void check_devices(const struct manifest *manifest, const struct domain *instead_of, const struct check_set *set,
			  struct report *report)
{
	if (manifest->role != ROLE_GUEST)
		check_driver(manifest, report);
	check_served(manifest, set, report);
	for (size_t i = 0; i < manifest->device_count; i++)
		check_function(manifest, i, instead_of, report);
	/* Those of a set are compared with each other (manifest_set.c), and all other guests go before they come. */
	if (!set)
		check_disks(manifest, instead_of, report);
}

static void check_file(const struct manifest *manifest, const char *file, enum manifest_element element, struct report *report)
{
	struct blame blame = manifest_blame(manifest, element);

	if (file && access(file, R_OK))
		report_error(report, &blame, "there is no file '%s' in Domain-0\nname one that is there", file);
}

void check_host(const struct manifest *manifest, const struct domain *instead_of, const struct check_set *set,
		struct report *report)
{
	check_names(manifest, instead_of, report);
	check_size(manifest, instead_of, report);
	check_devices(manifest, instead_of, set, report);
	check_file(manifest, driver_image(manifest), MANIFEST_KERNEL, report);
	check_file(manifest, manifest->initrd, MANIFEST_INITRD, report);
}

int check_files(const struct manifest *manifest, struct build_error *error)
{
	struct build_driver driver;
	const struct build_request request = {
		.kernel = driver_image(manifest), .driver = driver_request(manifest, &driver) ? &driver : NULL, .initrd = manifest->initrd, .command_line = manifest->cmdline,
		.memory_kib = driver_own_kib(manifest, manifest->current_memory_kib),
		.memory_max_kib = driver_own_kib(manifest, manifest->memory_kib),
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
