/* SPDX-License-Identifier: MIT */
#include "lib/volume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/lvm.h"
#include "lib/need.h"
#include "lib/volume_data.h"

#define SECTOR		512UL
#define BYTES_MAX	(1UL << 50)
#define MARK		"skink-to-be-wiped-from-"
#define MARK_FIRST	MARK "0"

static int refuse(int result, char why[VOLUME_WHY], const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(int result, char why[VOLUME_WHY], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, VOLUME_WHY, format, arguments);
	va_end(arguments);
	return result;
}

bool volume_name_ok(const char *name)
{
	static const char *const taken[] = { "_cdata", "_cmeta", "_corig", "_mlog", "_mimage", "_pmspare", "_rimage", "_rmeta", "_tdata",
					     "_tmeta", "_vorigin", "_vdata" };
	size_t length = strlen(name);

	if (!length || length >= VOLUME_NAME || *name == '-' || *name == '.' || !strncmp(name, "snapshot", 8) || !strncmp(name, "pvmove", 6))
		return false;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strstr(name, taken[i]))
			return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+") == length;
}

const struct volume *volume_find(const struct volume_group *group, const char *name)
{
	for (size_t i = 0; i < group->count; i++)
		if (!strcmp(group->volumes[i].name, name))
			return &group->volumes[i];
	return NULL;
}

bool volume_is_whole(const struct volume *volume)
{
	return !volume->is_marked || volume->marked_from >= volume->sectors;
}

void volume_group_free(struct volume_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		free(group->volumes[i].extents);
	free(group->volumes);
	*group = (struct volume_group){ 0 };
}

/* ---- what lvm says ---- */

/* The rows of its one report; the caller drops *report. */
static json_t *ask(const struct volume_pool *pool, const char *const arguments[], const char *rows, json_t **report, char why[VOLUME_WHY])
{
	char *text = lvm_run(pool->device, arguments, why, VOLUME_WHY);
	json_t *list;

	*report = text ? json_loads(text, 0, NULL) : NULL;
	free(text);
	list = json_object_get(json_array_get(json_object_get(*report, "report"), 0), rows);
	if (*report && !json_is_array(list))
		refuse(-EPROTO, why, "lvm gave no report");
	return list;
}

static uint64_t number_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? strtoull(text, NULL, 10) : 0;
}

struct geometry {
	uint64_t pe_start, pe_sectors;
	uint64_t metadata_sectors, device_sectors;	/* what LVM keeps before pe_start; all there are */
};

static int read_group(const struct volume_pool *pool, struct volume_group *group, struct geometry *geometry, char why[VOLUME_WHY])
{
	const char *const arguments[] = { "pvs", "--reportformat", "json", "--units", "s", "--nosuffix", "-o",
					  "pv_name,vg_name,pe_start,vg_extent_size,pv_free,pv_size,pv_mda_size,dev_size", NULL };
	json_t *report, *rows = ask(pool, arguments, "pv", &report, why), *row;
	uint32_t devices = 0;
	int result = 0;
	size_t i;

	if (!rows) {
		json_decref(report);
		return -EIO;
	}
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "vg_name"));

		if (!name || !*name)
			continue;
		if (strcmp(name, pool->group)) {
			result = refuse(-EPROTO, why, "the device is of volume group '%.40s', not '%s', or LVM's metadata is damaged: restore it with "
					"vgcfgrestore, or make the partition anew", name, pool->group);
			continue;
		}
		group->is_there = true;
		devices++;
		group->free_sectors = number_of(row, "pv_free");
		group->all_sectors = number_of(row, "pv_size");
		*geometry = (struct geometry){ number_of(row, "pe_start"), number_of(row, "vg_extent_size"), number_of(row, "pv_mda_size"),
					       number_of(row, "dev_size") };
		group->step_sectors = geometry->pe_sectors;
	}
	json_decref(report);
	if (result)
		return result;
	/* One that is not looked at counts too: volumes on it have the numbers of extents of this one. */
	if (devices > 1)
		return refuse(-EPROTO, why, "volume group '%s' is on %u devices, and skink serves only one that is on a single device: take the "
			      "others out of it, with vgreduce", pool->group, devices);
	return group->is_there && !group->step_sectors ? refuse(-EIO, why, "LVM does not say how large a volume's steps are") : 0;
}

