/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/foreign.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
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

/* ---------------------------------------------------------------- rings */

static void ring_event(evtchn_port_t port)
{
	uint32_t number = blk.queue_of_port[port];
	struct disk *disk = number ? blk.disk[(number - 1) / BLK_RINGS_MAX] : NULL;

	if (!disk)
		return;
	disk->status->counter[DRIVER_EVENTS_TAKEN]++;
	queue_activate(&disk->queue[(number - 1) % BLK_RINGS_MAX]);
}

static bool port_is_bound(evtchn_port_t port, domid_t front_id, uint32_t theirs)
{
	struct evtchn_status status;

	return port && event_status(port, &status) == 0 && status.status == EVTCHNSTAT_interdomain &&
	       status.u.interdomain.dom == front_id && status.u.interdomain.port == theirs;
}

/*
 * Interdomain ports outlive a reset, and a front-end's can be bound only once: a predecessor's is found again. Its number is in the
 * status, unless the reset came just then. 0: there is none.
 */
static evtchn_port_t port_of_predecessor(evtchn_port_t noted, domid_t front_id, uint32_t theirs)
{
	if (port_is_bound(noted, front_id, theirs))
		return noted;
	for (evtchn_port_t port = 1; theirs && port < BLK_PORTS; port++)
		if (port_is_bound(port, front_id, theirs))
			return port;
	return 0;
}

static int port_find(struct queue *queue, uint32_t theirs)
{
	evtchn_port_t noted = queue->disk->status->port[queue->number][0];
	domid_t front_id = queue->disk->front_id;
	int error = -XEN_EEXIST;

	if (!port_is_bound(noted, front_id, theirs))
		error = event_bind_interdomain(front_id, theirs, &queue->port);
	if (error)
		queue->port = port_of_predecessor(noted, front_id, theirs);
	queue->is_adopted = error && queue->port;
	return queue->port ? 0 : error;
}

static int port_open(struct queue *queue, uint32_t theirs)
{
	int error = port_find(queue, theirs);

	if (error)
		return error;
	ASSERT(queue->port < BLK_PORTS);
	STEP();
	queue->disk->status->port[queue->number][0] = queue->port;
	blk.queue_of_port[queue->port] = (uint16_t)(1 + queue->disk->place * BLK_RINGS_MAX + queue->number);
	event_set_handler(queue->port, ring_event);
	return 0;
}

/* Nothing points to it afterwards. */
static void queue_close(struct queue *queue)
{
	queue_deactivate(queue);
	if (queue->port) {
		blk.queue_of_port[queue->port] = 0;
		event_set_handler(queue->port, NULL);
		queue->disk->status->port[queue->number][0] = 0;
		event_close(queue->port);
	}
	if (queue->pages)
		foreign_unmap(queue->pages, queue->page_count);
	if (queue->slot)
		page_free(queue->slot);
	queue->port = 0;
	queue->pages = NULL;
	queue->slot = NULL;
}

/* ledger.md, section 4. */
static bool queue_take_over(struct queue *queue, const struct driver_queue *record, char *why, size_t room)
{
	struct answers_place place = {
		.pages = queue->pages, .bytes = queue->page_count * RING_PAGE, .slot_size = VBD_SLOT, .ledger = driver_domain.ledger,
		.ledger_bytes = driver_domain.ledger_bytes, .generation = driver_domain.generation,
	};
	bool wake;
	int waiting;

	if (answers_attach(&queue->answers, &place, &record->ledger[0], &wake, why, room))
		return false;
	waiting = ring_back_look(&queue->answers.ring);
	if (queue->is_adopted && waiting > 0)
		queue->disk->status->counter[DRIVER_REDONE] += (uint32_t)waiting;
	if (wake)
		event_send(queue->port);
	event_unmask(queue->port);
	queue_activate(queue);
	return true;
}

