/* SPDX-License-Identifier: MIT */
#include "skinkd/disks.h"

#include <stdio.h>
#include <string.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"

#define SECTOR	512u

static bool cannot(char why[ATTACH_WHY], const char *text)
{
	snprintf(why, ATTACH_WHY, "%s", text);
	return false;
}

static bool add(struct driver_blk *blk, uint64_t first, uint64_t count, char why[ATTACH_WHY])
{
	if (blk->extent_count == DRIVER_EXTENTS_MAX)
		return cannot(why, "it has more extents than a driver domain can serve: write at most 24");
	blk->extent[blk->extent_count++] = (struct driver_extent){ first, count };
	return true;
}

bool disks_resolve(struct driver *driver, const struct manifest_disk *disk, struct driver_blk *blk, char why[ATTACH_WHY])
{
	uint64_t sectors = driver->status->device_sectors;
	uint32_t device_bytes = driver->status->sector_bytes == 4096 ? 4096 : SECTOR;

	*blk = (struct driver_blk){ .sector_bytes = disk->sector_bytes ? disk->sector_bytes : device_bytes };
	if (blk->sector_bytes < device_bytes)
		return cannot(why, "the device has sectors of 4096 bytes: leave <blockio> out");
	for (size_t i = 0; i < disk->extent_count; i++) {
		if (disk->extents[i].kind != EXTENT_WHOLE)
			return cannot(why, "the device has no such partition or volume");
		if (!add(blk, 0, sectors & ~7ULL, why))
			return false;
	}
	return true;
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

/* No name that a manifest of an administrator has: xvdpa and on are skinkd's in Domain-0. */
bool disks_is_own(const struct attachment *attachment)
{
	return !attachment->front_id && attachment->kind == ATTACH_VBD && !strncmp(attachment->key, "xvdp", 4) && attachment->key[4];
}

void disks_connected(const struct attachment *attachment)
{
}

void disks_forget(const struct driver *driver)
{
}
