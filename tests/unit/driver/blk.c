/* SPDX-License-Identifier: MIT */
/* The block back-end's own sources against a fake core and a fake disk: what front-ends ask and get, lies, limits, and deaths. */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blk_world.h"
#include "runtime/driver_domain.h"
#include "runtime/memory.h"

#define PAGES_A_REQUEST	33u

/* ---------------------------------------------------------------- a front-end that asks for one thing at a time */

#define put(place, request) put_bytes(place, request, sizeof(*(request)))
#define asked(request) asked_bytes(request, sizeof(*(request)))

static uint32_t page_of(uint32_t place, uint32_t page) { return place * 4096 + page; }

static void lend(uint32_t place, uint32_t page, enum lent how)
{
	world.lent[page_of(place, page)] = (uint8_t)how;
	world.lent_to_disk[page_of(place, page)] = (uint16_t)place;
}

static void given_disk(uint32_t extents, uint32_t count)
{
	world_begin(1);
	world_attach(0, 1, 1, extents, count);
	world_start();
	world_settle();
	for (uint32_t page = 0; page < 64; page++)
		lend(0, page, LENT);
}

static struct vbd_request given_request(uint8_t operation, uint64_t sector, uint32_t segments)
{
	struct vbd_request request = { .operation = operation, .segments = (uint8_t)segments, .id = 77, .sector = sector };

	for (uint32_t i = 0; i < segments && i < VBD_SEGMENTS; i++)
		request.segment[i] = (struct vbd_segment){ .gref = page_of(0, i), .first_sector = 0, .last_sector = 7 };
	return request;
}

static void put_bytes(uint32_t place, const void *request, size_t bytes)
{
	struct world_queue *queue = &world.disk[place].queue[0];
	union vbd_slot slot = { .plain = { .id = 0 } };

	memcpy(&slot, request, bytes);
	ring_front_put(&queue->ring, &slot, VBD_SLOT);
	if (ring_front_push(&queue->ring))
		world_kick(queue);
}

static bool take(uint32_t place, struct vbd_response *response)
{
	return ring_front_take(&world.disk[place].queue[0].ring, response, sizeof(*response)) == 1;
}

/* Its status, or 1: there was no answer. */
static int asked_bytes(const void *request, size_t bytes)
{
	struct vbd_response response;

	put_bytes(0, request, bytes);
	world_settle();
	if (!take(0, &response))
		return 1;
	CU_ASSERT_EQUAL(response.id, ((const struct vbd_request *)request)->id);
	return response.status;
}

static uint32_t ios(void) { return world.reads + world.writes + world.flushes + world.discards; }

/* ---------------------------------------------------------------- what a front-end asks and gets */

static void what_is_written_is_read_again_over_extents(void)	/* B1 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 5, 11), read = given_request(VBD_OP_READ, 5, 11);

	given_disk(9, 11);
	for (uint32_t i = 0; i < 11 * RING_PAGE; i++)
		world_page(page_of(0, 0))[i] = (uint8_t)(i / 512 + i);
	write.segment[3].first_sector = 2;
	write.segment[4].last_sector = 0;
	read.segment[3].first_sector = 2;
	read.segment[4].last_sector = 0;
	for (uint32_t i = 0; i < 11; i++)
		read.segment[i].gref = page_of(0, 20 + i);

	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(memcmp(world.media + 512 * world_device_sector(&world.disk[0], 6), world_page(0) + 512, 512), 0);
	CU_ASSERT_EQUAL(memcmp(world.media + 512 * world_device_sector(&world.disk[0], 5 + 24), world_page(3) + 1024, 512), 0);
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_OKAY);
	for (uint32_t i = 0; i < 11; i++) {
		uint32_t from = i == 3 ? 1024 : 0, bytes = (i == 3 ? 3072 : i == 4 ? 512 : 4096);

		CU_ASSERT_EQUAL(memcmp(world_page(page_of(0, i)) + from, world_page(page_of(0, 20 + i)) + from, bytes), 0);
	}
	CU_ASSERT(world.reads > 1);
}

static void indirect_requests_are_read_and_written(void)
{
	struct vbd_request_indirect request = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_WRITE, .segments = 33, .id = 9, .sector = 8 };
	struct vbd_segment *segment;

	given_disk(2, 256);
	segment = (void *)world_page(page_of(0, 60));
	request.gref[0] = page_of(0, 60);
	for (uint32_t i = 0; i < 33; i++) {
		segment[i] = (struct vbd_segment){ .gref = page_of(0, i), .last_sector = 7 };
		memset(world_page(page_of(0, i)), (int)(i + 1), RING_PAGE);
	}
	CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_OKAY);
	for (uint32_t i = 0; i < 33; i++)
		CU_ASSERT_EQUAL(world.media[512 * world_device_sector(&world.disk[0], 8 + 8 * i)], i + 1);
	request.inner = VBD_OP_READ;
	for (uint32_t i = 0; i < 33; i++)
		memset(world_page(page_of(0, i)), 0, RING_PAGE);
	CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_OKAY);
	for (uint32_t i = 0; i < 33; i++)
		CU_ASSERT_EQUAL(world_page(page_of(0, i))[4095], i + 1);
	request.inner = VBD_OP_FLUSH;
	CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_UNSUPPORTED);
	request.inner = VBD_OP_READ;
	request.segments = DRIVER_SEGMENTS_MAX + 1;
	CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_ERROR);
	request.segments = 33;
	request.gref[0] = 4000;
	CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_ERROR);
}

/* ---------------------------------------------------------------- indirect requests of small segments */

#define SMALL_SEGMENTS	DRIVER_SEGMENTS_MAX

/* Of one to `most` sectors each, in an order of their own; the data is where the segments say. Returns the sectors. */
static uint32_t given_small_segments(uint32_t most)
{
	struct vbd_segment *segment = (void *)world_page(page_of(0, 300));
	uint32_t sectors = 0;

	lend(0, 300, LENT);
	for (uint32_t i = 0; i < SMALL_SEGMENTS; i++) {
		uint8_t first = (uint8_t)(7 - i % 8), last = (uint8_t)(first + i % most);

		last = last < 8 ? last : 7;
		segment[i] = (struct vbd_segment){ .gref = page_of(0, i), .first_sector = first, .last_sector = last };
		lend(0, i, LENT);
		memset(world_page(page_of(0, i)), (int)(i + 1), RING_PAGE);
		sectors += last - first + 1u;
	}
	return sectors;
}

static void small_segments_are_on_the_disk(uint64_t sector)
{
	const struct vbd_segment *segment = (void *)world_page(page_of(0, 300));

	for (uint32_t i = 0; i < SMALL_SEGMENTS; i++)
		for (uint32_t at = segment[i].first_sector; at <= segment[i].last_sector; at++, sector++)
			CU_ASSERT_EQUAL(memcmp(world.media + 512 * world_device_sector(&world.disk[0], sector),
					       world_page(page_of(0, i)) + at * 512, 512), 0);
}

static void small_segments_are_read(void)
{
	const struct vbd_segment *segment = (void *)world_page(page_of(0, 300));

	for (uint32_t i = 0; i < SMALL_SEGMENTS; i++)
		for (uint32_t at = 0; at < 8; at++) {
			bool is_read = at >= segment[i].first_sector && at <= segment[i].last_sector;

			CU_ASSERT_EQUAL(world_page(page_of(0, i))[at * 512 + 511], is_read ? (i + 1) % 256 : 0xee);
		}
}

