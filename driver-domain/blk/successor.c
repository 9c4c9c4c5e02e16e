/* SPDX-License-Identifier: MIT */
/* What one generation has left to the next: which disks go first, and the request that it died at (driver.md, sections 6 and 7). */
#include "blk/blk.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/step.h"

#define DEATHS_MAX	2u			/* at one request, and its disk is set aside */

/* ---------------------------------------------------------------- a request that kills */

/* A request of this ring that was neither answered nor is the answer to it decided. */
static bool is_unanswered(const struct driver_ledger *place, uint32_t index)
{
	const struct ledger_ring *ledger = (const void *)((const char *)driver_domain.ledger + place->offset);
	uint64_t commit;

	if (place->offset > driver_domain.ledger_bytes - sizeof(*ledger) || place->offset % LEDGER_ALIGN)
		return false;
	commit = __atomic_load_n(&ledger->commit, __ATOMIC_RELAXED);
	return ledger_commit_is_whole(commit) && index - ledger_commit_index(commit) < place->slots;
}

/* The queue of this attachment to which the request belongs; its queue_count: to none. */
static uint32_t queue_of_request(uint32_t place, uint32_t ring, uint32_t index)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	uint32_t count = record->queue_count <= BLK_RINGS_MAX ? record->queue_count : 0, number = 0;

	while (number < count && (record->queue[number].ledger[0].ring != ring || !is_unanswered(&record->queue[number].ledger[0], index)))
		number++;
	return number < count ? number : BLK_RINGS_MAX;
}

/* A death that comes in here may not be counted: one more will be. */
static void suspicion_note(uint32_t place, uint32_t ring, uint32_t index)
{
	struct driver_attachment_status *status = &driver_domain.status->attachment[place];

	if (status->suspect_ring != ring || status->suspect_index != index)
		status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = ring;
	status->suspect_index = index;
	STEP();
	status->suspect_deaths++;
}

static void suspicion_begin(void)
{
	struct driver_status *status = driver_domain.status;
	uint32_t place = status->doing - 1, ring = status->doing_ring, index = status->doing_index;

	status->doing = 0;
	STEP();
	if (place >= driver_domain.attachment_count || queue_of_request(place, ring, index) == BLK_RINGS_MAX)
		return;
	suspicion_note(place, ring, index);
	blk.suspect = place + 1;
}

void suspicion_end(struct queue *queue)
{
	struct driver_attachment_status *status = queue->disk->status;

	queue->is_suspect = false;
	status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = status->suspect_index = 0;
}

struct queue *disk_suspect(struct disk *disk)
{
	const struct driver_attachment_status *status = disk->status;
	struct queue *queue;
	uint32_t number;

	if (!status->suspect_deaths)
		return NULL;
	number = queue_of_request(disk->place, status->suspect_ring, status->suspect_index);
	queue = number < disk->queue_count ? &disk->queue[number] : NULL;
	if (queue) {
		queue->is_suspect = true;
		queue->suspect_index = status->suspect_index;
	}
	return status->suspect_deaths >= DEATHS_MAX ? queue : NULL;
}

/* ---------------------------------------------------------------- who is first */

void successor_begin(void)
{
	if (driver_domain.generation <= 1)
		return;
	suspicion_begin();
	memcpy(blk.busy, driver_domain.status->busy, sizeof(blk.busy));
	memset(driver_domain.status->busy, 0, sizeof(driver_domain.status->busy));
	blk.taking = TAKING_BUSY;
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
	place = next_other();
	if (place < DRIVER_ATTACHMENTS_MAX)
		return place;
	blk.taking = TAKING_NONE;
	return blk.suspect && is_left(blk.suspect - 1) ? blk.suspect - 1 : DRIVER_ATTACHMENTS_MAX;
}
