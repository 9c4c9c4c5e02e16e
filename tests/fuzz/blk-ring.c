/* SPDX-License-Identifier: MIT */
/*
 * The block back-end against front-ends that rewrite their rings and take their pages back at any time, a disk that fails, and a back-end
 * that dies: each byte of the input is somebody's deed. blk_world.c looks at every io and every copy (B1, B5); here: nothing is lost on
 * the way (B3), who is honest is served, and when all is taken away nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blk_world.h"
#include "device/pool.h"

#define HOSTILE_DISKS	3u		/* the last place is the honest one's */
#define HONEST		3u

static const uint8_t *at, *end;
static uint32_t honest_asked, honest_answered;
static uint32_t place;			/* of some_queue() */

static uint8_t byte(void) { return at < end ? *at++ : 0; }

static uint32_t word(void)
{
	uint32_t value = byte();

	value |= (uint32_t)byte() << 8;
	return value | (uint32_t)byte() << 16 | (uint32_t)byte() << 24;
}

static void check(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "blk-ring: %s\n", what);
		abort();
	}
}

static struct world_queue *some_queue(void)
{
	uint8_t which = byte();

	place = which % HOSTILE_DISKS;
	return &world.disk[place].queue[(which >> 4) % BLK_RINGS_MAX];
}

/* Bytes of a slot: mostly something that could be a request. */
static void rewrite_slot(struct world_queue *queue)
{
	union vbd_slot *slot = (void *)(queue->pages + sizeof(struct ring_shared) + (byte() % 32u) * VBD_SLOT);

	slot->plain.operation = byte() % 8;
	slot->plain.segments = byte() % 16;
	slot->plain.sector = byte();
	slot->plain.id = byte();
	if (slot->plain.operation == VBD_OP_INDIRECT) {
		slot->indirect.segments = byte() * 2u;
		slot->indirect.gref[0] = place * 4096 + byte() % 16;
	} else {
		for (uint32_t i = 0; i < VBD_SEGMENTS; i++) {
			uint8_t how = byte();

			slot->plain.segment[i] = (struct vbd_segment){ .gref = place * 4096 + how % 16, .first_sector = how >> 7,
								       .last_sector = (how >> 4) % 8 + (how == 255) };
		}
	}
}

static void move_index(struct world_queue *queue)
{
	struct ring_shared *shared = (void *)queue->pages;
	uint8_t how = byte();

	if (how < 240)
		shared->req_prod += how % 8;
	else
		shared->req_prod = word();
}

static void rewrite_anything(struct world_queue *queue)
{
	uint32_t offset = word() % (RING_PAGE - 4);

	memcpy(queue->pages + offset, &(uint32_t){ word() }, 4);
}

static void rewrite_page(void)
{
	uint32_t gref = (byte() % HOSTILE_DISKS) * 4096u + byte() % 16, how = byte();

	world.lent[gref] = how % 3;
	world.lent_to_disk[gref] = (uint16_t)(gref / 4096);
	for (uint32_t i = 0; i < 64; i++)
		((struct vbd_segment *)world_page(gref))[i] =
			(struct vbd_segment){ .gref = gref / 4096 * 4096 + (how + i) % 16, .first_sector = 0, .last_sector = how % 8 };
}

static void honest_look(void)
{
	struct world_queue *queue = &world.disk[HONEST].queue[0];
	struct vbd_response response;

	while (ring_front_take(&queue->ring, &response, sizeof(response)) == 1) {
		check(response.id == honest_answered && response.status == VBD_STATUS_OKAY, "the honest front-end is not served");
		honest_answered++;
	}
}

static void honest_ask(void)
{
	struct world_queue *queue = &world.disk[HONEST].queue[0];
	struct vbd_request request = { .operation = byte() % 2, .segments = 1, .id = honest_asked, .sector = honest_asked % 64 };

	honest_look();
	if (!ring_front_free(&queue->ring))
		return;
	request.segment[0] = (struct vbd_segment){ .gref = HONEST * 4096, .last_sector = 7 };
	ring_front_put(&queue->ring, &request, sizeof(request));
	honest_asked++;
	if (ring_front_push(&queue->ring))
		world_kick(queue);
}