/* Each segment is a run: they are more than a work notes, and the next work is the disk's already. */
static void small_segments_harm_no_other_work(void)
{
	struct vbd_request_indirect request = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_WRITE, .segments = SMALL_SEGMENTS, .sector = 16 };
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);
	struct blk_io before;
	struct work *other;

	for (uint32_t inner = VBD_OP_READ; inner <= VBD_OP_WRITE; inner++) {
		given_disk(1, 512);
		world.device.segments_max = BLK_SEGMENTS_MAX;
		given_small_segments(1);
		request.inner = (uint8_t)inner;
		request.gref[0] = page_of(0, 300);
		put(0, &write);
		put(0, &write);
		world_round();
		CU_ASSERT_EQUAL_FATAL(world.flying_count, 2);
		other = world.flying[1]->cookie;
		before = other->io;
		world_complete(0, 0);
		world_round();
		put(0, &request);
		world_round();
		world_round();
		CU_ASSERT_PTR_EQUAL(&blk.work[0] + 1, other);
		CU_ASSERT(blk.work[0].queue->works > 1);
		CU_ASSERT_EQUAL(memcmp(&before, &other->io, sizeof(before)), 0);
		world_settle();
		CU_ASSERT_EQUAL(ring_front_look(&world.disk[0].queue[0].ring), 3);
	}
}

/* B3: what is taken has its works and its buffers, wherever its pieces end. */
static void small_segments_are_written_and_read_whatever_cuts_them(void)
{
	static const uint32_t shapes[][4] = {
		/* device, extents, their sectors, of a segment at most */
		{ 33, 1, 1000, 1 }, { 33, 1, 1000, 6 }, { 16, 1, 1000, 3 }, { 2, 1, 1000, 6 }, { 33, 24, 33, 2 }, { 33, 24, 33, 3 },
		{ 2, 24, 33, 3 }, { 3, 24, 25, 3 }, { 33, 7, 40, 1 }, { 32, 2, 257, 2 },
	};

	for (uint32_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct vbd_request_indirect request = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_WRITE, .segments = SMALL_SEGMENTS, .sector = 1 };
		uint32_t works, sectors;

		given_disk(shapes[i][1], shapes[i][2]);
		world.device.segments_max = shapes[i][0];
		sectors = given_small_segments(shapes[i][3]);
		CU_ASSERT_FATAL(sectors < shapes[i][1] * shapes[i][2]);
		request.gref[0] = page_of(0, 300);
		works = works_of(SMALL_SEGMENTS, disk_extents(blk.disk[0], 1, sectors));
		put(0, &request);
		world_round();
		CU_ASSERT(blk.disk[0]->queue[0].works > 1 && blk.disk[0]->queue[0].works < works);
		CU_ASSERT(blk.disk[0]->queue[0].buffers <= SMALL_SEGMENTS + works);
		world_settle();
		CU_ASSERT(take(0, &(struct vbd_response){ 0 }));
		small_segments_are_on_the_disk(1);
		for (uint32_t page = 0; page < SMALL_SEGMENTS; page++)
			memset(world_page(page_of(0, page)), 0xee, RING_PAGE);
		request.inner = VBD_OP_READ;
		CU_ASSERT_EQUAL(asked(&request), VBD_STATUS_OKAY);
		small_segments_are_read();
		CU_ASSERT_EQUAL(blk.free_count, BLK_WORKS);
		CU_ASSERT_EQUAL(buffer_free_count(), WORLD_POOL_PAGES);
	}
}

