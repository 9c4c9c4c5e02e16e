/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/console.h"
#include "runtime/grants.h"
#include "runtime/memory.h"
#include "runtime/step.h"

static void work_append(struct work_list *list, struct work *work)
{
	work->next = NULL;
	if (list->first)
		list->last->next = work;
	else
		list->first = work;
	list->last = work;
}

static struct work *work_pop(struct work_list *list)
{
	struct work *work = list->first;

	if (work)
		list->first = work->next;
	return work;
}

/* ---------------------------------------------------------------- copies */

/* Also where it has to be known at once: see copy_in(). */
static void copies_make(void)
{
	if (!blk.copy_count)
		return;
	ASSERT(grant_op(GNTTABOP_copy, blk.copy, blk.copy_count) == 0);
	for (uint32_t i = 0; i < blk.copy_count; i++)
		if (blk.copy[i].status != GNTST_okay)
			blk.copy_of[i]->copy_failed = true;
	blk.copy_count = 0;
	STEP();
}

/* Each field that counts is written, in its place: there is one for each page of a guest's. */
static inline void copy_add(struct work *work, grant_ref_t gref, uint32_t offset, const void *at, uint32_t bytes)
{
	bool is_write = work->io.op == BLK_WRITE;
	uint64_t machine = pool_machine(at);
	struct gnttab_copy_ptr *guest, *own;
	struct gnttab_copy *copy;

	if (blk.copy_count == BLK_COPIES)
		copies_make();
	copy = &blk.copy[blk.copy_count];
	blk.copy_of[blk.copy_count++] = work;
	guest = is_write ? &copy->source : &copy->dest;
	own = is_write ? &copy->dest : &copy->source;
	guest->u.ref = gref;
	guest->domid = work->queue->disk->front_id;
	guest->offset = (uint16_t)offset;
	own->u.gmfn = machine / BUFFER_BYTES;
	own->domid = DOMID_SELF;
	own->offset = (uint16_t)(machine % BUFFER_BYTES);
	copy->len = (uint16_t)bytes;
	copy->flags = is_write ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
}

/* The io's buffers are full, but the last: a run of the guest's may end in the next one. works_settle() goes on with it. */
static void work_copy(struct work *work)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < work->guest_count; i++) {
		uint32_t offset = work->guest[i].offset, left = work->guest[i].bytes;

		while (left) {
			uint32_t room = BUFFER_BYTES - at % BUFFER_BYTES, bytes = left < room ? left : room;

			copy_add(work, work->guest[i].gref, offset,
				 (uint8_t *)work->io.segment[at / BUFFER_BYTES].at + at % BUFFER_BYTES, bytes);
			offset += bytes;
			at += bytes;
			left -= bytes;
		}
	}
	work_append(&blk.copying, work);
}

bool copy_in(void *to, grant_ref_t gref, domid_t lender, uint32_t bytes)
{
	struct gnttab_copy copy = {
		.source = { .u.ref = gref, .domid = lender },
		.dest = { .u.gmfn = virt_to_mfn(to), .domid = DOMID_SELF, .offset = (uint16_t)((uint64_t)to % BUFFER_BYTES) },
		.len = (uint16_t)bytes, .flags = GNTCOPY_source_gref,
	};

	return grant_op(GNTTABOP_copy, &copy, 1) == 0 && copy.status == GNTST_okay;
}

/* ---------------------------------------------------------------- the life of a work */

static struct work *work_new(struct queue *queue, struct slot *slot, enum blk_op op)
{
	struct work *work = blk.free;

	ASSERT(blk.free_count);	/* B3 */
	if (work)
		blk.free = work->next;
	else
		work = &blk.work[blk.work_used++];
	blk.free_count--;
	work->is_flying = false;
	work->queue = queue;
	work->slot = slot;
	work->guest_count = 0;
	work->copy_failed = false;
	work->io.op = op;
	work->io.segment_count = 0;
	work->io.sector = work->io.sectors = 0;
	work->io.result = 0;
	work->io.cookie = work;
	queue->works++;
	slot->works++;
	return work;
}

static void work_free(struct work *work)
{
	struct queue *queue = work->queue;

	for (uint32_t i = 0; i < work->io.segment_count; i++)
		buffer_free(work->io.segment[i].at);
	queue->buffers -= work->io.segment_count;
	queue->works--;
	work->slot->works--;
	work->next = blk.free;
	blk.free = work;
	blk.free_count++;
}

static void work_start(struct work *work)
{
	work_append(&blk.waiting[work->queue->lane], work);
}

