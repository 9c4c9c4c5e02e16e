/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../../protocols/driver.h"
#include "manifest_names.h"
#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

#define BY_LABEL	"/dev/disk/by-partlabel/"
#define BY_UUID		"/dev/disk/by-partuuid/"

/* ---- where it is ---- */

static bool same_extent(const struct manifest_extent *a, const struct manifest_extent *b)
{
	if (a->kind == EXTENT_WHOLE || b->kind == EXTENT_WHOLE)
		return true;
	return a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static char *canonical_name(enum manifest_extent_kind kind, const char *name)
{
	uint8_t uuid[16];

	if (kind == EXTENT_WHOLE)
		return NULL;
	return kind == EXTENT_PARTITION_UUID && value_uuid(name, uuid) ? value_uuid_text(uuid) : need_copy(name);
}

static void add_extent(struct reader *reader, struct manifest_disk *disk, const xmlNode *node,
		       enum manifest_extent_kind kind, const char *name)
{
	struct manifest_extent extent = { kind, canonical_name(kind, name), read_position(reader, node) };

	for (size_t i = 0; i < disk->extent_count; i++)
		if (same_extent(&disk->extents[i], &extent)) {
			read_error(reader, node, NULL, "overlaps the extent in line %u of the same disk\nkeep one of them",
				   disk->extents[i].at.line);
			break;
		}
	*NEED_ONE_MORE(disk->extents, disk->extent_count) = extent;
}

static void read_extent(struct reader *reader, struct manifest_disk *disk, const xmlNode *node)
{
	for (enum manifest_extent_kind kind = EXTENT_VOLUME; kind <= EXTENT_WHOLE; kind++) {
		const char *name = read_attribute(reader, node, manifest_extent_attribute(kind));

		if (name) {
			add_extent(reader, disk, node, kind, name);
			return;
		}
	}
}

/* <source pool= volume=>: the pool is the driver domain. */
static void read_volume(struct reader *reader, struct manifest_disk *disk, const xmlNode *disk_node, const xmlNode *source)
{
	const char *pool = read_attribute(reader, source, "pool"), *volume = read_attribute(reader, source, "volume");

	if (read_attribute(reader, source, "dev") || read_our_child(source, "extent"))
		read_error(reader, source, NULL, "names more than the volume that type='volume' is for\n"
			   "keep 'pool' and 'volume', or write type='block' and a <skink:extent> for each piece");
	else if (source && (!pool || !volume))
		read_error(reader, source, NULL, "does not name the volume\nwrite <source pool='disk0' volume='NAME'/>: "
			   "the blk driver domain, and a volume that 'skink volume list' shows");
	if (pool && disk->driver && strcmp(pool, disk->driver) != 0)
		read_error(reader, read_child(disk_node, "backenddomain"), NULL, "'%.64s' is not the pool, '%.64s'\n"
			   "leave it out: the pool is the driver domain", disk->driver, pool);
	if (pool && !disk->driver)
		disk->driver = need_copy(pool);
	if (volume)
		add_extent(reader, disk, source, EXTENT_VOLUME, volume);
}

static void read_block(struct reader *reader, struct manifest_disk *disk, const xmlNode *source)
{
	const char *dev = read_attribute(reader, source, "dev");
	const xmlNode *extent = read_our_child(source, "extent");

	if (read_attribute(reader, source, "pool") || read_attribute(reader, source, "volume"))
		read_error(reader, source, NULL, "'pool' and 'volume' are for type='volume'\nwrite that into <disk>, "
			   "or name a partition: <source dev='/dev/disk/by-partlabel/NAME'/>");
	else if (dev && extent)
		read_error(reader, source, "dev", "has 'dev' and <skink:extent>\nkeep one of them");
	else if (source && !dev && !extent)
		read_error(reader, source, NULL, "names nothing\nwrite dev='/dev/disk/by-partlabel/NAME', or <skink:extent> into it");
	if (dev && strncmp(dev, BY_LABEL, strlen(BY_LABEL)) == 0)
		add_extent(reader, disk, source, EXTENT_PARTITION_LABEL, dev + strlen(BY_LABEL));
	else if (dev && strncmp(dev, BY_UUID, strlen(BY_UUID)) == 0)
		add_extent(reader, disk, source, EXTENT_PARTITION_UUID, dev + strlen(BY_UUID));
	for (; extent; extent = read_next(extent))
		read_extent(reader, disk, extent);
}

static void read_source(struct reader *reader, struct manifest_disk *disk, const xmlNode *node)
{
	const xmlNode *source = read_child(node, "source"), *backend = read_child(node, "backenddomain");
	const char *type = read_attribute(reader, node, "type"), *driver = read_attribute(reader, backend, "name");

	disk->driver = driver ? need_copy(driver) : NULL;
	if (type && strcmp(type, "volume") == 0)
		read_volume(reader, disk, node, source);
	else if (type && strcmp(type, "block") == 0)
		read_block(reader, disk, source);
	if (!source && !disk->is_cdrom)
		read_error(reader, node, NULL, "has no <source>\nwrite <source pool='disk0' volume='NAME'/>, "
			   "or device='cdrom' for an empty drive");
	if (disk->driver && reader->manifest->name && strcmp(disk->driver, reader->manifest->name) == 0)
		read_error(reader, node, NULL, "the domain is its own driver domain\nname another");
}

/* ---- what it is like ---- */

static size_t letters(const char *target)
{
	return strcspn(target, "0123456789");
}

/* xvda and xvda1 are one name twice: the second is the first one's partition. */
static bool same_target(const char *a, const char *b)
{
	size_t length = letters(a);

	return length == letters(b) && strncmp(a, b, length) == 0 && (!a[length] || !b[length] || strcmp(a, b) == 0);
}

static void read_target(struct reader *reader, struct manifest_disk *disk, const xmlNode *target)
{
	const char *dev = read_attribute(reader, target, "dev");
	struct manifest *manifest = reader->manifest;

	disk->target = need_copy(dev ? dev : "");
	for (size_t i = 0; dev && i < manifest->disk_count; i++)
		if (*manifest->disks[i].target && same_target(manifest->disks[i].target, dev)) {
			read_error(reader, target, "dev", "dev='%s': the disk in line %u is '%s' already\n"
				   "give each disk a name of its own", dev, manifest->disks[i].at.line, manifest->disks[i].target);
			break;
		}
}

static void read_flags(struct reader *reader, struct manifest_disk *disk, const xmlNode *node)
{
	const char *device = read_attribute(reader, node, "device");
	const xmlNode *transient = read_child(node, "transient");

	disk->is_cdrom = device && strcmp(device, "cdrom") == 0;
	disk->is_readonly = disk->is_cdrom || read_child(node, "readonly");
	disk->is_shareable = read_child(node, "shareable");
	disk->is_transient = transient;
	if (transient && disk->is_readonly)
		read_error(reader, transient, NULL, "nothing is written to a disk that is read-only\nleave one of them out");
	else if (transient && disk->is_shareable)
		read_error(reader, transient, NULL, "what others shall see cannot be thrown away\nleave it or <shareable/> out");
}

static void read_driver_of_disk(struct reader *reader, struct manifest_disk *disk, const xmlNode *node)
{
	const xmlNode *driver = read_child(node, "driver");
	const char *discard = read_attribute(reader, driver, "discard");
	uint64_t queues = 0, sector = 0;

	disk->may_discard = !discard || strcmp(discard, "unmap") == 0;
	read_unsigned(reader, driver, "queues", &queues);
	read_unsigned(reader, read_child(node, "blockio"), "logical_block_size", &sector);
	disk->queues = queues <= DRIVER_DISK_QUEUES_MAX ? queues : 0;
	disk->sector_bytes = sector == 512 || sector == 4096 ? sector : 0;
}

static void check_total(struct reader *reader, const xmlNode *iotune, const char *what, uint64_t total, uint64_t read,
			uint64_t write)
{
	char *name = need_text("total_%s_sec", what);

	if (total && (read || write))
		read_error(reader, read_child(iotune, name), NULL, "a total and its parts are limited\n"
			   "keep <%s>, or <read_%s_sec> and <write_%s_sec>", name, what, what);
	free(name);
}

static void read_iotune(struct reader *reader, struct manifest_iotune *limits, const xmlNode *iotune)
{
	read_number_of(reader, read_child(iotune, "total_bytes_sec"), &limits->total_bytes_per_s);
	read_number_of(reader, read_child(iotune, "read_bytes_sec"), &limits->read_bytes_per_s);
	read_number_of(reader, read_child(iotune, "write_bytes_sec"), &limits->write_bytes_per_s);
	read_number_of(reader, read_child(iotune, "total_iops_sec"), &limits->total_iops);
	read_number_of(reader, read_child(iotune, "read_iops_sec"), &limits->read_iops);
	read_number_of(reader, read_child(iotune, "write_iops_sec"), &limits->write_iops);
	check_total(reader, iotune, "bytes", limits->total_bytes_per_s, limits->read_bytes_per_s, limits->write_bytes_per_s);
	check_total(reader, iotune, "iops", limits->total_iops, limits->read_iops, limits->write_iops);
}

/* ---- against the others of the same domain ---- */

/* Who names none means the only one there is. */
static bool same_driver(const struct manifest_disk *a, const struct manifest_disk *b)
{
	return !a->driver || !b->driver || strcmp(a->driver, b->driver) == 0;
}

bool manifest_disks_overlap(const struct manifest_disk *a, const struct manifest_disk *b, size_t *of_a)
{
	if (!same_driver(a, b) || (a->is_readonly && b->is_readonly) || (a->is_shareable && b->is_shareable))
		return false;
	for (*of_a = 0; *of_a < a->extent_count; (*of_a)++)
		for (size_t i = 0; i < b->extent_count; i++)
			if (same_extent(&a->extents[*of_a], &b->extents[i]))
				return true;
	return false;
}

static void check_overlap(struct reader *reader, const struct manifest_disk *disk, const xmlNode *node)
{
	struct manifest *manifest = reader->manifest;
	size_t extent;

	for (size_t i = 0; i < manifest->disk_count; i++)
		if (manifest_disks_overlap(disk, &manifest->disks[i], &extent)) {
			read_error(reader, node, NULL, "the disk in line %u has the same extent\nname another, or write "
				   "<readonly/> or <shareable/> into both", manifest->disks[i].at.line);
			return;
		}
}

void read_disk(struct reader *reader, const xmlNode *node)
{
	struct manifest *manifest = reader->manifest;
	struct manifest_disk disk = { .at = read_position(reader, node) };

	read_flags(reader, &disk, node);
	read_source(reader, &disk, node);
	read_target(reader, &disk, read_child(node, "target"));
	read_driver_of_disk(reader, &disk, node);
	read_iotune(reader, &disk.iotune, read_child(node, "iotune"));
	check_overlap(reader, &disk, node);
	*NEED_ONE_MORE(manifest->disks, manifest->disk_count) = disk;
}
