/* SPDX-License-Identifier: MIT */
#include "skinkd/disks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/need.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/job.h"
#include "skinkd/partitions.h"
#include "skinkd/volumes.h"

#define FRESH_MS	5000		/* for so long a partition table is believed */
#define OWN		"xvdp"		/* xvdpa to xvdpz: Domain-0's own: whole devices ... */
#define OWN_VOLUMES	'n'		/* ... and from here on partitions with volumes */

/* One device, as Domain-0 reads it. */
struct device {
	struct device *next;
	struct driver *driver;		/* NULL: it went while the table was read */
	char key[ATTACH_KEY];
	bool is_reading, is_known;
	uint64_t read_ms;
	struct partition_table table;
};

struct reading {
	struct job job;
	struct device *device;
	char path[ATTACH_KEY + 8];
	struct partition_table table;
};

static struct device *devices;

/* ---- Domain-0's own look ---- */

bool disks_is_own(const struct attachment *attachment)
{
	return !attachment->front_id && attachment->kind == ATTACH_VBD && !strncmp(attachment->key, OWN, strlen(OWN)) &&
	       attachment->key[strlen(OWN)];
}

/* Of the whole device the first half of the letters, of its volumes the second. */
static bool is_own_for(const struct attachment *attachment, const struct driver *driver, bool is_partition)
{
	return disks_is_own(attachment) && !strcmp(attachment->driver_name, driver->domain->manifest->name) &&
	       (attachment->key[strlen(OWN)] >= OWN_VOLUMES) == is_partition;
}

/* Beside Domain-0's manifest: what an administrator gave it may lie within what it only looks at. */
static struct manifest own;

const struct manifest *disks_own(void)
{
	return &own;
}

static void add_own(const char *driver_name, const char *partition, const char *key)
{
	struct manifest_disk *disk = NEED_ONE_MORE(own.disks, own.disk_count);
	struct manifest_extent *extent = NEED_ONE_MORE(disk->extents, disk->extent_count);

	disk->target = need_copy(key);
	disk->driver = need_copy(driver_name);
	disk->is_readonly = !partition;
	extent->kind = partition ? EXTENT_PARTITION_LABEL : EXTENT_WHOLE;
	extent->name = partition ? need_copy(partition) : NULL;
}

void disks_take_up(const struct attachment *attachment)
{
	if (disks_is_own(attachment))
		add_own(attachment->driver_name, attachment->key[strlen(OWN)] >= OWN_VOLUMES ? VOLUMES_PARTITION : NULL, attachment->key);
}

bool disks_attach_own(struct driver *driver, const char *partition, char key[ATTACH_KEY])
{
	char letter = partition ? OWN_VOLUMES : 'a', last = partition ? 'z' : OWN_VOLUMES - 1;

	/* One that a skinkd before this one made. */
	for (const struct attachment *other = attachments; other; other = other->next)
		if (is_own_for(other, driver, partition)) {
			snprintf(key, ATTACH_KEY, "%s", other->key);
			return true;
		}
	do
		snprintf(key, ATTACH_KEY, OWN "%c", letter);
	while (attach_find(0, key) && letter++ < last);
	if (attach_find(0, key))
		return false;
	add_own(driver->domain->manifest->name, partition, key);
	attach_add(0, "Domain-0", ATTACH_VBD, key, driver->domain->manifest->name);
	return true;
}

void disks_detach_own(const char *key)
{
	const struct manifest_disk *disk = attach_disk(&own, key);
	struct attachment *attachment = attach_find(0, key);

	if (disk)
		manifest_drop_disk(&own, (size_t)(disk - own.disks));
	if (attachment)
		attach_remove(attachment, true);
}

static struct device *device_of(struct driver *driver)
{
	struct device *device = devices;

	while (device && device->driver != driver)
		device = device->next;
	if (device)
		return device;
	device = need_memory(calloc(1, sizeof(*device)));
	*device = (struct device){ .next = devices, .driver = driver };
	if (!disks_attach_own(driver, NULL, device->key)) {
		free(device);
		return NULL;
	}
	devices = device;
	return device;
}

static void device_free(struct device *device)
{
	struct device **at = &devices;

	while (*at != device)
		at = &(*at)->next;
	*at = device->next;
	partitions_free(&device->table);
	free(device);
}

void disks_forget(const struct driver *driver)
{
	struct device *device = devices;

	volumes_forget(driver);
	while (device && device->driver != driver)
		device = device->next;
	if (!device)
		return;
	disks_detach_own(device->key);
	device->driver = NULL;
	if (!device->is_reading)
		device_free(device);
}

/* ---- reading the table ---- */

static int run_reading(struct job *job, struct core *core)
{
	struct reading *reading = (struct reading *)job;

	return partitions_read(reading->path, &reading->table);
}

static void has_read(struct job *job)
{
	struct reading *reading = (struct reading *)job;
	struct device *device = reading->device;

	device->is_reading = false;
	if (!device->driver) {
		partitions_free(&reading->table);
		device_free(device);
	} else {
		partitions_free(&device->table);
		device->table = reading->table;
		device->is_known = true;
		device->read_ms = uv_now(host.loop);
	}
	free(reading);
	attach_look();
}

