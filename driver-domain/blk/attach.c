/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/lib.h"
#include "runtime/step.h"

static struct driver_attachment_status *status_of(uint32_t place)
{
	return &driver_domain.status->attachment[place];
}

static void answer_set(uint32_t place, uint32_t serial, enum driver_answer answer)
{
	struct driver_attachment_status *status = status_of(place);

	__atomic_store_n(&status->answer, answer, __ATOMIC_RELEASE);
	__atomic_store_n(&status->serial, serial, __ATOMIC_RELEASE);
}

/* ---------------------------------------------------------------- what the table says of a disk */

static const char *check_queues(const struct driver_attachment *record)
{
	if (record->queue_count < 1 || record->queue_count > BLK_RINGS_MAX)
		return "it must have 1 to 4 queues";
	for (uint32_t i = 0; i < record->queue_count; i++) {
		uint32_t pages = record->queue[i].ring_pages;

		if (pages < 1 || pages > DRIVER_RING_PAGES_MAX || pages & (pages - 1))
			return "a ring must have 1, 2, 4 or 8 pages";
		if (record->queue[i].ledger[0].response_size != sizeof(struct vbd_response))
			return "a disk's responses have 16 bytes";
	}
	return NULL;
}

static const char *check_blk(const struct driver_blk *wanted)
{
	uint32_t unit = wanted->sector_bytes / VBD_SECTOR;

	if ((wanted->sector_bytes != 512 && wanted->sector_bytes != 4096) || wanted->sector_bytes < blk.device->sector_bytes)
		return "its sector size must be 512 or 4096, and not smaller than the device's";
	if (wanted->extent_count < 1 || wanted->extent_count > DRIVER_EXTENTS_MAX)
		return "it must have 1 to 24 extents";
	for (uint32_t i = 0; i < wanted->extent_count; i++) {
		const struct driver_extent *extent = &wanted->extent[i];

		if (extent->count == 0 || extent->first > blk.device->sectors || extent->count > blk.device->sectors - extent->first)
			return "an extent is not on the device";
		if (extent->first % unit || extent->count % unit)
			return "an extent is not a multiple of its sectors";
	}
	return NULL;
}

static void disk_fill(struct disk *disk, const struct driver_attachment *record)
{
	const struct driver_blk *wanted = &record->blk;

	disk->front_id = record->front_id;
	disk->flags = record->flags | (blk.device->is_readonly ? DRIVER_BLK_READONLY : 0);
	disk->unit = wanted->sector_bytes / VBD_SECTOR;
	disk->extent_count = wanted->extent_count;
	for (uint32_t i = 0; i < wanted->extent_count; i++) {
		disk->extent[i] = wanted->extent[i];
		disk->sectors += wanted->extent[i].count;
	}
	limit_set(&disk->limit, wanted);
	disk->queue_count = record->queue_count;
	for (uint32_t i = 0; i < record->queue_count; i++) {
		disk->queue[i].disk = disk;
		disk->queue[i].number = i;
	}
}

/* ---------------------------------------------------------------- disks come and go */

static void refuse(uint32_t place, uint32_t serial, enum driver_answer answer, const char *why)
{
	struct driver_attachment_status *status = status_of(place);

	snprintf(status->text, sizeof(status->text), "%s", why);
	answer_set(place, serial, answer);
	printf("disk %u is refused: %s\n", serial, why);
}

static void disk_close(struct disk *disk)
{
	for (uint32_t i = 0; i < disk->queue_count; i++)
		queue_close(&disk->queue[i]);
}

static const char *operation_name(uint8_t operation)
{
	static const char *const names[] = { "read", "write", "barrier", "flush", "?", "discard" };

	return operation < sizeof(names) / sizeof(names[0]) ? names[operation] : "unknown";
}

/* What the guest asked there, for who looks for the reason; by now it may be anything. */
static void request_describe(struct queue *queue, const struct driver_queue *record, char *text, size_t room)
{
	uint32_t slots = ring_slots(record->ring_pages * RING_PAGE, VBD_SLOT);
	union vbd_slot slot;
	bool is_indirect;

	if (!queue_map(queue, record, text, room))
		return;
	ring_copy(&slot, ring_slot(queue->pages, slots, VBD_SLOT, queue->suspect_index), sizeof(slot));
	is_indirect = slot.plain.operation == VBD_OP_INDIRECT;
	snprintf(text, room, "%s of %u segments at sector %lu", operation_name(is_indirect ? slot.indirect.inner : slot.plain.operation),
		 is_indirect ? slot.indirect.segments : slot.plain.segments, is_indirect ? slot.indirect.sector : slot.plain.sector);
	queue_unmap(queue);
}

