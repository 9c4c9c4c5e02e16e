/* SPDX-License-Identifier: MIT */
/*
 * The scripted disk. What the kernel under test is asked to do with it, over and over: read sectors of the first half,
 * write what was read to the same places of the second half, and flush now and then. The first half is never what
 * it is told to be written, so what arrives in the second half shows what its reader was given.
 */
#include "../../protocols/vbd.h"
#include "roles.h"
#include "script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define DISK_SECTORS	16384u
#define HALF		(DISK_SECTORS / 2)
#define INDIRECT_MAX	32u
#define PENDING_MAX	256u
#define DATA_MAX	(INDIRECT_MAX * RING_PAGE)
#define GATHER_MS	2000u		/* for several requests to come */

/* A request that is not answered. */
struct pending {
	union vbd_slot slot;
	struct vbd_segment segment[INDIRECT_MAX];
	unsigned int segments;
	uint8_t operation;		/* the inner one of an indirect request */
	uint64_t sector;
	bool valid, was_lent;
	uint8_t *data;			/* of a write, as it was when the request was taken */
};

static struct wire ring;
static struct pending pending[PENDING_MAX];
static unsigned int pending_count;
static uint8_t disk[DISK_SECTORS][VBD_SECTOR];
static bool failed[DISK_SECTORS];	/* a read of it was answered with an error, and none since was not */
static unsigned int sector_unit;	/* in 512 bytes */
static bool readonly;
static unsigned int reads, writes, flushes;
static enum rule id_rule = RST_4;	/* what an id that is used twice breaks at this moment */

static void dump(FILE *to) { wire_dump(to, &ring); }

/* ---------------------------------------------------------------- what a request must be */

static bool segments_are_right(const struct pending *request, uint64_t *sectors)
{
	bool right = true;

	*sectors = 0;
	for (unsigned int i = 0; i < request->segments; i++) {
		const struct vbd_segment *segment = &request->segment[i];

		if (segment->first_sector > segment->last_sector || segment->last_sector >= VBD_SECTORS_A_PAGE) {
			rule_broken(BLK_23, "first <= last <= 7", "segment %u: sectors %u to %u", i, segment->first_sector, segment->last_sector);
			return false;
		}
		if (segment->first_sector % sector_unit || (segment->last_sector + 1u) % sector_unit)
			right = false;
		*sectors += segment->last_sector - segment->first_sector + 1u;
	}
	if (request->segments)
		rule_kept(BLK_23);
	if (!right || request->sector % sector_unit) {
		rule_broken(BLK_25, "multiples of sector-size", "sector %" PRIu64 ", %" PRIu64 " sectors, sector-size %u", request->sector, *sectors,
			    sector_unit * VBD_SECTOR);
		return false;
	}
	rule_kept(BLK_25);
	return true;
}

static bool count_is(bool right, const char *expected, unsigned int count)
{
	if (right)
		rule_kept(BLK_22);
	else
		rule_broken(BLK_22, expected, "%u", count);
	return right;
}

/* Its segments, from their pages. */
static bool indirect_is_right(struct pending *request)
{
	const struct vbd_request_indirect *indirect = &request->slot.indirect;

	if ((indirect->inner != VBD_OP_READ && indirect->inner != VBD_OP_WRITE) || !indirect->segments ||
	    indirect->segments > INDIRECT_MAX) {
		rule_broken(BLK_26, "an inner read or write of 1 to 32 segments", "inner %u, %u segments", indirect->inner, indirect->segments);
		return false;
	}
	if (world_copy_from(indirect->gref[0], 0, request->segment, indirect->segments * (unsigned int)sizeof(struct vbd_segment))) {
		rule_broken(BLK_27, "a grant of the page of segments", "gref %u is not lent", indirect->gref[0]);
		return false;
	}
	rule_kept(BLK_26);
	request->operation = indirect->inner;
	request->segments = indirect->segments;
	return true;
}