static void flush_barrier_and_discard_reach_the_disk(void)	/* B5 */
{
	struct vbd_request flush = given_request(VBD_OP_FLUSH, 0, 0), barrier = given_request(VBD_OP_BARRIER, 3, 1);
	struct vbd_request empty = given_request(VBD_OP_BARRIER, 0, 0);
	struct vbd_request_discard discard = { .operation = VBD_OP_DISCARD, .id = 3, .sector = 60, .sectors = 16 };

	given_disk(2, 64);
	world.flush_alone = true;
	CU_ASSERT_EQUAL(asked(&flush), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(world.flushes, 1);
	CU_ASSERT_EQUAL(asked(&barrier), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(world.flushes, 3);
	CU_ASSERT_EQUAL(world.writes, 1);
	CU_ASSERT_EQUAL(asked(&empty), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(world.flushes, 4);
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(world.discards, 2);
	world.device.has_flush = false;
	CU_ASSERT_EQUAL(asked(&flush), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(asked(&barrier), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(asked(&empty), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(world.flushes, 4);
	CU_ASSERT_EQUAL(world.writes, 2);
}

/* Nothing behind a barrier begins before it is answered, nothing in it before what was in front of it has ended. */
static void nothing_passes_a_barrier(void)			/* B5 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1), barrier = given_request(VBD_OP_BARRIER, 16, 2);

	given_disk(1, 64);
	world.flush_alone = true;
	put(0, &write);
	put(0, &barrier);
	put(0, &write);
	for (uint32_t i = 0; i < 10; i++)
		world_round();
	CU_ASSERT_EQUAL(world.flying_count, 1);
	world_complete(0, 0);
	world_round();
	CU_ASSERT_EQUAL(world.flying_count, 1);
	CU_ASSERT_EQUAL(world.flying[0]->op, BLK_FLUSH);
	world_complete(0, 0);
	world_round();
	world_round();
	CU_ASSERT_EQUAL(world.flying_count, 1);
	CU_ASSERT_EQUAL(world.flying[0]->sector, world_device_sector(&world.disk[0], 16));
	world_complete(0, 0);
	world_round();
	CU_ASSERT_EQUAL(world.flying[0]->op, BLK_FLUSH);
	world_settle();
	CU_ASSERT_EQUAL(world.writes, 3);
	CU_ASSERT_EQUAL(ring_front_look(&world.disk[0].queue[0].ring), 3);
}

static void barrier_whose_flush_fails_writes_nothing(void)
{
	struct vbd_request barrier = given_request(VBD_OP_BARRIER, 16, 2);
	struct vbd_response response;

	given_disk(1, 64);
	put(0, &barrier);
	world_round();
	world_complete(0, -XEN_EIO);
	world_settle();
	CU_ASSERT(take(0, &response));
	CU_ASSERT_EQUAL(response.status, VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(world.writes, 0);
	barrier.segment[1].gref = 4000;
	CU_ASSERT_EQUAL(asked(&barrier), VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(blk.free_count, BLK_WORKS);
}

static void answers_keep_the_rings_order_where_the_disk_does_not(void)	/* L1 */
{
	struct vbd_response response;

	given_disk(1, 64);
	for (uint32_t i = 0; i < 4; i++) {
		struct vbd_request write = given_request(VBD_OP_WRITE, 8 * i, 1);

		write.id = i;
		put(0, &write);
	}
	world_round();
	CU_ASSERT_EQUAL(world.flying_count, 4);
	world_complete(3, 0);
	world_complete(1, 0);
	world_round();
	CU_ASSERT_FALSE(take(0, &response));
	world_settle();
	for (uint32_t i = 0; i < 4; i++) {
		CU_ASSERT(take(0, &response));
		CU_ASSERT_EQUAL(response.id, i);
	}
}

static void one_batch_is_one_doorbell_and_one_event(void)
{
	struct world_queue *queue = &world.disk[0].queue[0];
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	for (uint32_t i = 0; i < 8; i++)
		put(0, &write);
	world_round();
	CU_ASSERT_EQUAL(world.doorbells, 1);
	while (world.flying_count)
		world_complete(0, 0);
	world_round();
	CU_ASSERT_EQUAL(queue->kicks, 1);
	CU_ASSERT_EQUAL(ring_front_look(&queue->ring), 8);
}

static void all_complete(void)
{
	while (world.flying_count)
		world_complete(0, 0);
}

static void what_completes_just_before_it_sleeps_is_not_slept_over(void)	/* L4 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	put(0, &write);
	CU_ASSERT(world_round());
	world.meanwhile = all_complete;
	CU_ASSERT(world_round());
	CU_ASSERT(world_round());
	CU_ASSERT_EQUAL(ring_front_look(&world.disk[0].queue[0].ring), 1);
}

/* The disk has much to do: requests that come meanwhile need not wake anybody, and are seen when it has done some of it (L4). */
static void requests_that_did_not_wake_it_are_found_when_the_disk_does(void)
{
	struct world_queue *queue = &world.disk[0].queue[0];
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	for (uint32_t i = 0; i < 8; i++)
		put(0, &write);
	while (world_round())
		;
	put(0, &write);
	CU_ASSERT_FALSE(world.pending[queue->bound]);
	world_complete(0, 0);
	CU_ASSERT(world.has_interrupted);
	while (world_round())
		;
	CU_ASSERT_EQUAL(world.flying_count, 8);
	world_settle();
	CU_ASSERT_EQUAL(ring_front_look(&queue->ring), 9);
}

static uint32_t more_writes;

/* What the front-end does while the driver lets it: it has `more_writes` to ask for, one in each turn. */
static void writes_more(void)
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	if (more_writes) {
		more_writes--;
		put(0, &write);
	}
}

static void front_end_that_has_more_to_write_may_do_so_first(void)
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	world.meanwhile_yield = writes_more;
	for (uint32_t i = 0; i < 200; i++) {
		more_writes = i % 4 ? 3 : 0;
		CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_OKAY);
		while (world.disk[0].queue[0].ring.rsp_cons != world.disk[0].queue[0].ring.req_put && take(0, &(struct vbd_response){ 0 }))
			;
	}
	CU_ASSERT(blk.gathers > 0);
	CU_ASSERT(world.yields > 100);
	CU_ASSERT(world.writes > 450);
	CU_ASSERT(world.doorbells <= 205);
	world.yields = 0;
	for (uint32_t i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(blk.gathers, 0);
	CU_ASSERT(world.yields < 14);
}

/* A front-end that forgets to send an event, or whose event is lost: Dom0 has the driver look (driver.md, section 3). */
static void change_of_the_table_has_all_rings_looked_at(void)
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);
	union vbd_slot slot = { .plain = write };

	given_disk(1, 64);
	world_settle();
	ring_front_put(&world.disk[0].queue[0].ring, &slot, VBD_SLOT);
	ring_front_push(&world.disk[0].queue[0].ring);
	world_settle();
	CU_ASSERT_EQUAL(ios(), 0);
	world.table->changed += 7;
	world_settle();
	CU_ASSERT_EQUAL(blk.disk[0]->queue[0].answers.ledger->looked, world.table->changed);
	CU_ASSERT_EQUAL(blk.disk[0]->queue[0].answers.ledger->seen, 1);
	CU_ASSERT_TRUE(take(0, &(struct vbd_response){ 0 }));
}

/* A disk that answered soon is waited for awake the next time, and one that then does not is slept over. */
static void quick_disk_is_waited_for_awake(void)
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	put(0, &write);
	while (world_round())
		;
	CU_ASSERT(world.may_interrupt);
	all_complete();
	while (world_round())
		;
	CU_ASSERT(blk.is_quick);
	put(0, &write);
	while (world_round())
		;
	CU_ASSERT_FALSE(blk.is_quick);
	CU_ASSERT_EQUAL(world.flying_count, 1);
	world.now_ns += 1000000;
	all_complete();
	while (world_round())
		;
	CU_ASSERT_FALSE(blk.is_quick);
	CU_ASSERT_EQUAL(ring_front_look(&world.disk[0].queue[0].ring), 2);
}

/* ---------------------------------------------------------------- requests that are wrong */

static void requests_that_are_wrong_are_answered_and_not_done(void)	/* B1, B2 */
{
	static const struct {
		uint8_t operation, segments, first, last;
		uint64_t sector;
		int status;
	} wrong[] = {
		{ VBD_OP_READ, 0, 0, 7, 0, VBD_STATUS_ERROR },
		{ VBD_OP_READ, 12, 0, 7, 0, VBD_STATUS_ERROR },
		{ VBD_OP_READ, 255, 0, 7, 0, VBD_STATUS_ERROR },
		{ VBD_OP_READ, 1, 0, 8, 0, VBD_STATUS_ERROR },
		{ VBD_OP_READ, 1, 0, 255, 0, VBD_STATUS_ERROR },
		{ VBD_OP_READ, 1, 5, 4, 0, VBD_STATUS_ERROR },
		{ VBD_OP_WRITE, 1, 0, 7, 121, VBD_STATUS_ERROR },
		{ VBD_OP_WRITE, 1, 0, 7, 128, VBD_STATUS_ERROR },
		{ VBD_OP_WRITE, 1, 0, 0, UINT64_MAX, VBD_STATUS_ERROR },
		{ VBD_OP_WRITE, 2, 0, 7, UINT64_MAX - 7, VBD_STATUS_ERROR },
		{ VBD_OP_BARRIER, 1, 0, 7, 125, VBD_STATUS_ERROR },
		{ 4, 0, 0, 7, 0, VBD_STATUS_UNSUPPORTED },
		{ 200, 0, 0, 7, 0, VBD_STATUS_UNSUPPORTED },
	};

	given_disk(2, 64);
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vbd_request request = given_request(wrong[i].operation, wrong[i].sector, wrong[i].segments);

		request.segment[0].first_sector = wrong[i].first;
		request.segment[0].last_sector = wrong[i].last;
		CU_ASSERT_EQUAL(asked(&request), wrong[i].status);
	}
	CU_ASSERT_EQUAL(ios(), 0);
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ATTACHED);
}

static void grants_that_are_not_there_are_errors_of_one_request(void)
{
	struct vbd_request read = given_request(VBD_OP_READ, 0, 3), write = given_request(VBD_OP_WRITE, 0, 3);

	given_disk(1, 64);
	lend(0, 1, LENT_READONLY);
	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_ERROR);
	lend(0, 1, LENT_NOT);
	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(world.writes, 1);
	lend(0, 1, LENT);
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(blk.free_count, BLK_WORKS);
}

static void discards_that_are_wrong_are_refused(void)
{
	struct vbd_request_discard discard = { .operation = VBD_OP_DISCARD, .sector = 60, .sectors = UINT64_MAX - 50 };

	given_disk(1, 64);
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_ERROR);
	discard.sectors = 5;
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_ERROR);
	discard.sectors = 0;
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_ERROR);
	world.device.has_discard = false;
	discard.sectors = 4;
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_UNSUPPORTED);
	CU_ASSERT_EQUAL(ios(), 0);
}