/* True: the table is known, and fresh. */
static bool know_table(struct device *device)
{
	const struct attachment *look = attach_find(0, device->key);
	struct reading *reading;

	if (device->is_reading)
		return false;
	if (device->is_known && uv_now(host.loop) - device->read_ms < FRESH_MS)
		return true;
	if (!look || look->back != XenbusStateConnected)
		return false;
	reading = need_memory(calloc(1, sizeof(*reading)));
	*reading = (struct reading){ .job = { .run = run_reading, .done = has_read }, .device = device };
	snprintf(reading->path, sizeof(reading->path), "/dev/%s", device->key);
	device->is_reading = true;
	job_start(&reading->job);
	return false;
}

/* ---- extents ---- */

static enum disks_found never(char why[ATTACH_WHY], const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum disks_found never(char why[ATTACH_WHY], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, ATTACH_WHY, format, arguments);
	va_end(arguments);
	return DISKS_NEVER;
}

static enum disks_found add(struct driver *driver, struct driver_blk *blk, uint64_t first, uint64_t count, char why[ATTACH_WHY])
{
	uint64_t all = driver->status->device_sectors, unit = blk->sector_bytes / 512;

	if (blk->extent_count == DRIVER_EXTENTS_MAX)
		return never(why, "it has more extents than a driver domain can serve: write at most %u", DRIVER_EXTENTS_MAX);
	if (!count || first > all || count > all - first)
		return never(why, "sectors %lu to %lu are not on the device, which ends at %lu: mend its partition table", first,
			     first + count, all);
	if (first % unit || count % unit)
		return never(why, "sectors %lu to %lu do not begin and end with a sector of %u bytes: write <blockio "
			     "logical_block_size='512'/>", first, first + count, blk->sector_bytes);
	blk->extent[blk->extent_count++] = (struct driver_extent){ first, count };
	return DISKS_FOUND;
}

static enum disks_found add_partition(struct driver *driver, const struct manifest_extent *wanted, bool is_own, struct driver_blk *blk,
				      char why[ATTACH_WHY])
{
	struct device *device = device_of(driver);
	const struct partition *found = NULL;
	char known[400];		/* nine UUIDs */

	if (!device)
		return never(why, "Domain-0 looks at 13 devices already, and can read no more partition tables");
	if (!know_table(device)) {
		snprintf(why, ATTACH_WHY, "Domain-0 reads the partition table of '%.60s'", driver->domain->manifest->name);
		return DISKS_NOT_YET;
	}
	if (device->table.error)
		return never(why, "the partition table of '%.60s' cannot be read: %s", driver->domain->manifest->name,
			     strerror(-device->table.error));
	for (size_t i = 0; i < device->table.count; i++) {
		const struct partition *partition = &device->table.partitions[i];
		const char *name = wanted->kind == EXTENT_PARTITION_UUID ? partition->uuid : partition->label;

		if (strcmp(name, wanted->name))
			continue;
		if (found)
			return never(why, "two partitions are called '%.40s': name one by its UUID", wanted->name);
		found = partition;
	}
	partitions_names(&device->table, wanted->kind == EXTENT_PARTITION_UUID, known, sizeof(known));
	if (!found)
		return never(why, "'%.40s' has no partition '%.40s': %s%s", driver->domain->manifest->name, wanted->name,
			     *known ? "it has " : "it has none", known);
	if (!is_own && !strcmp(found->label, VOLUMES_PARTITION))
		return never(why, "partition '%.40s' holds the volumes: name one of these", wanted->name);
	return add(driver, blk, found->first, found->count, why);
}

enum disks_found disks_resolve(struct driver *driver, const struct manifest_disk *disk, bool is_own, struct driver_blk *blk,
			       char why[ATTACH_WHY])
{
	uint32_t device_bytes = driver->status->sector_bytes == 4096 ? 4096 : 512;
	enum disks_found found = DISKS_FOUND;

	*blk = (struct driver_blk){ .sector_bytes = disk->sector_bytes ? disk->sector_bytes : device_bytes };
	if (blk->sector_bytes < device_bytes)
		return never(why, "the device has sectors of %u bytes: leave <blockio> out", device_bytes);
	for (size_t i = 0; i < disk->extent_count && found == DISKS_FOUND; i++)
		if (disk->extents[i].kind == EXTENT_WHOLE)
			found = add(driver, blk, 0, driver->status->device_sectors & ~7UL, why);
		else if (disk->extents[i].kind == EXTENT_VOLUME)
			found = volumes_resolve(driver, disk->extents[i].name, blk, why);
		else
			found = add_partition(driver, &disk->extents[i], is_own, blk, why);
	return found;
}

const char *disks_look(struct driver *driver, bool *is_never)
{
	static char path[ATTACH_KEY + 8];
	struct device *device = device_of(driver);
	const struct attachment *look = device ? attach_find(0, device->key) : NULL;

	*is_never = !device;
	if (!look || look->back != XenbusStateConnected)
		return NULL;
	snprintf(path, sizeof(path), "/dev/%s", device->key);
	return path;
}

bool disks_overlap(const struct driver_blk *a, const struct driver_blk *b)
{
	for (uint32_t i = 0; i < a->extent_count; i++)
		for (uint32_t j = 0; j < b->extent_count; j++)
			if (a->extent[i].first < b->extent[j].first + b->extent[j].count &&
			    b->extent[j].first < a->extent[i].first + a->extent[i].count)
				return true;
	return false;
}