/* Reading and writing always is; the second back-end offers nothing else. */
static bool offered(uint8_t operation)
{
	unsigned int offers = 1u << VBD_OP_READ | 1u << VBD_OP_WRITE;

	if (script.pass == 1)
		offers |= 1u << VBD_OP_FLUSH | 1u << VBD_OP_DISCARD | 1u << VBD_OP_INDIRECT;
	if (operation > VBD_OP_INDIRECT || !(offers >> operation & 1)) {
		rule_broken(BLK_21, script.pass == 1 ? "read, write, flush, discard or indirect" : "read or write", "operation %u", operation);
		return false;
	}
	rule_kept(BLK_21);
	return true;
}

static bool operation_is_right(struct pending *request)
{
	const struct vbd_request *plain = &request->slot.plain;

	request->operation = plain->operation;
	request->sector = plain->sector;
	switch (plain->operation) {
	case VBD_OP_INDIRECT:
		if (!offered(plain->operation) || !indirect_is_right(request))
			return false;
		break;
	case VBD_OP_DISCARD:
		return offered(plain->operation);
	case VBD_OP_READ:
	case VBD_OP_WRITE:
	case VBD_OP_FLUSH:
		request->segments = plain->segments;
		if (!offered(plain->operation) || !(plain->operation == VBD_OP_FLUSH ? count_is(!plain->segments, "no segments of a flush", plain->segments) :
		      count_is(plain->segments >= 1 && plain->segments <= VBD_SEGMENTS, "1 to 11 segments", plain->segments)))
			return false;
		memcpy(request->segment, plain->segment, plain->segments * sizeof(struct vbd_segment));
		break;
	default:
		return offered(plain->operation);
	}
	return true;
}

static bool place_is_right(const struct pending *request, uint64_t sectors)
{
	if (request->operation == VBD_OP_FLUSH)
		return true;
	if (request->operation != VBD_OP_READ && readonly) {
		rule_broken(BLK_28, "reads only, info says read-only", "operation %u", request->operation);
		return false;
	}
	if (readonly)
		rule_kept(BLK_28);
	if (sectors > DISK_SECTORS || request->sector > DISK_SECTORS - sectors) {
		rule_broken(BLK_24, "sectors below 16384", "sector %" PRIu64 ", %" PRIu64 " sectors", request->sector, sectors);
		return false;
	}
	rule_kept(BLK_24);
	return true;
}

static bool request_is_right(struct pending *request)
{
	uint64_t sectors;

	if (!operation_is_right(request) || !segments_are_right(request, &sectors))
		return false;
	if (request->operation == VBD_OP_DISCARD)
		sectors = request->slot.discard.sectors;
	return place_is_right(request, sectors);
}

static void id_is_right(const struct pending *request)
{
	for (unsigned int i = 0; i < pending_count; i++)
		if (pending[i].slot.plain.id == request->slot.plain.id)
			rule_broken(id_rule, "an id that no unanswered request has", "id %" PRIu64 " twice", request->slot.plain.id);
	rule_kept(RST_4);
}

/* ---------------------------------------------------------------- pages */

static unsigned int segment_bytes(const struct vbd_segment *segment)
{
	return (segment->last_sector - segment->first_sector + 1u) * VBD_SECTOR;
}

/* The bytes of all segments, one behind the other. */
static bool pages_read(const struct pending *request, uint8_t *to)
{
	for (unsigned int i = 0; i < request->segments; i++) {
		const struct vbd_segment *segment = &request->segment[i];

		if (world_copy_from(segment->gref, segment->first_sector * VBD_SECTOR, to, segment_bytes(segment)))
			return false;
		to += segment_bytes(segment);
	}
	return true;
}

static bool pages_write(const struct pending *request, const uint8_t *from)
{
	for (unsigned int i = 0; i < request->segments; i++) {
		const struct vbd_segment *segment = &request->segment[i];

		if (world_copy_to(segment->gref, segment->first_sector * VBD_SECTOR, from, segment_bytes(segment)))
			return false;
		from += segment_bytes(segment);
	}
	return true;
}

static size_t request_bytes(const struct pending *request)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < request->segments; i++)
		bytes += segment_bytes(&request->segment[i]);
	return bytes;
}