static void slot_fail(struct slot *slot, const struct work *work)
{
	if (work->io.result == -XEN_EOPNOTSUPP)
		slot->status = VBD_STATUS_UNSUPPORTED;
	else if (work->io.result || work->copy_failed)
		slot->status = VBD_STATUS_ERROR;
}

/* B5: all that was before the barrier is on the disk, and its writes are made; or it is not, and they are not. */
static void fence_open(struct queue *queue, struct slot *slot)
{
	struct work *work;

	queue->fence = FENCE_WRITE;
	while ((work = work_pop(&queue->fenced)))
		if (slot->status == VBD_STATUS_OKAY)
			work_start(work);
		else
			work_free(work);
}

/* No work of the request is left; unless it is a barrier, whose writes have to be flushed. */
static void slot_empty(struct queue *queue, struct slot *slot)
{
	if (queue->fence == FENCE_WRITE && blk.device->has_flush && slot->status == VBD_STATUS_OKAY) {
		queue->fence = FENCE_LAST;
		work_start(work_new(queue, slot, BLK_FLUSH));
		return;
	}
	queue->fence = FENCE_NONE;
	slot_done(queue, slot);
}

static void work_end(struct work *work)
{
	struct queue *queue = work->queue;
	struct slot *slot = work->slot;
	bool was_flush = work->io.op == BLK_FLUSH;

	slot_fail(slot, work);
	work_free(work);
	if (was_flush && queue->fence == FENCE_FLUSH)
		fence_open(queue, slot);
	if (slot->works == 0)
		slot_empty(queue, slot);
}

/* ---------------------------------------------------------------- out of a request */

/*
 * A piece ends with an extent, where the device takes no more at once, or where its work has room for no more runs. The first two may cut a
 * segment into two runs. One more is the flush before a barrier's data. Each piece has less than a page more than its own whole pages: what a
 * request needs in buffers are its segments and its works.
 */
uint32_t works_of(uint32_t segments, uint32_t extents)
{
	uint32_t cuts = extents + segments / blk.device->segments_max;

	return cuts + (segments + cuts) / BLK_SEGMENTS_MAX + 1;
}

bool works_suffice(const struct queue *queue, const struct request *request)
{
	const struct disk *disk = queue->disk;
	uint32_t extents = disk->extent_count == 1 ? 1 : disk_extents(disk, request->sector, request->sectors);
	uint32_t works = works_of(request->segment_count, extents);
	uint32_t buffers = request->segment_count + works, free_buffers = buffer_free_count();

	if (works + blk.reserve.works > blk.free_count || buffers + blk.reserve.buffers > free_buffers) {
		if (!queue->works && !blk.reserve.queue)
			blk.reserve = (struct reserve){ queue, works, buffers };
		return false;
	}
	return !queue->works || (queue->works + works <= blk.free_count && queue->buffers + buffers <= free_buffers);
}

/* A piece of the request that is in one extent, and as much of it as the device takes and a work notes at once. */
struct piece {
	struct work *work;
	uint64_t sector;			/* of the guest's disk: where the next piece begins */
	uint64_t room;				/* sectors */
};

static void piece_begin(struct piece *piece, struct queue *queue, struct slot *slot, enum blk_op op)
{
	uint64_t most = (uint64_t)blk.device->segments_max * (BUFFER_BYTES / VBD_SECTOR), room;

	piece->work = work_new(queue, slot, op);
	piece->work->io.sector = disk_translate(queue->disk, piece->sector, &room);
	piece->room = op != BLK_DISCARD && room > most ? most : room;
}

static void piece_end(struct piece *piece)
{
	if (!piece->work)
		return;
	if (piece->work->io.op == BLK_WRITE)
		work_copy(piece->work);
	else
		work_start(piece->work);
}

/* Room for the next bytes of a work's data. Buffers are filled one behind the other. */
static void work_extend(struct work *work, uint32_t bytes)
{
	struct blk_io *io = &work->io;
	uint32_t before = (uint32_t)io->sectors * VBD_SECTOR, room = -before % BUFFER_BYTES, here = bytes < room ? bytes : room;
	void *at;

	io->sectors += bytes / VBD_SECTOR;
	if (here)
		io->segment[io->segment_count - 1].length += here;
	bytes -= here;
	if (!bytes)
		return;
	at = buffer_alloc();
	ASSERT(at);	/* B3 */
	io->segment[io->segment_count++] = (struct blk_segment){ .at = at, .length = bytes };
	work->queue->buffers++;
}