static void readonly_disk_is_not_written(void)
{
	struct vbd_request read = given_request(VBD_OP_READ, 0, 1), write = given_request(VBD_OP_WRITE, 0, 1);
	struct vbd_request_discard discard = { .operation = VBD_OP_DISCARD, .sector = 0, .sectors = 8 };

	given_disk(1, 64);
	world_begin(1);
	world_attach(0, 1, 1, 1, 64);
	world.table->attachment[0].flags |= DRIVER_BLK_READONLY;
	world_start();
	world_settle();
	lend(0, 0, LENT);
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_OKAY);
	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_ERROR);
	write.operation = VBD_OP_BARRIER;
	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(asked(&discard), VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(ios(), 1);
}

static void disk_of_large_sectors_takes_whole_ones_only(void)
{
	struct vbd_request read = given_request(VBD_OP_READ, 8, 2);

	world_begin(1);
	world.device.sector_bytes = 4096;
	world_attach(0, 1, 1, 1, 64);
	world.table->attachment[0].blk.sector_bytes = 4096;
	world_start();
	world_settle();
	lend(0, 0, LENT);
	lend(0, 1, LENT);
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_OKAY);
	read.sector = 4;
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_ERROR);
	read.sector = 8;
	read.segment[0].last_sector = 3;
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_ERROR);
}

static void what_the_disk_cannot_do_is_an_error_of_the_request(void)
{
	struct vbd_request read = given_request(VBD_OP_READ, 0, 11);
	struct vbd_response response;

	given_disk(3, 40);
	put(0, &read);
	world_round();
	CU_ASSERT(world.flying_count > 1);
	world_complete(0, -XEN_EIO);
	world_settle();
	CU_ASSERT(take(0, &response));
	CU_ASSERT_EQUAL(response.status, VBD_STATUS_ERROR);
	CU_ASSERT_EQUAL(world_status(0)->counter[DRIVER_ERRORS], 1);
	CU_ASSERT_EQUAL(buffer_free_count(), WORLD_POOL_PAGES);
}

/* ---------------------------------------------------------------- front-ends that lie */

static void given_two_disks(void)
{
	given_disk(1, 64);
	world_attach(1, 2, 2, 1, 64);
	world_settle();
	lend(1, 0, LENT);
}

static void claims(uint32_t req_prod)
{
	world.disk[0].queue[0].ring.shared->req_prod = req_prod;
	world_kick(&world.disk[0].queue[0]);
	world_settle();
}

static void index_that_jumps_ends_that_front_end_alone(void)
{
	static const uint32_t jumps[] = { 33, 1000, UINT32_MAX, 1u << 31 };
	struct vbd_request read = given_request(VBD_OP_READ, 0, 1);
	struct vbd_response response;

	for (uint32_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		uint8_t before[RING_PAGE];

		given_two_disks();
		world.disk[0].queue[0].ring.shared->req_prod = jumps[i];
		memcpy(before, world.disk[0].queue[0].pages, RING_PAGE);
		claims(jumps[i]);
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_REFUSED);
		CU_ASSERT_PTR_NOT_NULL(strstr(world_status(0)->text, "req_prod"));
		CU_ASSERT_EQUAL(memcmp(before, world.disk[0].queue[0].pages, RING_PAGE), 0);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
		read.segment[0].gref = page_of(1, 0);
		put(1, &read);
		world_settle();
		CU_ASSERT(take(1, &response));
		CU_ASSERT_EQUAL(response.status, VBD_STATUS_OKAY);
	}
}

static void index_that_goes_back_ends_that_front_end(void)
{
	struct vbd_request read = given_request(VBD_OP_READ, 0, 1);

	given_two_disks();
	CU_ASSERT_EQUAL(asked(&read), VBD_STATUS_OKAY);
	put(0, &read);
	world_round();
	claims(1);
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_REFUSED);
	CU_ASSERT_EQUAL(blk.free_count, BLK_WORKS);
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
}

static void dropped_front_end_can_be_taken_away(void)
{
	given_two_disks();
	claims(99);
	world_detach(0);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
	world_attach(0, 1, 1, 1, 64);
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ATTACHED);
}

/* ---------------------------------------------------------------- attaching and letting go */

static void disk_is_let_go_when_its_works_have_ended(void)	/* B4 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_two_disks();
	put(0, &write);
	world_round();
	CU_ASSERT_EQUAL(world.flying_count, 1);
	world_detach(0);
	for (uint32_t i = 0; i < 5; i++)
		world_round();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_ATTACHED);
	world_complete(0, 0);
	for (uint32_t i = 0; i < 5; i++)
		world_round();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(world.disk[0].queue[0].bound, 0);
	CU_ASSERT_EQUAL(buffer_free_count(), WORLD_POOL_PAGES);
}

static void attachment_that_cannot_be_is_refused_and_leaves_nothing(void)
{
	struct driver_attachment *record;

	for (uint32_t i = 0; i < 14; i++) {
		uint32_t pages;

		world_begin(1);
		world_start();
		world_settle();
		pages = spare_count();
		world_attach(0, 2, 1, 2, 64);
		record = &world.table->attachment[0];
		switch (i) {
		case 0: record->queue_count = 0; break;
		case 1: record->queue_count = 5; break;
		case 2: record->queue[1].ring_pages = 3; break;
		case 3: record->queue[1].ring_ref[0] = 7; break;
		case 4: record->queue[1].port[0] = 7; break;
		case 5: record->blk.extent[1].count = WORLD_SECTORS; break;
		case 6: record->blk.extent[1].first = UINT64_MAX - 3; break;
		case 7: record->blk.extent[0].count = 0; break;
		case 8: record->blk.extent_count = 25; break;
		case 9: record->blk.sector_bytes = 1024; break;
		case 10: record->queue[1].ledger[0].offset = 64 * RING_PAGE - 64; break;
		case 11: record->queue[1].ledger[0].ring++; break;
		case 12: record->queue[1].ledger[0].slots = 64; break;
		case 13: world.disk[0].queue[1].ring.shared->req_prod = 40; break;
		}
		world_settle();
		CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_REFUSED);
		CU_ASSERT(world_status(0)->text[0]);
		CU_ASSERT_EQUAL(spare_count(), pages);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].bound + world.disk[0].queue[1].bound, 0);
		CU_ASSERT_EQUAL(world.disk[0].queue[0].ring.shared->rsp_prod, 0);
	}
}

static void disk_that_completes_what_it_did_not_have_ends_the_domain(void)	/* K1 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);

	given_disk(1, 64);
	put(0, &write);
	world_round();
	world.panic_is_expected = true;
	if (!setjmp(world.panicked)) {
		struct blk_io *io = world.flying[0];

		world_complete(0, 0);
		world.landed[world.landed_count++] = io;
		world_settle();
	}
	CU_ASSERT_PTR_NOT_NULL(world.panic);
}

/* ---------------------------------------------------------------- limits and turns */

static uint32_t served_in(uint64_t milliseconds, uint32_t place)
{
	uint32_t before = world.disk[place].queue[0].ring.rsp_cons;
	struct vbd_request read = given_request(VBD_OP_READ, 0, 8);
	uint64_t end_ns = world.now_ns + milliseconds * 1000000;
	struct vbd_response response;

	for (uint32_t i = 0; i < 8; i++)
		read.segment[i].gref = page_of(place, i);
	while (world.now_ns < end_ns) {
		while (ring_front_free(&world.disk[place].queue[0].ring))
			put(place, &read);
		world_settle();
		while (take(place, &response))
			CU_ASSERT_EQUAL(response.status, VBD_STATUS_OKAY);
		world.now_ns += 1000000;
	}
	return world.disk[place].queue[0].ring.rsp_cons - before;
}