/* They were lent when the request was taken, or never, or not so. When the back-end is closing, requests may be given up. */
static void not_lent(const struct pending *request, const char *how)
{
	static uint8_t now[DATA_MAX];

	if (script.closing)
		return;
	rule_broken(request->was_lent && !pages_read(request, now) ? RST_2 : BLK_27, how, "a page of id %" PRIu64 " is not lent so", request->slot.plain.id);
}

/* ---------------------------------------------------------------- taking and answering */

static void take(void)
{
	struct pending *request = &pending[pending_count];

	memset(request, 0, sizeof(*request));
	wire_take(&ring, &request->slot, sizeof(request->slot));
	id_is_right(request);
	request->valid = request_is_right(request);
	if (request->valid && request->segments) {
		request->data = malloc(DATA_MAX);
		request->was_lent = pages_read(request, request->data);
	}
	pending_count++;
}

static unsigned int take_all(void)
{
	int waiting = wire_look(&ring);

	for (int i = 0; i < waiting && pending_count < PENDING_MAX; i++)
		take();
	return pending_count;
}

static void half_check(uint64_t sector, const uint8_t *data)
{
	if (sector < HALF)
		return;
	if (!memcmp(data, disk[sector - HALF], VBD_SECTOR)) {
		rule_kept(BLK_29);
		return;
	}
	if (failed[sector - HALF])
		rule_broken(BLK_30, "nothing of a read that failed", "data of sector %" PRIu64 ", which could not be read", sector - HALF);
	else
		rule_broken(BLK_29, "in each sector from 8192 what is 8192 before it", "sector %" PRIu64 " is written with other data", sector);
}

static void write_obey(struct pending *request)
{
	static uint8_t now[DATA_MAX];
	size_t bytes = request_bytes(request);

	if (!pages_read(request, now)) {
		not_lent(request, "its pages readable");
		return;
	}
	if (memcmp(now, request->data, bytes))
		rule_broken(RST_3, "the data as it was when the request was taken", "id %" PRIu64 " has other data", request->slot.plain.id);
	else
		rule_kept(RST_3);
	for (size_t i = 0; i < bytes / VBD_SECTOR; i++) {
		half_check(request->sector + i, now + i * VBD_SECTOR);
		if (request->sector + i >= HALF)
			memcpy(disk[request->sector + i], now + i * VBD_SECTOR, VBD_SECTOR);
	}
	writes++;
}

static void read_obey(struct pending *request)
{
	if (!pages_write(request, disk[request->sector])) {
		not_lent(request, "its pages writable");
		return;
	}
	for (size_t i = 0; i < request_bytes(request) / VBD_SECTOR; i++)
		failed[request->sector + i] = false;
	reads++;
}

static int16_t obey(struct pending *request)
{
	if (!request->valid)
		return VBD_STATUS_ERROR;
	if (request->operation == VBD_OP_READ)
		read_obey(request);
	else if (request->operation == VBD_OP_WRITE)
		write_obey(request);
	else if (request->operation == VBD_OP_FLUSH)
		flushes++;
	if (request->segments) {
		rule_kept(BLK_27);
		rule_kept(RST_2);
	}
	return VBD_STATUS_OKAY;
}

/* The oldest, in the ring's order; not published. `status`: what to say instead of doing it. */
static void answer(const int16_t *status)
{
	struct pending *request = &pending[0];
	struct vbd_response response = {
		.id = request->slot.plain.id, .operation = request->operation, .status = status ? *status : obey(request),
	};

	if (status && request->operation == VBD_OP_READ)
		for (size_t i = 0; request->valid && i < request_bytes(request) / VBD_SECTOR; i++)
			failed[request->sector + i] = true;
	wire_answer(&ring, &response, sizeof(response));
	free(request->data);
	memmove(pending, pending + 1, --pending_count * sizeof(*pending));
}

static void answer_all(void)
{
	while (pending_count)
		answer(NULL);
	wire_push(&ring);
}

/* At least one request is there, taken. */
static void await(const char *expected)
{
	uint64_t until = world_now_ms() + script.limit_ms;

	while (!take_all()) {
		if (world_now_ms() >= until)
			wire_is_dead(&ring, expected);
		wire_wait(&ring, 100);
	}
}

