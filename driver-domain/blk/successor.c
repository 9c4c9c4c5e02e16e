/* SPDX-License-Identifier: MIT */
/* What one generation has left to the next: which disks go first, and the request that it died at (driver.md, sections 6 and 7). */
#include "blk/blk.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/suspicion.h"

/* ---------------------------------------------------------------- a request that kills */

void suspicion_end(struct queue *queue)
{
	queue->is_suspect = false;
	suspicion_clear(queue->disk->status);
}

struct queue *disk_suspect(struct disk *disk)
{
	const struct driver_attachment_status *status = disk->status;
	struct queue *queue;
	uint32_t number = suspicion_queue(disk->place);

	queue = number < disk->queue_count ? &disk->queue[number] : NULL;
	if (queue) {
		queue->is_suspect = true;
		queue->suspect_index = status->suspect_index;
	}
	return suspicion_is_fatal(status) ? queue : NULL;
}

/* ---------------------------------------------------------------- who is first */

void successor_begin(void)
{
	if (driver_domain.generation <= 1)
		return;
	blk.suspect = suspicion_begin();
	memcpy(blk.busy, driver_domain.status->busy, sizeof(blk.busy));
	memset(driver_domain.status->busy, 0, sizeof(driver_domain.status->busy));
	blk.taking = TAKING_BUSY;
	blk.is_quick = true;		/* as far as it knows: its first answer may be worth a wait */
}

static bool is_left(uint32_t place)
{
	return place < driver_domain.attachment_count && !blk.seen[place] && driver_domain.table->attachment[place].serial;
}

/* Those that had work under way. */
static uint32_t next_busy(void)
{
	for (uint32_t word = 0; word < DRIVER_ATTACHMENTS_MAX / 64; word++)
		while (blk.busy[word]) {
			uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(blk.busy[word]);

			blk.busy[word] &= blk.busy[word] - 1;
			if (is_left(place) && place + 1 != blk.suspect)
				return place;
		}
	return DRIVER_ATTACHMENTS_MAX;
}

static uint32_t next_other(void)
{
	while (blk.taking_place < driver_domain.attachment_count) {
		uint32_t place = blk.taking_place++;

		if (is_left(place) && place + 1 != blk.suspect)
			return place;
	}
	return DRIVER_ATTACHMENTS_MAX;
}

uint32_t successor_next(void)
{
	uint32_t place = DRIVER_ATTACHMENTS_MAX;

	if (blk.taking == TAKING_BUSY)
		place = next_busy();
	if (place < DRIVER_ATTACHMENTS_MAX)
		return place;
	blk.taking = TAKING_OTHERS;
	if (blk.has_worked && !driver_domain.has_answered)
		return DRIVER_ATTACHMENTS_MAX;	/* they can wait for the first answer; while the disk has the request it is their turn */
	if (blk.suspect && is_left(blk.suspect - 1))
		return blk.suspect - 1;
	place = next_other();
	if (place == DRIVER_ATTACHMENTS_MAX)
		blk.taking = TAKING_NONE;
	return place;
}
