/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/lib.h"
#include "runtime/time.h"

/* Runs of sectors, each within its page, all of them within the disk. */
static int judge_data(const struct disk *disk, struct request *request, uint64_t sector)
{
	uint64_t sectors = 0, bounds = sector;		/* all that has to be a multiple of the unit */

	request->sector = sector;
	request->sectors = 0;
	if (request->op == BLK_WRITE && disk->flags & DRIVER_BLK_READONLY)
		return VBD_STATUS_ERROR;
	for (uint32_t i = 0; i < request->segment_count; i++) {
		uint32_t first = request->segment[i].first_sector, last = request->segment[i].last_sector;

		if (last >= VBD_SECTORS_A_PAGE || first > last)
			return VBD_STATUS_ERROR;
		bounds |= first | (last + 1);
		sectors += last - first + 1;
	}
	request->sectors = sectors;
	if (sectors == 0 || bounds & (disk->unit - 1) || sector > disk->sectors || sectors > disk->sectors - sector)
		return VBD_STATUS_ERROR;
	return VBD_STATUS_OKAY;
}

static int judge_direct(const struct disk *disk, struct request *request)
{
	const struct vbd_request *plain = &request->raw.plain;

	request->op = plain->operation == VBD_OP_READ ? BLK_READ : BLK_WRITE;
	request->segment = plain->segment;
	request->segment_count = plain->segments;
	return plain->segments > VBD_SEGMENTS ? VBD_STATUS_ERROR : judge_data(disk, request, plain->sector);
}

/* They do not cross a page, neither the guest's nor here. */
#define SEGMENT_BYTES (DRIVER_SEGMENTS_MAX * sizeof(struct vbd_segment))
_Static_assert(SEGMENT_BYTES <= RING_PAGE && RING_PAGE % SEGMENT_BYTES == 0, "one copy brings all segments of a request");

/* B2: the segments are judged where they were copied to. */
static int judge_indirect(const struct disk *disk, struct request *request)
{
	static struct vbd_segment segment[DRIVER_SEGMENTS_MAX] __attribute__((aligned(SEGMENT_BYTES)));
	const struct vbd_request_indirect *indirect = &request->raw.indirect;

	request->operation = indirect->inner;
	if (!(disk->flags & DRIVER_BLK_INDIRECT) || (indirect->inner != VBD_OP_READ && indirect->inner != VBD_OP_WRITE))
		return VBD_STATUS_UNSUPPORTED;
	if (indirect->segments == 0 || indirect->segments > DRIVER_SEGMENTS_MAX ||
	    !copy_in(segment, indirect->gref[0], disk->front_id, indirect->segments * (uint32_t)sizeof(segment[0])))
		return VBD_STATUS_ERROR;
	request->op = indirect->inner == VBD_OP_READ ? BLK_READ : BLK_WRITE;
	request->segment = segment;
	request->segment_count = indirect->segments;
	return judge_data(disk, request, indirect->sector);
}

static int judge_barrier(const struct disk *disk, struct request *request)
{
	request->is_barrier = true;
	if (request->raw.plain.segments)
		return judge_direct(disk, request);
	request->op = BLK_FLUSH;
	return VBD_STATUS_OKAY;
}

static int judge_discard(const struct disk *disk, struct request *request)
{
	const struct vbd_request_discard *discard = &request->raw.discard;

	request->op = BLK_DISCARD;
	request->sector = discard->sector;
	request->sectors = discard->sectors;
	if (!(disk->flags & DRIVER_BLK_DISCARD) || !blk.device->has_discard)
		return VBD_STATUS_UNSUPPORTED;
	if (disk->flags & DRIVER_BLK_READONLY || discard->sectors == 0 || (discard->sector | discard->sectors) & (disk->unit - 1) ||
	    discard->sector > disk->sectors || discard->sectors > disk->sectors - discard->sector)
		return VBD_STATUS_ERROR;
	return VBD_STATUS_OKAY;
}

/* What all kinds begin with. */
#define HEAD offsetof(struct vbd_request, segment)

/* B2. Most requests have one segment, and a slot has eleven: what is not used is not read. */
static void request_copy(const struct ring_back *ring, union vbd_slot *raw)
{
	size_t end = sizeof(*raw);

	ring_back_copy_part(ring, 0, raw, 0, HEAD);
	if (raw->plain.operation <= VBD_OP_FLUSH && raw->plain.segments <= VBD_SEGMENTS)
		end = HEAD + raw->plain.segments * sizeof(raw->plain.segment[0]);
	ring_back_copy_part(ring, 0, raw, HEAD, end);
}

