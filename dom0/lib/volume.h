/* SPDX-License-Identifier: MIT */
/*
 * Volumes: LVM's linear ones, made and found by lvm(8) on one device that is the whole of a volume group. No device-mapper is
 * asked: a volume is where its extents are, and whoever serves the device serves these.
 * VO1  Names are checked before lvm sees them; nothing else of it comes from outside.
 * VO2  What a volume gains is marked before, in LVM's metadata, until it is zero or filled: whoever comes after a skinkd that was
 *      killed meanwhile knows it, and what somebody else wrote there is given to nobody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VOLUME_NAME	64
#define VOLUME_WHY	300

struct volume_extent {
	uint64_t first, count;		/* of 512 bytes, on the device */
};

struct volume {
	char name[VOLUME_NAME];
	uint64_t sectors;
	bool is_marked;			/* VO2: from that sector on */
	uint64_t marked_from;
	struct volume_extent *extents;	/* in the volume's order */
	size_t extent_count;
};

struct volume_group {
	bool is_there;			/* the device has one; false: it is blank, or something else */
	uint64_t free_sectors, all_sectors, step_sectors;	/* each volume is a multiple of a step */
	struct volume *volumes;
	size_t count;
};

struct volume_pool {
	const char *device;		/* /dev/... */
	const char *group;		/* what the group is called */
};

/* 0, or -errno and `why`. All of them wait for lvm, and for the disk. */
int volume_group_read(const struct volume_pool *pool, struct volume_group *group, char why[VOLUME_WHY]);
void volume_group_free(struct volume_group *group);

/* Makes the group first if the device is blank. What a volume gains is zero: nobody sees what was there before. */
int volume_create(const struct volume_pool *pool, const char *name, uint64_t bytes, char why[VOLUME_WHY]);
int volume_resize(const struct volume_pool *pool, const char *name, uint64_t bytes, char why[VOLUME_WHY]);
int volume_delete(const struct volume_pool *pool, const char *name, char why[VOLUME_WHY]);

/* A new volume from a raw image, and an image of a volume. */
int volume_import(const struct volume_pool *pool, const char *name, const char *file, char why[VOLUME_WHY]);
int volume_export(const struct volume_pool *pool, const char *name, const char *file, char why[VOLUME_WHY]);

/* A new volume, the first sectors of which are those of the extents of `source`, a device; one of that name is thrown away before. */
int volume_clone(const struct volume_pool *pool, const char *name, const char *source, const struct volume *original,
		 char why[VOLUME_WHY]);

const struct volume *volume_find(const struct volume_group *group, const char *name);

/* False (VO2): it is to be deleted, or resized, which fills it with zeros. */
bool volume_is_whole(const struct volume *volume);
#define VOLUME_NOT_WHOLE "volume '%.60s' was never filled to its end: delete it, or resize it, which writes zeros there"

/* Letters, digits and -_.+, 1 to 63, not beginning with - or . and none of LVM's own names. */
bool volume_name_ok(const char *name);
#define VOLUME_NAME_WRONG "'%.60s' is no name for a volume: write letters, digits and -_.+, at most 63, not - or . first, and none of " \
			  "LVM's own (snapshot…, pvmove…, …_tdata…)"
