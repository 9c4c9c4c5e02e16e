/* SPDX-License-Identifier: MIT */
/* What only several manifests together show: the later one is blamed, the earlier one named. */
#include <string.h>

#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

struct pair {
	const struct manifest *earlier, *later;
	struct report *report;
};

static void check_names(const struct pair *pair)
{
	const struct manifest *earlier = pair->earlier, *later = pair->later;
	struct blame name = manifest_blame(later, MANIFEST_NAME), uuid = manifest_blame(later, MANIFEST_UUID);

	if (strcmp(earlier->name, later->name) == 0)
		report_error(pair->report, &name, "'%s' is the name in %s, line %u, too\ngive each domain its own", later->name,
			     earlier->file, earlier->at[MANIFEST_NAME].line);
	if (earlier->has_uuid && later->has_uuid && memcmp(earlier->uuid, later->uuid, 16) == 0)
		report_error(pair->report, &uuid, "is the UUID in %s, line %u, too\nleave it out, or write what uuidgen prints",
			     earlier->file, earlier->at[MANIFEST_UUID].line);
}

static void check_macs(const struct pair *pair)
{
	for (size_t i = 0; i < pair->later->interface_count; i++)
		for (size_t j = 0; j < pair->earlier->interface_count; j++) {
			const struct manifest_interface *later = &pair->later->interfaces[i];
			const struct manifest_interface *earlier = &pair->earlier->interfaces[j];
			struct blame blame = manifest_blame_interface(pair->later, i);

			if (later->has_mac && earlier->has_mac && memcmp(later->mac, earlier->mac, 6) == 0 &&
			    strcmp(later->driver, earlier->driver) == 0)
				report_error(pair->report, &blame, "its MAC address is in %s, line %u, too\n"
					     "give each interface its own, or leave <mac> out", pair->earlier->file, earlier->at.line);
		}
}

static void check_devices(const struct pair *pair)
{
	for (size_t i = 0; i < pair->later->device_count; i++)
		for (size_t j = 0; j < pair->earlier->device_count; j++) {
			const struct manifest_pci *later = &pair->later->devices[i], *earlier = &pair->earlier->devices[j];
			struct blame blame = manifest_blame_device(pair->later, i);

			if (later->segment == earlier->segment && later->bus == earlier->bus && later->slot == earlier->slot &&
			    later->function == earlier->function)
				report_error(pair->report, &blame, "%04x:%02x:%02x.%x is owned in %s, line %u, too\n"
					     "a device has one owner: leave one of them out", later->segment, later->bus, later->slot,
					     later->function, pair->earlier->file, earlier->at.line);
		}
}

static void check_disks(const struct pair *pair)
{
	for (size_t i = 0; i < pair->later->disk_count; i++)
		for (size_t j = 0; j < pair->earlier->disk_count; j++) {
			const struct manifest_disk *later = &pair->later->disks[i], *earlier = &pair->earlier->disks[j];
			size_t extent;
			struct blame blame;

			if (!manifest_disks_overlap(later, earlier, &extent))
				continue;
			blame = manifest_blame_extent(pair->later, i, extent);
			report_error(pair->report, &blame, "the disk in %s, line %u, has the same extent\nname another, or write "
				     "<readonly/> or <shareable/> into both", pair->earlier->file, earlier->at.line);
		}
}

void manifest_check_set(struct manifest *const *manifests, size_t count, struct report *report)
{
	for (size_t later = 0; later < count; later++)
		for (size_t earlier = 0; earlier < later; earlier++) {
			struct pair pair = { manifests[earlier], manifests[later], report };

			check_names(&pair);
			check_macs(&pair);
			check_devices(&pair);
			check_disks(&pair);
		}
	report_sort(report);
}