/* To a hostile one's io anything may happen; the honest one's succeeds. */
static void complete_some(void)
{
	uint32_t index = byte(), how = byte();
	bool is_honest;

	if (!world.flying_count)
		return;
	index %= world.flying_count;
	is_honest = ((struct work *)world.flying[index]->cookie)->queue->disk->place == HONEST;
	world_complete(index, is_honest || how < 200 ? 0 : how < 230 ? -XEN_EIO : -XEN_EOPNOTSUPP);
}

static void come_and_go(void)
{
	uint32_t how = byte();

	place = byte() % HOSTILE_DISKS;
	if (world.table->attachment[place].serial) {
		world_detach(place);
	} else if (world_status(place)->answer == DRIVER_DETACHED || !world_status(place)->serial) {
		for (uint32_t i = 0; i < BLK_RINGS_MAX; i++)
			check(!world.disk[place].queue[i].bound, "DETACHED, and a port is still bound");
		world_attach(place, 1 + how % BLK_RINGS_MAX, 1u << (how >> 2) % 4, 1 + (how >> 4) % 4, 64);
	}
}

static void deed(void)
{
	switch (byte() % 12) {
	case 0: case 1: rewrite_slot(some_queue()); break;
	case 2: case 3: move_index(some_queue()); break;
	case 4: rewrite_anything(some_queue()); break;
	case 5: rewrite_page(); break;
	case 6: world_kick(some_queue()); break;
	case 7: complete_some(); break;
	case 8: honest_ask(); break;
	case 9: world.now_ns += word(); break;
	case 10: come_and_go(); break;
	default: world_round();
	}
}

/* Between two steps of the back-end; from inside only what does not call it. */
static void meanwhile(void)
{
	static uint32_t countdown;

	if (countdown--)
		return;
	countdown = byte() % 64;
	switch (byte() % 5) {
	case 0: rewrite_slot(some_queue()); break;
	case 1: move_index(some_queue()); break;
	case 2: rewrite_page(); break;
	case 3: complete_some(); break;
	default: break;
	}
}

static void all_go(void)
{
	world.meanwhile = NULL;
	world.is_mortal = false;
	for (place = 0; place < HOSTILE_DISKS; place++)
		if (world.table->attachment[place].serial)
			world_detach(place);
	world_settle();
	/* Deaths that are dealt may strike twice at one of its requests. */
	if (world_status(HONEST)->answer == DRIVER_ASIDE)
		world_serve_again(HONEST);
	world_settle();
	honest_look();
	check(honest_asked == honest_answered, "the honest front-end was not answered");
	world_detach(HONEST);
	world_settle();
	check(blk.free_count == BLK_WORKS, "a work is lost");
	check(buffer_free_count() == WORLD_POOL_PAGES, "a buffer is lost");
	check(spare_count() == blk.spare_total, "a page is lost");
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++)
		check(!world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX].bound, "a port is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	honest_asked = honest_answered = 0;
	world_begin(1);
	world.depth = 8 + byte() % 56;
	world.is_mortal = true;
	world.meanwhile = meanwhile;
	world_attach(HONEST, 1, 1, 2, 64);
	world.lent[HONEST * 4096] = LENT;
	world.lent_to_disk[HONEST * 4096] = HONEST;
	for (place = 0; place < HOSTILE_DISKS; place++) {
		uint8_t how = byte();

		world_attach(place, 1 + how % BLK_RINGS_MAX, 1u << (how >> 2) % 4, 1 + (how >> 4) % 4, 64);
	}
	if (setjmp(world.death) && at == end)
		world.is_mortal = false;
	world.steps_left = 64u * byte() + byte();
	world_start();
	while (at < end)
		deed();
	all_go();
	return 0;
}