/* It works: so many requests, one after the other, in order. */
static void serve(unsigned int requests, enum rule blame)
{
	script.blame = blame;
	while (requests > 0) {
		await("more requests");
		requests -= pending_count < requests ? pending_count : requests;
		answer_all();
	}
	rule_kept(blame);
	script.blame = RULES;
}

/* ---------------------------------------------------------------- what is tried */

static void try_without_asking(void)
{
	uint64_t until;
	unsigned int events = 0, before = reads + writes;

	serve(1, BUS_35);
	wire_wait(&ring, script.limit_ms);
	world_events(ring.event);
	for (until = world_now_ms() + 1000; world_now_ms() < until; world_wait(5), front_watch()) {
		events += world_events(ring.event);
		if (take_all())
			answer_all();
	}
	if (events)
		rule_broken(BUS_34, "no event while req_event is behind req_prod", "%u events in 1 s", events);
	else if (reads + writes > before)
		rule_kept(BUS_34);
}

/* Events out of nothing; what is outstanding stays what it is. */
static void try_spurious(void)
{
	script.blame = RST_6;
	await("requests");
	for (unsigned int i = 0; i < 5; i++) {
		world_send(ring.event);
		world_wait(50);
		front_watch();
	}
	answer_all();
	serve(8, RST_6);
}

static void try_silence(void)
{
	uint64_t until;

	script.blame = RST_7;
	await("requests");
	for (until = world_now_ms() + script.silence_ms; world_now_ms() < until; front_watch()) {
		world_wait(100);
		take_all();
	}
	wire_check_asked(&ring);
	answer_all();
	serve(16, RST_7);
}

/* The slot of pending[i] holds its request again. */
static void slot_restore(unsigned int i)
{
	uint32_t slot = (ring.ring.rsp_put + i) & (ring.ring.slots - 1);

	memcpy(ring_slot(ring.ring.shared, ring.ring.slots, VBD_SLOT, slot), ring.copy[slot], VBD_SLOT);
}

/* Half an answer in every slot, as a back-end leaves that dies while it writes; its successor writes them again. */
static void try_unpublished(void)
{
	const struct vbd_response lie = { .id = 1, .operation = 9, .status = VBD_STATUS_ERROR };
	uint64_t until;

	script.blame = id_rule = RST_5;
	await("requests");
	for (until = world_now_ms() + GATHER_MS; pending_count < 2 && world_now_ms() < until; take_all())
		world_wait(20);
	for (unsigned int i = 0; i < pending_count; i++)
		memcpy(ring_slot(ring.ring.shared, ring.ring.slots, VBD_SLOT, ring.ring.rsp_prod + i), &lie, sizeof(lie));
	if (pending_count > 1) {
		/* So that the event is one for something. */
		slot_restore(0);
		answer(NULL);
		wire_push(&ring);
	}
	world_send(ring.event);
	for (unsigned int i = 0; i < 10; i++) {
		world_wait(50);
		front_watch();
	}
	for (unsigned int i = 0; i < pending_count; i++)
		slot_restore(i);
	take_all();
	answer_all();
	serve(8, RST_5);
	id_rule = RST_4;
}

static void try_batch(void)
{
	for (unsigned int round = 0; round < 4; round++) {
		script.blame = BUS_36;
		await("requests");
		for (unsigned int i = 0; i < 10; i++) {
			world_wait(20);
			take_all();
		}
		answer_all();
		wire_check_fetched(&ring);
	}
	serve(8, BUS_36);
}

static void try_error(void)
{
	const int16_t error = VBD_STATUS_ERROR;

	script.blame = BLK_30;
	for (unsigned int tries = 0; tries < 200; tries++) {
		await("requests");
		if (pending[0].operation == VBD_OP_READ)
			break;
		answer(NULL);
		wire_push(&ring);
	}
	answer(&error);
	wire_push(&ring);
	serve(32, BLK_30);
}