static struct volume *volume_of(struct volume_group *group, const char *name)
{
	struct volume *volume = (struct volume *)volume_find(group, name);

	if (!volume) {
		volume = NEED_ONE_MORE(group->volumes, group->count);
		snprintf(volume->name, sizeof(volume->name), "%s", name);
	}
	return volume;
}

/* LVM believes its metadata, and whoever has had the whole disk may have written that. */
static bool is_on_device(const struct geometry *geometry, uint64_t last)
{
	return geometry->pe_start > geometry->metadata_sectors && geometry->pe_start <= geometry->device_sectors &&
	       last < (geometry->device_sectors - geometry->pe_start) / geometry->pe_sectors;
}

/* "/dev/xvdpn:0-255" */
static int take_segment(struct volume_group *group, const struct geometry *geometry, const json_t *row, char why[VOLUME_WHY])
{
	const char *name = json_string_value(json_object_get(row, "lv_name"));
	const char *range = json_string_value(json_object_get(row, "seg_pe_ranges"));
	const char *type = json_string_value(json_object_get(row, "segtype"));
	const char *tags = json_string_value(json_object_get(row, "lv_tags")), *mark = tags ? strstr(tags, MARK) : NULL;
	const char *colon = range ? strrchr(range, ':') : NULL;
	uint64_t first, last;
	struct volume *volume;

	if (!name || !type || strcmp(type, "linear") || !colon || strlen(name) >= VOLUME_NAME ||
	    sscanf(colon, ":%" SCNu64 "-%" SCNu64, &first, &last) != 2 || last < first)
		return refuse(-EPROTO, why, "volume '%.40s' is not linear: skink made it not, and does not serve it", name ?: "");
	if (!is_on_device(geometry, last))
		return refuse(-EPROTO, why, "volume '%.40s' lies where the device has no room for volumes: LVM's metadata is wrong, restore it with "
			      "vgcfgrestore, or make the partition anew", name);
	volume = volume_of(group, name);
	*NEED_ONE_MORE(volume->extents, volume->extent_count) = (struct volume_extent){
		geometry->pe_start + first * geometry->pe_sectors, (last - first + 1) * geometry->pe_sectors };
	volume->sectors += (last - first + 1) * geometry->pe_sectors;
	volume->is_marked = mark;
	volume->marked_from = mark ? strtoull(mark + strlen(MARK), NULL, 10) : 0;
	return 0;
}

int volume_group_read(const struct volume_pool *pool, struct volume_group *group, char why[VOLUME_WHY])
{
	const char *const arguments[] = { "lvs", "--segments", "--reportformat", "json", "--units", "s", "--nosuffix", "-o",
					  "lv_name,segtype,seg_pe_ranges,lv_tags", "-O", "lv_name,seg_start_pe", pool->group, NULL };
	struct geometry geometry = { 0, 0, 0, 0 };
	json_t *report, *rows, *row;
	int result;
	size_t i;

	*group = (struct volume_group){ 0 };
	result = read_group(pool, group, &geometry, why);
	if (result || !group->is_there)
		return result;
	rows = ask(pool, arguments, "seg", &report, why);
	result = rows ? 0 : -EIO;
	json_array_foreach(rows, i, row)
		if (!result)
			result = take_segment(group, &geometry, row, why);
	json_decref(report);
	if (result)
		volume_group_free(group);
	return result;
}

/* ---- changes ---- */

static int run(const struct volume_pool *pool, const char *const arguments[], char why[VOLUME_WHY])
{
	char *text = lvm_run(pool->device, arguments, why, VOLUME_WHY);

	free(text);
	return text ? 0 : -EIO;
}

/* Whatever else is on the device is not overwritten: lvm asks, and nobody says yes. */
static int make_group(const struct volume_pool *pool, char why[VOLUME_WHY])
{
	const char *const physical[] = { "pvcreate", pool->device, NULL };
	const char *const group[] = { "vgcreate", pool->group, pool->device, NULL };
	int result = run(pool, physical, why);

	return result ? result : run(pool, group, why);
}