static void data_begin(struct queue *queue, const struct request *request, struct slot *slot)
{
	struct piece piece = { .sector = request->sector };

	for (uint32_t i = 0; i < request->segment_count; i++) {
		const struct vbd_segment *segment = &request->segment[i];
		uint32_t sector = segment->first_sector, left = segment->last_sector - sector + 1u;

		while (left) {
			struct guest_run *run;
			uint32_t here;

			if (!piece.room || piece.work->guest_count == BLK_SEGMENTS_MAX) {
				piece_end(&piece);
				piece_begin(&piece, queue, slot, request->op);
			}
			here = left < piece.room ? left : (uint32_t)piece.room;
			work_extend(piece.work, here * VBD_SECTOR);
			run = &piece.work->guest[piece.work->guest_count++];
			run->gref = segment->gref;
			run->offset = (uint16_t)(sector * VBD_SECTOR);
			run->bytes = (uint16_t)(here * VBD_SECTOR);
			sector += here;
			left -= here;
			piece.sector += here;
			piece.room -= here;
		}
	}
	piece_end(&piece);
}

static void discard_begin(struct queue *queue, const struct request *request, struct slot *slot)
{
	struct piece piece = { .sector = request->sector };
	uint64_t left = request->sectors;

	while (left) {
		uint64_t here;

		piece_begin(&piece, queue, slot, BLK_DISCARD);
		here = left < piece.room ? left : piece.room;
		piece.work->io.sectors = here;
		piece_end(&piece);
		piece.sector += here;
		left -= here;
	}
}

void works_begin(struct queue *queue, const struct request *request, struct slot *slot)
{
	bool flushes = blk.device->has_flush;

	if (request->op == BLK_FLUSH && !flushes) {
		slot_done(queue, slot);
		return;
	}
	if (request->is_barrier)
		queue->fence = request->op == BLK_FLUSH ? FENCE_LAST : flushes ? FENCE_FLUSH : FENCE_WRITE;
	if (request->op == BLK_FLUSH || queue->fence == FENCE_FLUSH)
		work_start(work_new(queue, slot, BLK_FLUSH));
	if (request->op == BLK_DISCARD)
		discard_begin(queue, request, slot);
	else if (request->op != BLK_FLUSH)
		data_begin(queue, request, slot);
}

/* ---------------------------------------------------------------- to the device and back */

static void work_land(struct blk_io *io)
{
	struct work *work = io->cookie;

	if (!work->is_flying)
		blk.device->failed(blk.device, "the disk has completed what it did not have");
	doing_slot(work->queue, work->slot);
	STEP();
	work->is_flying = false;
	blk.flying[work->queue->lane]--;
	queue_activate(work->queue);
	if (io->op == BLK_READ && io->result == 0)
		work_copy(work);
	else
		work_end(work);
}

bool works_reap(void)
{
	struct blk_io *io[32];
	unsigned int count, landed = 0;

	for (unsigned int lane = 0; lane < blk.device->queues; lane++) {
		if (!blk.flying[lane])
			continue;
		do {
			count = blk.device->driver->reap(blk.device, lane, io, 32);
			for (unsigned int i = 0; i < count; i++)
				work_land(io[i]);
			landed += count;
		} while (count == 32);
	}
	if (landed)
		doing_end();
	return landed;
}

void works_settle(void)
{
	struct work *work;

	copies_make();
	while ((work = work_pop(&blk.copying))) {
		if (work->copy_failed || work->io.op == BLK_READ)
			work_end(work);
		else if (work->queue->fence == FENCE_FLUSH)
			work_append(&work->queue->fenced, work);
		else
			work_start(work);
	}
}

static bool work_submit(struct work *work)
{
	unsigned int lane = work->queue->lane;
	int error;

	doing_slot(work->queue, work->slot);
	error = blk.device->driver->submit(blk.device, lane, &work->io);

	if (error == -XEN_ENOSPC)
		return false;
	work_pop(&blk.waiting[lane]);
	if (error) {
		work->io.result = error;
		work_end(work);
		return true;
	}
	work->is_flying = true;
	blk.flying[lane]++;
	return true;
}

void works_push(void)
{
	for (unsigned int lane = 0; lane < blk.device->queues; lane++) {
		uint32_t before = blk.flying[lane];

		while (blk.waiting[lane].first && work_submit(blk.waiting[lane].first))
			STEP();
		doing_end();
		if (blk.flying[lane] != before)
			blk.device->driver->push(blk.device, lane);
	}
}