/* Ports stay bound, and masked; the ring is left as it is. */
static void disk_set_aside(struct queue *queue, const struct driver_queue *record)
{
	struct disk *disk = queue->disk;
	char what[64];

	disk->state = DISK_ASIDE;
	if (disk->status->answer == DRIVER_ASIDE)
		return;
	request_describe(queue, record, what, sizeof(what));
	snprintf(disk->status->text, sizeof(disk->status->text), "%u drivers died at request 0x%x of ring %u: %s",
		 disk->status->suspect_deaths, queue->suspect_index, record->ledger[0].ring, what);
	answer_set(disk->place, disk->serial, DRIVER_ASIDE);
	printf("disk %u is set aside: %s\n", disk->serial, disk->status->text);
}

/* All ports first, a predecessor's too: what is refused then leaves none. */
static bool disk_open(struct disk *disk, const struct driver_attachment *record, char *why, size_t room)
{
	struct queue *suspect;
	bool bound = true;

	for (uint32_t i = 0; i < disk->queue_count; i++) {
		int error = queue_bind(&disk->queue[i], record->queue[i].port[0]);

		if (error)
			snprintf(why, room, "event channel %u cannot be bound: error %d", record->queue[i].port[0], error);
		bound &= !error;
	}
	if (!bound)
		return false;
	suspect = disk_suspect(disk);
	if (suspect) {
		disk_set_aside(suspect, &record->queue[suspect->number]);
		return true;
	}
	for (uint32_t i = 0; i < disk->queue_count; i++)
		if (!queue_open(&disk->queue[i], &record->queue[i], why, room))
			return false;
	return true;
}

/* B8: whoever waited for an answer would wait for ever, and his kernel with him as soon as it is to let go of the disk. */
static void disk_give_up(struct disk *disk, const struct driver_attachment *record)
{
	char why[DRIVER_TEXT_BYTES];

	for (uint32_t i = 0; i < disk->queue_count; i++) {
		struct queue *queue = &disk->queue[i];

		if (queue->port && (queue->pages || queue_map(queue, &record->queue[i], why, sizeof(why))))
			queue_give_up(queue, &record->queue[i].ledger[0]);
	}
}

static void disk_forget(struct disk *disk)
{
	disk_close(disk);
	blk.disk[disk->place] = NULL;
	spare_give(disk);
}

static void disk_attach(uint32_t place, uint32_t serial)
{
	static struct driver_attachment record;
	struct driver_attachment_status *status = status_of(place);
	const char *wrong;
	struct disk *disk;
	char why[DRIVER_TEXT_BYTES];

	memcpy(&record, &driver_domain.table->attachment[place], sizeof(record));
	if (status->serial != serial) {		/* also of one that is refused: its counters are its own */
		memset(status, 0, sizeof(*status));
		answer_set(place, serial, DRIVER_NONE);
	}
	wrong = check_queues(&record);
	if (!wrong)
		wrong = check_blk(&record.blk);
	if (!wrong && spare_count() < 1u + record.queue_count)
		wrong = "the driver domain has no memory left: give it more, or detach other disks";
	if (wrong) {
		refuse(place, serial, DRIVER_REFUSED, wrong);
		return;
	}
	disk = memset(spare_take(), 0, sizeof(*disk));
	disk->place = place;
	disk->serial = serial;
	disk->status = status;
	disk->was_attached = status->answer == DRIVER_ATTACHED;
	disk_fill(disk, &record);
	blk.disk[place] = disk;
	if (!disk_open(disk, &record, why, sizeof(why))) {
		if (disk->is_lost) {
			disk->state = DISK_LOST;
			disk_give_up(disk, &record);
		} else {
			disk_forget(disk);
		}
		refuse(place, serial, disk->is_lost ? DRIVER_LOST : DRIVER_REFUSED, why);
		return;
	}
	if (disk->state != DISK_ASIDE)
		answer_set(place, serial, DRIVER_ATTACHED);
}

static bool disk_is_idle(const struct disk *disk)
{
	for (uint32_t i = 0; i < disk->queue_count; i++)
		if (disk->queue[i].works)
			return false;
	return true;
}

void disks_release(void)
{
	blk.is_releasing = false;
	for (uint32_t place = 0; place < driver_domain.attachment_count; place++) {
		const struct driver_attachment *record = &driver_domain.table->attachment[place];
		struct disk *disk = blk.disk[place];

		if (!disk || disk->state == DISK_SERVING || disk->state == DISK_ASIDE || disk->state == DISK_LOST)
			continue;
		if (!disk_is_idle(disk)) {
			blk.is_releasing = true;
			continue;
		}
		/* Dom0 leaves the rest of a record that it has taken away as it was. */
		if (disk->state == DISK_LEAVING && !record->serial && !check_queues(record) && record->queue_count == disk->queue_count)
			disk_give_up(disk, record);
		disk_close(disk);
		if (disk->state == DISK_LEAVING)
			disk_forget(disk);
	}
}