static void limits_hold(void)
{
	given_disk(1, 256);
	world.table->attachment[0].blk.read_bytes = (struct driver_rate){ .per_second = 32768 * 500, .burst = 32768 * 10 };
	world.table->changed++;
	CU_ASSERT(labs((long)served_in(2000, 0) - 1010) < 3);
	world.table->attachment[0].blk.read_bytes.per_second = 0;
	world.table->attachment[0].blk.total_requests = (struct driver_rate){ .per_second = 100, .burst = 1 };
	world.table->changed++;
	CU_ASSERT(labs((long)served_in(2000, 0) - 200) < 4);
	CU_ASSERT(blk.wake_ns != 0);
}

static void another_ring_has_its_turn_while_one_is_always_full(void)	/* B6 */
{
	struct vbd_request_indirect large = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_READ, .segments = 33, .sector = 0 };
	struct vbd_request small = given_request(VBD_OP_READ, 0, 1);
	uint32_t rounds = 0;

	world_begin(1);
	world_attach(0, 1, 8, 1, 512);
	world_attach(1, 1, 1, 1, 64);
	world_start();
	world_settle();
	for (uint32_t i = 0; i < 64; i++)
		lend(0, i, LENT);
	lend(1, 0, LENT);
	small.segment[0].gref = page_of(1, 0);
	large.gref[0] = page_of(0, 60);
	for (uint32_t i = 0; i < 33; i++)
		((struct vbd_segment *)world_page(page_of(0, 60)))[i] = (struct vbd_segment){ .gref = page_of(0, i), .last_sector = 7 };
	while (ring_front_free(&world.disk[0].queue[0].ring))
		put(0, &large);
	for (uint32_t i = 0; i < 10; i++)
		world_round();
	CU_ASSERT(blk.disk[0]->queue[0].works > 0);
	put(1, &small);
	for (; blk.disk[1]->queue[0].works == 0 && rounds < 10; rounds++)
		world_round();
	CU_ASSERT(rounds < 3);
	world_settle();
	CU_ASSERT_EQUAL(ring_front_look(&world.disk[0].queue[0].ring), 256);
}

static void extents_of_a_request_are_counted(void)		/* B3 */
{
	given_disk(24, 3);
	CU_ASSERT_EQUAL(disk_extents(blk.disk[0], 0, 0), 0);
	for (uint32_t sector = 0; sector < 72; sector++)
		for (uint32_t sectors = 1; sectors <= 72 - sector; sectors++)
			CU_ASSERT_EQUAL(disk_extents(blk.disk[0], sector, sectors), (sector + sectors - 1) / 3 - sector / 3 + 1);
}

/* Fills a ring with reads of so many pages. */
static void given_full_ring(uint32_t place, uint32_t number, uint32_t segments)
{
	struct world_queue *queue = &world.disk[place].queue[number];
	union vbd_slot slot = { .plain = given_request(VBD_OP_READ, 0, segments) };

	for (uint32_t i = 0; i < segments; i++) {
		slot.plain.segment[i].gref = page_of(place, i);
		lend(place, i, LENT);
	}
	while (ring_front_free(&queue->ring))
		ring_front_put(&queue->ring, &slot, VBD_SLOT);
	if (ring_front_push(&queue->ring))
		world_kick(queue);
}

static uint32_t answered(uint32_t place, uint32_t number) { return world.disk[place].queue[number].ring.shared->rsp_prod; }

static void one_completes(void)
{
	if (world.flying_count)
		world_complete(world_below(world.flying_count), 0);
	world_round();
}

/* One completion a round: how many there are until the ring has works, or a hundred. */
static uint32_t rounds_until_taken(const struct queue *queue)
{
	uint32_t rounds = 0;

	for (; !queue->works && rounds < 100; rounds++)
		one_completes();
	return rounds;
}

#define SEGMENTS_PAGE	200u		/* of the guest of disk 1: what its large request says */

/* Disk 0 has three full rings; disk 1 is to be asked for 256 runs of a sector. */
static void given_full_rings_and_pool(uint32_t pages)
{
	world_begin(1);
	world_attach(0, 3, 8, 1, 512);
	world_attach(1, 1, 8, 1, 512);
	world_start();
	world_settle();
	while (buffer_free_count() > pages)
		buffer_alloc();
	for (uint32_t number = 0; number < 3; number++)
		given_full_ring(0, number, VBD_SEGMENTS);
	for (uint32_t i = 0; i < 10; i++)
		world_round();
	CU_ASSERT(buffer_free_count() < DRIVER_SEGMENTS_MAX);
}

static void given_three_full_rings(void) { given_full_rings_and_pool(WORLD_POOL_PAGES); }

static void given_large_request(void)
{
	struct vbd_request_indirect large = { .operation = VBD_OP_INDIRECT, .inner = VBD_OP_READ, .segments = DRIVER_SEGMENTS_MAX };

	lend(1, 0, LENT);
	lend(1, SEGMENTS_PAGE, LENT);
	large.gref[0] = page_of(1, SEGMENTS_PAGE);
	for (uint32_t i = 0; i < DRIVER_SEGMENTS_MAX; i++)
		((struct vbd_segment *)world_page(page_of(1, SEGMENTS_PAGE)))[i] = (struct vbd_segment){ .gref = page_of(1, 0) };
	put(1, &large);
}

static void large_request_has_its_turn_beside_full_rings(void)	/* B6 */
{
	given_three_full_rings();
	given_large_request();
	CU_ASSERT(rounds_until_taken(&blk.disk[1]->queue[0]) < 40);
	CU_ASSERT_PTR_NULL(blk.reserve.queue);
	for (uint32_t number = 0; number < 3; number++)
		CU_ASSERT(answered(0, number) < 100);
	world_settle();
	CU_ASSERT_EQUAL(answered(1, 0), 1);
	for (uint32_t number = 0; number < 3; number++)
		CU_ASSERT_EQUAL(answered(0, number), 256);
	CU_ASSERT(blk.free_count == BLK_WORKS && buffer_free_count() == WORLD_POOL_PAGES);
}

/* A request needs as many works as it crosses extents, not as its disk has. */
static void small_request_of_many_extents_has_its_turn_beside_full_rings(void)	/* B6 */
{
	struct vbd_request small = given_request(VBD_OP_READ, 100, 1);

	world_begin(1);
	for (uint32_t place = 0; place < 3; place++)
		world_attach(place, place < 2 ? 4 : 2, 8, 1, 512);
	world_attach(3, 1, 1, 24, 24);
	world_start();
	world_settle();
	for (uint32_t place = 0; place < 3; place++)
		for (uint32_t number = 0; number < (place < 2 ? 4 : 2); number++)
			given_full_ring(place, number, 1);
	for (uint32_t i = 0; i < 10; i++)
		one_completes();
	CU_ASSERT(blk.free_count < 25);
	small.segment[0] = (struct vbd_segment){ .gref = page_of(3, 0) };
	lend(3, 0, LENT);
	put(3, &small);
	CU_ASSERT(rounds_until_taken(&blk.disk[3]->queue[0]) < 5);
	world_settle();
	CU_ASSERT_EQUAL(answered(3, 0), 1);
}