static int check_size(uint64_t bytes, char why[VOLUME_WHY])
{
	if (!bytes || bytes > BYTES_MAX)
		return refuse(-EINVAL, why, "%" PRIu64 " bytes are no size of a volume: write 4MiB to 1PiB", bytes);
	return 0;
}

/* The volume by its name, and all others. */
static int find(const struct volume_pool *pool, const char *name, struct volume_group *group, const struct volume **volume,
		char why[VOLUME_WHY])
{
	int result = volume_group_read(pool, group, why);

	if (result)
		return result;
	*volume = volume_find(group, name);
	if (*volume)
		return 0;
	volume_group_free(group);
	return refuse(-ENOENT, why, "there is no volume '%.60s': 'skink volume list' shows those there are", name);
}

static int wipe_from(const struct volume_pool *pool, const char *name, uint64_t from, char why[VOLUME_WHY])
{
	struct volume_group group;
	const struct volume *volume;
	int result = find(pool, name, &group, &volume, why);

	if (result)
		return result;
	result = volume_wipe(pool->device, volume, from);
	volume_group_free(&group);
	return result ? refuse(result, why, "it cannot be filled with zeros: %s", strerror(-result)) : 0;
}

/* VO2. `how` is --addtag or --deltag. */
static int change_mark(const struct volume_pool *pool, const char *name, const char *how, uint64_t from, char why[VOLUME_WHY])
{
	char mark[sizeof(MARK) + 20], path[VOLUME_NAME * 2 + 8];
	const char *const arguments[] = { "lvchange", how, mark, path, NULL };

	snprintf(mark, sizeof(mark), MARK "%" PRIu64, from);
	snprintf(path, sizeof(path), "%s/%s", pool->group, name);
	return run(pool, arguments, why);
}

/* Not made whole, it is not left there. */
static int end_new(const struct volume_pool *pool, const char *name, int result, char why[VOLUME_WHY])
{
	char ignored[VOLUME_WHY];

	if (!result)
		result = change_mark(pool, name, "--deltag", 0, why);
	if (result)
		volume_delete(pool, name, ignored);
	return result;
}

/* It is zero, and still marked: who has made it calls end_new() when it is filled. */
static int begin_new(const struct volume_pool *pool, const char *name, uint64_t bytes, char why[VOLUME_WHY])
{
	char size[32];
	const char *const arguments[] = { "lvcreate", "-an", "-Zn", "-Wn", "--addtag", MARK_FIRST, "-n", name, "-L", size, pool->group, NULL };
	uint64_t sectors = bytes / SECTOR + (bytes % SECTOR != 0);
	struct volume_group group;
	int result = check_size(bytes, why);

	snprintf(size, sizeof(size), "%" PRIu64 "s", sectors);
	if (!result && !volume_name_ok(name))
		result = refuse(-EINVAL, why, VOLUME_NAME_WRONG, name);
	if (!result)
		result = volume_group_read(pool, &group, why);
	if (result)
		return result;
	if (volume_find(&group, name))
		result = refuse(-EEXIST, why, "there is a volume '%.60s' already: choose another name, or delete that one", name);
	else if (!group.is_there)
		result = make_group(pool, why);
	else if (sectors > group.free_sectors)
		result = refuse(-ENOSPC, why, "%" PRIu64 " MiB are more than is free, %" PRIu64 " MiB: write less, or delete a volume",
				bytes >> 20, group.free_sectors >> 11);
	volume_group_free(&group);
	if (!result)
		result = run(pool, arguments, why);
	if (result)
		return result;
	result = wipe_from(pool, name, 0, why);
	return result ? end_new(pool, name, result, why) : 0;
}

int volume_create(const struct volume_pool *pool, const char *name, uint64_t bytes, char why[VOLUME_WHY])
{
	int result = begin_new(pool, name, bytes, why);

	return result ? result : end_new(pool, name, 0, why);
}

static int set_size(const struct volume_pool *pool, const char *name, uint64_t sectors, char why[VOLUME_WHY])
{
	char size[32], path[VOLUME_NAME * 2 + 8];
	const char *const arguments[] = { "lvresize", "-f", "-L", size, path, NULL };

	snprintf(size, sizeof(size), "%" PRIu64 "s", sectors);
	snprintf(path, sizeof(path), "%s/%s", pool->group, name);
	return run(pool, arguments, why);
}