static int judge(const struct disk *disk, struct request *request)
{
	request->operation = request->raw.plain.operation;
	request->segment_count = 0;
	request->sectors = 0;
	request->is_barrier = false;
	switch (request->operation) {
	case VBD_OP_READ:
	case VBD_OP_WRITE:
		return judge_direct(disk, request);
	case VBD_OP_INDIRECT:
		return judge_indirect(disk, request);
	case VBD_OP_BARRIER:
		return judge_barrier(disk, request);
	case VBD_OP_FLUSH:
		request->op = BLK_FLUSH;
		return VBD_STATUS_OKAY;
	case VBD_OP_DISCARD:
		return judge_discard(disk, request);
	default:
		return VBD_STATUS_UNSUPPORTED;
	}
}

static bool is_limited(const struct disk *disk, const struct request *request)
{
	return disk->limit.is_any && request->op != BLK_FLUSH;
}

/* False: not now. A ring that waits for a limit is looked at again when the first of them allows more. */
static bool limit_allows(const struct disk *disk, const struct request *request)
{
	uint64_t ready_ns;

	if (!is_limited(disk, request))
		return true;
	ready_ns = limit_ready_ns(&disk->limit, request->op != BLK_READ, time_now_ns());
	if (ready_ns && (!blk.wake_ns || ready_ns < blk.wake_ns))
		blk.wake_ns = ready_ns;
	return !ready_ns;
}

static void limit_spend(struct disk *disk, const struct request *request)
{
	uint64_t bytes = request->op == BLK_DISCARD ? 0 : request->sectors * VBD_SECTOR;

	if (is_limited(disk, request))
		limit_take(&disk->limit, request->op != BLK_READ, bytes, time_now_ns());
}

static void count(struct driver_attachment_status *status, const struct request *request)
{
	static const uint8_t requests[] = { DRIVER_READS, DRIVER_WRITES, DRIVER_FLUSHES, DRIVER_DISCARDS };

	status->counter[requests[request->op]]++;
	if (request->op == BLK_READ)
		status->counter[DRIVER_READ_BYTES] += request->sectors * VBD_SECTOR;
	else if (request->op == BLK_WRITE)
		status->counter[DRIVER_WRITE_BYTES] += request->sectors * VBD_SECTOR;
}

/* B5: what has to wait until the ring is empty of works. */
static bool is_ordered(const struct request *request)
{
	return request->is_barrier || request->op == BLK_FLUSH;
}

/* The next request, which is there. False: it was left where it is, for later. */
static bool request_take(struct queue *queue)
{
	struct ring_back *ring = &queue->answers.ring;
	struct slot *slot = &queue->slot[ring->req_cons & (ring->slots - 1)];
	struct disk *disk = queue->disk;
	struct request request;
	int status;

	doing_begin(queue, ring->req_cons);
	request_copy(ring, &request.raw);
	status = judge(disk, &request);
	if (status == VBD_STATUS_OKAY) {
		/* Who waits for his limit has nothing reserved. */
		if ((is_ordered(&request) && queue->works) || !limit_allows(disk, &request) || !works_suffice(queue, &request))
			return false;
		limit_spend(disk, &request);
		count(disk->status, &request);
	}
	*slot = (struct slot){ .id = request.raw.plain.id, .operation = request.operation, .status = (int8_t)status,
			       .index = ring->req_cons };
	if (status == VBD_STATUS_OKAY)
		works_begin(queue, &request, slot);
	else
		slot_done(queue, slot);
	ring->req_cons++;
	return true;
}

/* B7 */
static bool may_take(const struct queue *queue)
{
	return !queue->is_suspect || !answers_owed(&queue->answers);
}

int queue_serve(struct queue *queue)
{
	int batch = driver_domain.has_answered ? BLK_BATCH : BLK_FIRST_BATCH;
	int waiting = ring_back_look(&queue->answers.ring), taken = 0;

	reserve_end(queue);
	if (waiting < 0)
		return waiting;
	while (taken < waiting && taken < batch && queue->fence == FENCE_NONE && may_take(queue) && request_take(queue))
		taken++;
	doing_end();
	queue->is_waiting = taken < waiting;
	return taken;
}

void slot_done(struct queue *queue, struct slot *slot)
{
	slot->is_done = true;
	if (slot->status != VBD_STATUS_OKAY)
		queue->disk->status->counter[DRIVER_ERRORS]++;
	if (!queue->is_done) {
		queue->is_done = true;
		queue->next_done = blk.done;
		blk.done = queue;
	}
}

bool queue_answer(struct queue *queue)
{
	struct answers *answers = &queue->answers;

	while (answers_owed(answers)) {
		struct slot *slot = &queue->slot[answers->added & (answers->ring.slots - 1)];
		struct vbd_response response = { .id = slot->id, .operation = slot->operation, .status = slot->status };

		if (!slot->is_done)
			break;
		answers_add(answers, &response);
	}
	if (queue->is_suspect && (int32_t)(answers->added - queue->suspect_index) > 0)
		suspicion_end(queue);
	if (answers->added != answers->ring.rsp_prod)
		driver_domain_note_answer();
	return answers_publish(answers);
}