void disk_drop(struct queue *queue)
{
	const struct ring_back *ring = &queue->answers.ring;
	struct disk *disk = queue->disk;
	char why[DRIVER_TEXT_BYTES];

	snprintf(why, sizeof(why), "queue %u: req_prod is %u where %u is answered and %u was seen, and the ring has %u slots",
		 queue->number, ring->refused, ring->rsp_prod, ring->req_seen, ring->slots);
	disk->state = DISK_DROPPED;
	blk.is_releasing = true;
	refuse(disk->place, disk->serial, DRIVER_REFUSED, why);
	driver_domain_tell();
}

/* What a predecessor had bound: the record still says what it was. */
static void ports_inherit(uint32_t place)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	struct driver_attachment_status *status = status_of(place);

	for (uint32_t i = 0; i < BLK_RINGS_MAX; i++) {
		evtchn_port_t port = port_of_predecessor(status->port[i][0], record->front_id, record->queue[i].port[0]);

		if (port)
			event_close(port);
		status->port[i][0] = 0;
	}
}

/* B8, for a predecessor. */
static void rings_inherit(uint32_t place)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	struct disk *disk = memset(spare_take(), 0, sizeof(*disk));

	disk->place = place;
	disk->serial = status_of(place)->serial;
	disk->front_id = record->front_id;
	disk->status = status_of(place);
	disk->queue_count = record->queue_count;
	for (uint32_t i = 0; i < disk->queue_count; i++) {
		disk->queue[i].disk = disk;
		disk->queue[i].number = i;
		disk->queue[i].port = port_of_predecessor(disk->status->port[i][0], record->front_id, record->queue[i].port[0]);
	}
	disk_give_up(disk, record);
	disk_close(disk);
	spare_give(disk);
}

/* It had this disk, or began to have it, when it died, and Dom0 has taken it away since. */
static void place_inherit(uint32_t place)
{
	const struct driver_attachment_status *status = status_of(place);

	if (!status->serial || status->answer == DRIVER_DETACHED)
		return;
	if (status->answer != DRIVER_REFUSED && !check_queues(&driver_domain.table->attachment[place]) && spare_count())
		rings_inherit(place);
	ports_inherit(place);
	answer_set(place, status->serial, DRIVER_DETACHED);
}

static void place_begin(uint32_t place, uint32_t serial)
{
	const struct driver_attachment_status *status = status_of(place);

	if (status->serial && status->serial != serial && status->answer != DRIVER_DETACHED)
		ports_inherit(place);
	/* What was refused stays that, until Dom0 has taken it away. What was lost has its ports still: the last of it is answered then (B8). */
	if (status->serial != serial || !driver_has_refused(status->answer))
		disk_attach(place, serial);
	else if (status->answer == DRIVER_REFUSED)
		ports_inherit(place);
	blk.seen[place] = serial;
}

/* As if its front-end had sent an event to each queue that has requests. */
static void disk_look(struct disk *disk)
{
	uint32_t changed = __atomic_load_n(&driver_domain.table->changed, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; disk->state == DISK_SERVING && i < disk->queue_count; i++)
		if (answers_tell(&disk->queue[i].answers, changed))
			queue_activate(&disk->queue[i]);
}

/* True: the place is as the table says. */
static bool place_obey(uint32_t place)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	uint32_t serial = __atomic_load_n(&record->serial, __ATOMIC_ACQUIRE);
	struct disk *disk = blk.disk[place];

	if (disk && disk->serial == serial) {
		limit_set(&disk->limit, &record->blk);
		disk_look(disk);
		return true;
	}
	if (disk) {
		disk->state = DISK_LEAVING;
		disks_release();
		if (blk.disk[place])
			return false;
	}
	if (!serial)
		place_inherit(place);
	if (blk.seen[place] && blk.seen[place] != serial) {
		answer_set(place, blk.seen[place], DRIVER_DETACHED);
		blk.seen[place] = 0;
	}
	if (serial && !blk.seen[place])
		place_begin(place, serial);
	return true;
}

/* Dom0 may have taken it away since it was chosen: place_obey() sees to what is left of it then. */
static void place_take_over(uint32_t place)
{
	uint32_t serial = __atomic_load_n(&driver_domain.table->attachment[place].serial, __ATOMIC_ACQUIRE);

	if (serial)
		place_begin(place, serial);
}

bool table_obey(void)
{
	bool whole = true;
	uint32_t next;

	if (!blk.has_begun)
		successor_begin();
	blk.has_begun = true;
	next = blk.taking ? successor_next() : DRIVER_ATTACHMENTS_MAX;
	if (next < DRIVER_ATTACHMENTS_MAX) {
		STEP();
		place_take_over(next);
		return false;
	}
	if (blk.taking)
		return false;
	for (uint32_t place = 0; place < driver_domain.attachment_count; place++)
		whole &= place_obey(place);
	return whole;
}