int volume_resize(const struct volume_pool *pool, const char *name, uint64_t bytes, char why[VOLUME_WHY])
{
	const struct volume *found;
	struct volume_group group;
	struct volume volume;
	uint64_t wanted, from;
	int result = check_size(bytes, why);

	if (!result)
		result = find(pool, name, &group, &found, why);
	if (result)
		return result;
	volume = *found;
	from = volume_is_whole(found) ? found->sectors : found->marked_from;
	wanted = (bytes / SECTOR + (bytes % SECTOR != 0) + group.step_sectors - 1) / group.step_sectors * group.step_sectors;
	if (wanted > volume.sectors && wanted - volume.sectors > group.free_sectors)
		result = refuse(-ENOSPC, why, "only %" PRIu64 " MiB are free: write less, or delete a volume", group.free_sectors >> 11);
	volume_group_free(&group);
	/* It was made smaller since: this mark would say too little of what it gains. */
	if (!result && volume.is_marked && volume.marked_from > from)
		result = change_mark(pool, name, "--deltag", volume.marked_from, why);
	if (!result && wanted > from)
		result = change_mark(pool, name, "--addtag", from, why);
	if (!result && wanted != volume.sectors)
		result = set_size(pool, name, wanted, why);
	if (result || wanted <= from)
		return result;
	result = wipe_from(pool, name, from, why);
	return result ? result : change_mark(pool, name, "--deltag", from, why);
}

int volume_delete(const struct volume_pool *pool, const char *name, char why[VOLUME_WHY])
{
	char path[VOLUME_NAME * 2 + 8];
	const char *const arguments[] = { "lvremove", "-f", path, NULL };
	const struct volume *volume;
	struct volume_group group;
	int result = find(pool, name, &group, &volume, why);

	if (result)
		return result;
	volume_group_free(&group);
	snprintf(path, sizeof(path), "%s/%s", pool->group, name);
	return run(pool, arguments, why);
}

int volume_import(const struct volume_pool *pool, const char *name, const char *file, char why[VOLUME_WHY])
{
	const struct volume *volume;
	struct volume_group group;
	uint64_t bytes = 0;
	int result = volume_image_size(file, &bytes, why);

	if (!result)
		result = begin_new(pool, name, bytes, why);
	if (!result)
		result = find(pool, name, &group, &volume, why);
	if (result)
		return result;
	result = volume_fill(pool->device, volume, file, why);
	volume_group_free(&group);
	return end_new(pool, name, result, why);
}

/* What is there and is not to be kept. */
static int throw_away(const struct volume_pool *pool, const char *name, char why[VOLUME_WHY])
{
	struct volume_group group;
	int result = volume_group_read(pool, &group, why);
	bool is_there = !result && volume_find(&group, name);

	volume_group_free(&group);
	return is_there ? volume_delete(pool, name, why) : result;
}

int volume_clone(const struct volume_pool *pool, const char *name, const char *source, const struct volume *original,
		 char why[VOLUME_WHY])
{
	const struct volume *volume;
	struct volume_group group;
	int result = throw_away(pool, name, why);

	if (!result)
		result = begin_new(pool, name, original->sectors * SECTOR, why);
	if (!result)
		result = find(pool, name, &group, &volume, why);
	if (result)
		return result;
	result = volume_gather(pool->device, volume, source, original);
	volume_group_free(&group);
	if (result)
		refuse(result, why, "its content cannot be copied: %s", strerror(-result));
	return end_new(pool, name, result, why);
}

int volume_export(const struct volume_pool *pool, const char *name, const char *file, char why[VOLUME_WHY])
{
	const struct volume *volume;
	struct volume_group group;
	int result = find(pool, name, &group, &volume, why);

	if (result)
		return result;
	if (volume_is_whole(volume))
		result = volume_copy(pool->device, volume, file, why);
	else
		result = refuse(-EPERM, why, VOLUME_NOT_WHOLE, name);
	volume_group_free(&group);
	return result;
}