static bool queue_open(struct queue *queue, const struct driver_queue *record, char *why, size_t room)
{
	int status;

	queue->page_count = record->ring_pages;
	queue->lane = queue->number % blk.device->queues;
	queue->slot = page_alloc();
	queue->pages = foreign_map(queue->disk->front_id, record->ring_ref, record->ring_pages, &status);
	if (!queue->pages) {
		snprintf(why, room, "the ring's pages cannot be mapped: grant error %d, first reference %u", status, record->ring_ref[0]);
		return false;
	}
	return queue_take_over(queue, record, why, room);
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

static void refuse(uint32_t place, uint32_t serial, const char *why)
{
	struct driver_attachment_status *status = status_of(place);

	snprintf(status->text, sizeof(status->text), "%s", why);
	answer_set(place, serial, DRIVER_REFUSED);
	printf("disk %u is refused: %s\n", serial, why);
}

static void disk_close(struct disk *disk)
{
	for (uint32_t i = 0; i < disk->queue_count; i++)
		queue_close(&disk->queue[i]);
}

/* All ports first, a predecessor's too: what is refused then leaves none. */
static bool disk_open(struct disk *disk, const struct driver_attachment *record, char *why, size_t room)
{
	bool bound = true;

	for (uint32_t i = 0; i < disk->queue_count; i++) {
		int error = port_open(&disk->queue[i], record->queue[i].port[0]);

		if (error)
			snprintf(why, room, "event channel %u cannot be bound: error %d", record->queue[i].port[0], error);
		bound &= !error;
	}
	if (!bound)
		return false;
	for (uint32_t i = 0; i < disk->queue_count; i++)
		if (!queue_open(&disk->queue[i], &record->queue[i], why, room))
			return false;
	return true;
}

static void disk_forget(struct disk *disk)
{
	disk_close(disk);
	blk.disk[disk->place] = NULL;
	page_free(disk);
}

static void disk_attach(uint32_t place, uint32_t serial)
{
	static struct driver_attachment record;
	struct driver_attachment_status *status = status_of(place);
	const char *wrong;
	struct disk *disk;
	char why[DRIVER_TEXT_BYTES];

	memcpy(&record, &driver_domain.table->attachment[place], sizeof(record));
	wrong = check_queues(&record);
	if (!wrong)
		wrong = check_blk(&record.blk);
	if (!wrong && page_free_count() < 1ul + record.queue_count)
		wrong = "the driver domain has no memory left: give it more, or detach other disks";
	if (wrong) {
		refuse(place, serial, wrong);
		return;
	}
	if (status->serial != serial)
		memset(status, 0, sizeof(*status));
	answer_set(place, serial, DRIVER_NONE);
	disk = page_alloc();
	disk->place = place;
	disk->serial = serial;
	disk->status = status;
	disk_fill(disk, &record);
	blk.disk[place] = disk;
	if (!disk_open(disk, &record, why, sizeof(why))) {
		disk_forget(disk);
		refuse(place, serial, why);
		return;
	}
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
		struct disk *disk = blk.disk[place];

		if (!disk || disk->state == DISK_SERVING)
			continue;
		if (!disk_is_idle(disk)) {
			blk.is_releasing = true;
			continue;
		}
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
	refuse(disk->place, disk->serial, why);
	driver_domain_tell();
}

/* What a predecessor had, or began to have, when it died, and Dom0 has taken away since: the rest of the record still says what it was. */
static void place_inherit(uint32_t place)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	const struct driver_attachment_status *status = status_of(place);

	if (!status->serial || status->answer == DRIVER_DETACHED)
		return;
	for (uint32_t i = 0; i < BLK_RINGS_MAX; i++) {
		evtchn_port_t port = port_of_predecessor(status->port[i][0], record->front_id, record->queue[i].port[0]);

		if (port)
			event_close(port);
	}
	answer_set(place, status->serial, DRIVER_DETACHED);
}

/* True: the place is as the table says. */
static bool place_obey(uint32_t place)
{
	const struct driver_attachment *record = &driver_domain.table->attachment[place];
	uint32_t serial = __atomic_load_n(&record->serial, __ATOMIC_ACQUIRE);
	struct disk *disk = blk.disk[place];

	if (disk && disk->serial == serial) {
		limit_set(&disk->limit, &record->blk);
		return true;
	}
	if (disk) {
		disk->state = DISK_LEAVING;
		disks_release();
		if (blk.disk[place])
			return false;
	}
	if (!serial && !blk.seen[place])
		place_inherit(place);
	if (blk.seen[place] && blk.seen[place] != serial) {
		answer_set(place, blk.seen[place], DRIVER_DETACHED);
		blk.seen[place] = 0;
	}
	if (serial && !blk.seen[place])
		disk_attach(place, serial);
	blk.seen[place] = serial;
	return true;
}

bool table_obey(void)
{
	bool whole = true;

	for (uint32_t place = 0; place < driver_domain.attachment_count; place++)
		whole &= place_obey(place);
	return whole;
}