/* What becomes of the ring that most is reserved for, before there is so much. */
static void is_detached(void) { world_detach(1); }
static void is_dropped(void) { world.disk[1].queue[0].ring.shared->req_prod += 1000; }
static void is_malformed(void) { ((struct vbd_segment *)world_page(page_of(1, SEGMENTS_PAGE)))[7].last_sector = 8; }
static void is_limited(void)
{
	struct driver_blk *wanted = &world.table->attachment[1].blk;

	wanted->read_requests = (struct driver_rate){ .per_second = 1, .burst = 1 };
	world.table->changed++;
	world_round();
	blk.disk[1]->limit.bucket[LIMIT_READS].due_ns = world.now_ns + 3600ull * 1000000000;
}

/* It sleeps, and its disk, which has done so many a round, has nothing more to do. */
static void until_it_sleeps(uint32_t completions)
{
	bool moved = true;

	while (moved) {
		for (uint32_t i = 0; i < completions && world.flying_count; i++)
			world_complete(world_below(world.flying_count), 0);
		moved = world_round() | (world.flying_count != 0);
	}
}

static void nobody_waits_for_what_is_reserved_and_not_wanted(void)	/* B6 */
{
	static void (*const fate[])(void) = { is_detached, is_dropped, is_malformed, is_limited };

	for (uint32_t i = 0; i < sizeof(fate) / sizeof(fate[0]); i++)
		for (uint32_t rounds = 1; rounds < 12; rounds++) {
			given_three_full_rings();
			given_large_request();
			for (uint32_t round = 0; round < rounds; round++)
				one_completes();
			CU_ASSERT_PTR_EQUAL(blk.reserve.queue, &blk.disk[1]->queue[0]);
			fate[i]();
			until_it_sleeps(1);
			CU_ASSERT_PTR_NULL(blk.reserve.queue);
			for (uint32_t number = 0; number < 3; number++)
				CU_ASSERT_EQUAL(answered(0, number), 256);
			CU_ASSERT(blk.free_count == BLK_WORKS && buffer_free_count() == WORLD_POOL_PAGES);
			CU_ASSERT_EQUAL(answered(1, 0), fate[i] == is_detached || fate[i] == is_malformed);
		}
}

/* The pool is such that nothing fits beside what is reserved; all that the disk has is done at once, and so nothing will wake it. */
static void nobody_sleeps_for_what_was_reserved(void)		/* B6 */
{
	for (uint32_t rounds = 1; rounds < 12; rounds++) {
		given_full_rings_and_pool(290);
		given_large_request();
		for (uint32_t round = 0; round < rounds; round++)
			one_completes();
		while (world.flying_count)
			world_complete(0, 0);
		is_limited();
		CU_ASSERT_PTR_EQUAL(blk.reserve.queue, &blk.disk[1]->queue[0]);
		until_it_sleeps(WORLD_FLYING);
		for (uint32_t number = 0; number < 3; number++)
			CU_ASSERT_EQUAL(answered(0, number), 256);
	}
}

/* One of its rings waits, another lies; the disk does not end what it has of it. */
static void what_is_reserved_for_a_disk_that_is_dropped_is_free(void)	/* B6 */
{
	uint32_t rounds = 0;

	world_begin(1);
	world_attach(0, 1, 8, 1, 512);
	world_attach(1, 2, 8, 1, 512);
	world_start();
	world_settle();
	given_full_ring(1, 1, 1);
	world_round();
	for (uint32_t io = 1; world.flying_count > 1; io = 1)
		world_complete(io, 0);
	given_full_ring(0, 0, VBD_SEGMENTS);
	world_round();
	for (; blk.reserve.queue != &blk.disk[1]->queue[0] && rounds < 10; rounds++) {
		if (!rounds)
			given_large_request();
		world_round();
	}
	CU_ASSERT(rounds < 10);
	world.disk[1].queue[1].ring.shared->req_prod += 1000;
	world_kick(&world.disk[1].queue[1]);
	for (rounds = 0; rounds < 5; rounds++)
		world_round();
	CU_ASSERT_EQUAL(blk.disk[1]->state, DISK_DROPPED);
	CU_ASSERT(blk.disk[1]->queue[1].works > 0);
	CU_ASSERT_PTR_NULL(blk.reserve.queue);
	world_settle();
	CU_ASSERT_EQUAL(answered(0, 0), 256);
}

/* Several wait for much: each has its turn. */
static void those_that_need_much_have_their_turns(void)		/* B6 */
{
	given_three_full_rings();
	for (uint32_t i = 0; i < 8; i++)
		given_large_request();
	for (uint32_t turns = 0; turns < 8; turns++) {
		uint32_t rounds = 0;

		for (; answered(1, 0) <= turns && rounds < 200; rounds++)
			one_completes();
		CU_ASSERT(rounds < 200);
	}
	world_settle();
	CU_ASSERT_EQUAL(answered(1, 0), 8);
}

/* ---------------------------------------------------------------- deaths */

#define LIVES_DISKS	3u
#define BASE_PAGES	16u			/* of one request: 13 for data, one for its segments */

/* What one ring's front-end has asked and not been answered, by slot. */
struct asking {
	bool is_out;
	uint8_t operation;			/* as it is to be repeated */
	uint64_t id, sector;
	uint32_t segments, sectors, version;
	struct vbd_segment segment[13];
};

static struct asking asking[LIVES_DISKS][BLK_RINGS_MAX][64];
static uint32_t version[LIVES_DISKS][1024], versions;	/* of each of the guest's sectors; as last answered */
static uint8_t busy[LIVES_DISKS][1024];
static bool is_asleep[LIVES_DISKS][BLK_RINGS_MAX], driver_sleeps, is_ending;
static uint64_t asked_count, answered_count, deaths, asides, next_id;

static uint32_t lives_page(uint32_t place, uint32_t number, uint32_t slot)
{
	return ((place * 2 + number) * 64 + slot) * BASE_PAGES;
}

/* What a sector holds: nobody else's bytes, no other version's. */
static void fill(uint8_t *at, uint32_t place, uint64_t sector, uint32_t which)
{
	uint64_t word = ((uint64_t)place << 60 | sector << 32 | which) * 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < 64; i++)
		((uint64_t *)at)[i] = which ? word + i : 0;
}

static bool holds(const uint8_t *at, uint32_t place, uint64_t sector, uint32_t which)
{
	uint8_t wanted[512];

	fill(wanted, place, sector, which);
	return memcmp(at, wanted, 512) == 0;
}

static void lives_fail(const char *what, const struct asking *one)
{
	fprintf(stderr, "after %lu deaths, %lu answers: %s (id %lu, operation %u, sector %lu)\n", deaths, answered_count, what,
		one ? one->id : 0, one ? one->operation : 0, one ? one->sector : 0);
	abort();
}

static void each_sector(const struct asking *one, uint32_t place, void (*act)(uint8_t *, uint32_t, uint64_t, uint32_t, const struct asking *))
{
	uint64_t sector = one->sector;

	for (uint32_t i = 0; i < one->segments; i++)
		for (uint32_t at = one->segment[i].first_sector; at <= one->segment[i].last_sector; at++, sector++)
			act(world_page(one->segment[i].gref) + at * 512, place, sector, one->version, one);
}

static void sector_write(uint8_t *at, uint32_t place, uint64_t sector, uint32_t which, const struct asking *one)
{
	fill(at, place, sector, which);
}