/* Whatever is optional, if it comes at all. */
static void try_unsupported(void)
{
	const int16_t unsupported = VBD_STATUS_UNSUPPORTED;
	uint64_t until = world_now_ms() + script.limit_ms;

	script.blame = BLK_31;
	while (world_now_ms() < until) {
		await("requests");
		if (pending[0].operation != VBD_OP_READ && pending[0].operation != VBD_OP_WRITE) {
			answer(&unsupported);
			wire_push(&ring);
			serve(16, BLK_31);
			return;
		}
		answer(NULL);
		wire_push(&ring);
	}
}

/* ---------------------------------------------------------------- connecting */

static unsigned int ring_pages(void)
{
	bool there;
	uint64_t order = key_number("ring-page-order", &there), queues;

	if (order > 1)
		rule_broken(BLK_2, "ring-page-order at most 1", "%" PRIu64, order);
	rule_kept(BLK_2);
	queues = key_number("multi-queue-num-queues", &there);
	if ((there && queues != 1) || key_is_there("queue-0/ring-ref"))
		rule_broken(BLK_3, "one queue, ring-ref and event-channel not in queue-0", "%" PRIu64 " queues", there ? queues : 1);
	rule_kept(BLK_3);
	if (key_is_there("protocol") && !key_is("protocol", "x86_64-abi"))
		rule_broken(BLK_1, "x86_64-abi", "another protocol");
	rule_kept(BLK_1);
	return 1u << order;
}

static bool connect_front(void)
{
	uint64_t until;

	if (!front_begin())
		return false;
	wire_map(&ring, "ring", "ring-ref", ring_pages(), VBD_SLOT);
	ring.event = wire_bind("event-channel");
	front_watch();
	if (script.state == 4)
		rule_broken(BLK_4, "state 3 until the back-end is in state 4", "state 4");
	back_write("sectors", "%u", DISK_SECTORS);
	back_write("info", "%u", readonly ? VBD_INFO_READONLY : 0);
	back_write("sector-size", "%u", sector_unit * VBD_SECTOR);
	back_write("physical-sector-size", "%u", sector_unit * VBD_SECTOR);
	back_switch(4);
	/* Some read the disk before they are connected. */
	for (until = world_now_ms() + script.limit_ms; script.state != 4; front_watch()) {
		if (world_now_ms() >= until)
			rule_broken(BLK_4, "state 4 after the back-end's 4", "state %u, %u s later", script.state, script.limit_ms / 1000);
		wire_wait(&ring, 50);
		if (take_all())
			answer_all();
	}
	rule_kept(BLK_4);
	return true;
}

void blk_offer(void)
{
	if (script.pass > 1)
		return;
	back_write("feature-flush-cache", "1");
	back_write("feature-discard", "1");
	back_write("discard-granularity", "%u", VBD_SECTOR);
	back_write("discard-alignment", "0");
	back_write("feature-max-indirect-segments", "%u", INDIRECT_MAX);
	back_write("max-ring-page-order", "1");
	back_write("multi-queue-max-queues", "1");
}

static void begin(void)
{
	memset(&ring, 0, sizeof(ring));
	ring.decode_request = decode_vbd_request;
	ring.decode_response = decode_vbd_response;
	pending_count = 0;
	readonly = script.pass > 1;
	sector_unit = script.pass > 1 ? RING_PAGE / VBD_SECTOR : 1;
	rules_dump_set(dump);
	for (size_t i = 0; i < DISK_SECTORS; i++)
		for (size_t word = 0; word < VBD_SECTOR / 8; word++)
			((uint64_t *)disk[i])[word] = (i + 1) * 0x9e3779b97f4a7c15u + word;
}

static void serve_what_comes(void)
{
	if (take_all())
		answer_all();
}

void blk_walk(void)
{
	begin();
	if (!connect_front())
		return;
	serve(64, BUS_35);
	if (script.pass > 1) {
		front_close(serve_what_comes);
		return;
	}
	try_without_asking();
	try_batch();
	try_unpublished();
	try_spurious();
	try_silence();
	try_error();
	try_unsupported();
	serve(64, BUS_35);
	front_keys_check();
	back_keys_check();
	front_close(serve_what_comes);
}

void blk_end(void) { wire_unmap(&ring); }
