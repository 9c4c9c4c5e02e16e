/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"

/* The caller has seen that the sector is on the disk. */
uint64_t disk_translate(const struct disk *disk, uint64_t sector, uint64_t *count)
{
	const struct driver_extent *extent = disk->extent;

	while (sector >= extent->count) {
		sector -= extent->count;
		extent++;
	}
	*count = extent->count - sector;
	return extent->first + sector;
}

uint32_t disk_extents(const struct disk *disk, uint64_t sector, uint64_t sectors)
{
	const struct driver_extent *extent = disk->extent;
	uint32_t count = 1;

	if (!sectors)
		return 0;
	while (sector >= extent->count)
		sector -= extent++->count;
	for (sectors += sector; sectors > extent->count; count++)
		sectors -= extent++->count;
	return count;
}