static void sector_spoil(uint8_t *at, uint32_t place, uint64_t sector, uint32_t which, const struct asking *one)
{
	memset(at, 0xee, 512);
}

static void sector_check(uint8_t *at, uint32_t place, uint64_t sector, uint32_t which, const struct asking *one)
{
	if (!holds(at, place, sector, version[place][sector]))
		lives_fail("a read brought something else", one);
}

static void sector_written(uint8_t *at, uint32_t place, uint64_t sector, uint32_t which, const struct asking *one)
{
	version[place][sector] = which;
}

/* Sectors that no other request is about. False: there are none just now. */
static bool sectors_take(uint32_t place, struct asking *one, uint32_t total)
{
	one->sectors = one->sectors < total ? one->sectors : total;
	one->sector = world_below(total - one->sectors + 1);
	for (uint32_t i = 0; i < one->sectors; i++)
		if (busy[place][one->sector + i])
			return false;
	memset(&busy[place][one->sector], 1, one->sectors);
	return true;
}

static uint32_t disk_total(uint32_t place)
{
	const struct driver_blk *wanted = &world.disk[place].record.blk;

	return (uint32_t)(wanted->extent_count * wanted->extent[0].count);
}

static bool ask_data(uint32_t place, struct asking *one, uint32_t base, uint32_t most)
{
	one->segments = 1 + world_below(most);
	for (uint32_t i = 0; i < one->segments; i++) {
		uint8_t first = (uint8_t)world_below(8), last = (uint8_t)(first + world_below(8u - first));

		one->segment[i] = (struct vbd_segment){ .gref = base + i, .first_sector = first, .last_sector = last };
		one->sectors += last - first + 1u;
		world.lent[base + i] = one->operation == VBD_OP_READ ? LENT : LENT_READONLY;
		world.lent_to_disk[base + i] = (uint16_t)place;
	}
	if (one->sectors > disk_total(place) || !sectors_take(place, one, disk_total(place)))
		return false;
	one->version = ++versions;
	each_sector(one, place, one->operation == VBD_OP_READ ? sector_spoil : sector_write);
	return true;
}

static void ask_put(uint32_t place, uint32_t number, struct asking *one, bool is_indirect, uint32_t base)
{
	struct world_queue *queue = &world.disk[place].queue[number];
	union vbd_slot slot = { .plain = { .operation = one->operation, .segments = (uint8_t)one->segments, .id = one->id, .sector = one->sector } };

	if (one->operation == VBD_OP_DISCARD) {
		slot.discard.flags = 0;
		slot.discard.sectors = one->sectors;
	} else if (is_indirect) {
		slot = (union vbd_slot){ .indirect = { .operation = VBD_OP_INDIRECT, .inner = one->operation, .id = one->id, .sector = one->sector,
						       .segments = (uint16_t)one->segments, .gref = { base + 14 } } };
		memcpy(world_page(base + 14), one->segment, sizeof(one->segment));
		world.lent[base + 14] = LENT_READONLY;
		world.lent_to_disk[base + 14] = (uint16_t)place;
	} else {
		memcpy(slot.plain.segment, one->segment, sizeof(slot.plain.segment));
	}
	ring_front_put(&queue->ring, &slot, VBD_SLOT);
	one->is_out = true;
	asked_count++;
}

static void ask(uint32_t place, uint32_t number)
{
	static const uint8_t operations[] = { VBD_OP_READ, VBD_OP_READ, VBD_OP_WRITE, VBD_OP_WRITE, VBD_OP_WRITE, VBD_OP_FLUSH,
					      VBD_OP_BARRIER, VBD_OP_DISCARD };
	struct world_queue *queue = &world.disk[place].queue[number];
	uint32_t slot = queue->ring.req_put & (queue->ring.slots - 1), base = lives_page(place, number, slot);
	struct asking *one = &asking[place][number][slot];
	bool is_indirect = world_chance(4);

	*one = (struct asking){ .operation = operations[world_below(8)], .id = ++next_id };
	is_indirect &= one->operation <= VBD_OP_WRITE;
	if (one->operation == VBD_OP_DISCARD) {
		one->sectors = 1 + world_below(40);
		if (!sectors_take(place, one, disk_total(place)))
			return;
	} else if (one->operation != VBD_OP_FLUSH && !ask_data(place, one, base, is_indirect ? 13 : world_chance(3) ? 11 : 2)) {
		return;
	}
	ask_put(place, number, one, is_indirect, base);
}

static void forget(uint32_t place, uint32_t number, uint32_t slot, struct asking *one)
{
	memset(&world.lent[lives_page(place, number, slot)], LENT_NOT, BASE_PAGES);
	memset(&busy[place][one->sector], 0, one->sectors);
	one->is_out = false;
	answered_count++;
}

static void answer_check(uint32_t place, uint32_t number)
{
	struct world_queue *queue = &world.disk[place].queue[number];
	uint32_t slot = (queue->ring.rsp_cons - 1) & (queue->ring.slots - 1);
	struct asking *one = &asking[place][number][slot];
	struct vbd_response response;

	memcpy(&response, ring_slot(queue->ring.shared, queue->ring.slots, VBD_SLOT, slot), sizeof(response));
	if (!one->is_out || response.id != one->id || response.operation != one->operation)
		lives_fail("an answer to something else", one);
	if (response.status != VBD_STATUS_OKAY)
		lives_fail("an error", one);
	if (one->operation == VBD_OP_READ)
		each_sector(one, place, sector_check);
	else if (one->operation == VBD_OP_DISCARD)
		memset(&version[place][one->sector], 0, one->sectors * sizeof(version[0][0]));
	else
		each_sector(one, place, sector_written);
	forget(place, number, slot, one);
}

/* An honest front-end: it sleeps when there is nothing to fetch, and only an event wakes it (L4). */
static void fetch(uint32_t place, uint32_t number)
{
	struct world_queue *queue = &world.disk[place].queue[number];
	struct vbd_response response;
	int got;

	if (queue->is_kicked)
		is_asleep[place][number] = queue->is_kicked = false;
	if (is_asleep[place][number])
		return;
	while ((got = ring_front_take(&queue->ring, &response, sizeof(response))) == 1)
		answer_check(place, number);
	if (got < 0)
		lives_fail("rsp_prod is wrong", NULL);
	is_asleep[place][number] = ring_front_sleep(&queue->ring, 1) == 0;
}

static void act(void)
{
	uint32_t place = world_below(LIVES_DISKS), number = world_below(world.disk[place].record.queue_count);
	struct world_queue *queue = &world.disk[place].queue[number];

	switch (world_below(4)) {
	case 0:
		for (uint32_t i = world_below(6); i && !is_ending && ring_front_free(&queue->ring); i--)
			ask(place, number);
		if (ring_front_push(&queue->ring))
			world_kick(queue);
		break;
	case 1:
		fetch(place, number);
		break;
	default:
		if (world.flying_count)
			world_complete(world_below(world.flying_count), 0);
	}
}

static void act_between_steps(void)
{
	if (world_chance(16))
		act();
}

static bool driver_is_woken(void)
{
	for (uint32_t port = 0; port < 64; port++)
		if (world.pending[port])
			return true;
	return world.has_interrupted;
}

/* Random deaths will strike twice at one request. */
static void release_those_aside(void)
{
	for (uint32_t place = 0; place < LIVES_DISKS; place++)
		if (world_status(place)->answer == DRIVER_ASIDE && world_status(place)->serial == world.disk[place].record.serial) {
			world_serve_again(place);
			driver_sleeps = false;
			asides++;
		}
}

static bool all_is_answered(void) { return asked_count == answered_count; }

/* Nothing is under way but what sleeps: who has requests then sleeps for ever. */
static void lives_end(void)
{
	uint32_t idle = 0;

	is_ending = true;
	while (!all_is_answered()) {
		bool moved = false;

		release_those_aside();
		if (!driver_sleeps || driver_is_woken()) {
			driver_sleeps = !world_round();
			moved = true;
		}
		if (world.flying_count) {
			world_complete(world_below(world.flying_count), 0);
			moved = true;
		}
		for (uint32_t place = 0; place < LIVES_DISKS; place++)
			for (uint32_t number = 0; number < world.disk[place].record.queue_count; number++)
				fetch(place, number);
		idle = moved ? 0 : idle + 1;
		if (idle > 4)
			lives_fail("L4: somebody sleeps and is not woken", NULL);
	}
}

static void lives_begin(uint64_t seed)
{
	world_begin(seed);
	memset(asking, 0, sizeof(asking));
	memset(version, 0, sizeof(version));
	memset(busy, 0, sizeof(busy));
	memset(is_asleep, 0, sizeof(is_asleep));
	asked_count = answered_count = 0;
	is_ending = driver_sleeps = false;
	world_attach(0, 1, 1, 1, 512);
	world_attach(1, 2, 2, 3, 50);
	world_attach(2, 2, 1, 6, 21);
	world.device.queues = 1;
	world.depth = 4 + world_below(40);
	world.meanwhile = act_between_steps;
}

/* Everything after the longjmp() is in static variables. */
static void lives(uint64_t seed, uint32_t rounds, uint32_t steps_a_life)
{
	static uint32_t left;

	lives_begin(seed);
	left = rounds;
	world.is_mortal = steps_a_life != 0;
	if (setjmp(world.death))
		deaths++;
	world.steps_left = steps_a_life ? world_below(world_chance(4) ? 40 : steps_a_life) : 0;
	if (!left)
		world.is_mortal = false;
	world_start();
	driver_sleeps = false;
	while (left) {
		left--;
		if (world_chance(8))
			release_those_aside();
		act();
		if (!driver_sleeps || driver_is_woken())
			driver_sleeps = !world_round();
	}
	world.is_mortal = false;
	lives_end();
	if (world.missed)
		lives_fail("a copy from or to a page that was not lent", NULL);
	for (uint32_t place = 0; place < LIVES_DISKS; place++)
		for (uint32_t sector = 0; sector < disk_total(place); sector++)
			if (!holds(world.media + 512 * world_device_sector(&world.disk[place], sector), place, sector, version[place][sector]))
				lives_fail("the disk holds something else at the end", NULL);
}

static void honest_work_without_deaths_is_right(void)
{
	for (uint64_t seed = 1; seed < 20; seed++)
		lives(seed, 4000, 0);
	CU_ASSERT(answered_count > 100);
}

/* L1 to L5, L8, L10: each request is answered once, in order, with the right data, wherever the back-end dies. */
static void no_request_is_lost_or_answered_twice_wherever_it_dies(void)
{
	uint64_t wanted = getenv("BLK_DEATHS") ? strtoull(getenv("BLK_DEATHS"), NULL, 10) : 200000, answers = 0;
	int output = dup(1), nothing = open("/dev/null", O_WRONLY);

	/* Each disk that is set aside is a line of the driver's log. */
	fflush(stdout);
	dup2(nothing, 1);
	deaths = asides = 0;
	for (uint64_t seed = 100; deaths < wanted; seed++) {
		lives(seed, 3000, 50 + (uint32_t)(seed % 7) * 60);
		answers += answered_count;
	}
	fflush(stdout);
	dup2(output, 1);
	close(output);
	close(nothing);
	printf("%lu deaths, %lu requests answered, %lu times set aside ... ", deaths, answers, asides);
	CU_ASSERT(answers > deaths / 10);
}

static void damaged_ledger_closes_that_ring_alone(void)		/* L5 */
{
	struct vbd_request write = given_request(VBD_OP_WRITE, 0, 1);
	struct ledger_ring *at;

	given_two_disks();
	CU_ASSERT_EQUAL(asked(&write), VBD_STATUS_OKAY);
	at = (void *)((uint8_t *)driver_domain.ledger + world.disk[0].record.queue[0].ledger[0].offset);
	at->commit ^= 1;
	world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_status(0)->answer, DRIVER_LOST);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(0)->text, "commit"));
	CU_ASSERT_EQUAL(world_status(1)->answer, DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(world.disk[0].queue[0].ring.shared->rsp_prod, 1);
}

int main(void)
{
	CU_pSuite suite;
	unsigned int failures;

	CU_initialize_registry();
	suite = CU_add_suite("blk", NULL, NULL);
#define CASE(function) CU_add_test(suite, #function, function)
	CASE(what_is_written_is_read_again_over_extents);
	CASE(indirect_requests_are_read_and_written);
	CASE(small_segments_harm_no_other_work);
	CASE(small_segments_are_written_and_read_whatever_cuts_them);
	CASE(flush_barrier_and_discard_reach_the_disk);
	CASE(nothing_passes_a_barrier);
	CASE(barrier_whose_flush_fails_writes_nothing);
	CASE(answers_keep_the_rings_order_where_the_disk_does_not);
	CASE(one_batch_is_one_doorbell_and_one_event);
	CASE(what_completes_just_before_it_sleeps_is_not_slept_over);
	CASE(requests_that_did_not_wake_it_are_found_when_the_disk_does);
	CASE(front_end_that_has_more_to_write_may_do_so_first);
	CASE(change_of_the_table_has_all_rings_looked_at);
	CASE(quick_disk_is_waited_for_awake);
	CASE(requests_that_are_wrong_are_answered_and_not_done);
	CASE(grants_that_are_not_there_are_errors_of_one_request);
	CASE(discards_that_are_wrong_are_refused);
	CASE(readonly_disk_is_not_written);
	CASE(disk_of_large_sectors_takes_whole_ones_only);
	CASE(what_the_disk_cannot_do_is_an_error_of_the_request);
	CASE(index_that_jumps_ends_that_front_end_alone);
	CASE(index_that_goes_back_ends_that_front_end);
	CASE(dropped_front_end_can_be_taken_away);
	CASE(disk_is_let_go_when_its_works_have_ended);
	CASE(attachment_that_cannot_be_is_refused_and_leaves_nothing);
	CASE(disk_that_completes_what_it_did_not_have_ends_the_domain);
	CASE(limits_hold);
	CASE(another_ring_has_its_turn_while_one_is_always_full);
	CASE(extents_of_a_request_are_counted);
	CASE(large_request_has_its_turn_beside_full_rings);
	CASE(small_request_of_many_extents_has_its_turn_beside_full_rings);
	CASE(nobody_waits_for_what_is_reserved_and_not_wanted);
	CASE(nobody_sleeps_for_what_was_reserved);
	CASE(what_is_reserved_for_a_disk_that_is_dropped_is_free);
	CASE(those_that_need_much_have_their_turns);
	CASE(damaged_ledger_closes_that_ring_alone);
	CASE(honest_work_without_deaths_is_right);
	CASE(no_request_is_lost_or_answered_twice_wherever_it_dies);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures != 0;
}
