/* SPDX-License-Identifier: MIT */
/*
 * The block back-end against front-ends that rewrite their rings and take their pages back at any time, a disk that fails, and a back-end
 * that dies: each byte of the input is somebody's deed. blk_world.c looks at every io and every copy (B1, B5); here: nothing is lost on
 * the way (B3), who is honest is served, and when all is taken away nothing is left.
 */
#include <string.h>

#include "bytes.h"
#include "blk_world.h"
#include "device/pool.h"

#define HOSTILE_DISKS	3u		/* the last place is the honest one's */
#define HONEST		3u

static uint32_t honest_asked, honest_answered;
static uint32_t place;			/* of some_queue() */

static struct world_queue *some_queue(void)
{
	uint8_t which = take8();

	place = which % HOSTILE_DISKS;
	return &world.disk[place].queue[(which >> 4) % BLK_RINGS_MAX];
}

/* Bytes of a slot: mostly something that could be a request. */
static void rewrite_slot(struct world_queue *queue)
{
	union vbd_slot *slot = (void *)(queue->pages + sizeof(struct ring_shared) + (take8() % 32u) * VBD_SLOT);

	slot->plain.operation = take8() % 8;
	slot->plain.segments = take8() % 16;
	slot->plain.sector = take8();
	slot->plain.id = take8();
	if (slot->plain.operation == VBD_OP_INDIRECT) {
		slot->indirect.segments = take8() * 2u;
		slot->indirect.gref[0] = place * 4096 + take8() % 16;
	} else {
		for (uint32_t i = 0; i < VBD_SEGMENTS; i++) {
			uint8_t how = take8();

			slot->plain.segment[i] = (struct vbd_segment){ .gref = place * 4096 + how % 16, .first_sector = how >> 7,
								       .last_sector = (how >> 4) % 8 + (how == 255) };
		}
	}
}

static void move_index(struct world_queue *queue)
{
	struct ring_shared *shared = (void *)queue->pages;
	uint8_t how = take8();

	if (how < 240)
		shared->req_prod += how % 8;
	else
		shared->req_prod = take32();
}

static void rewrite_anything(struct world_queue *queue)
{
	uint32_t offset = take32() % (RING_PAGE - 4);

	memcpy(queue->pages + offset, &(uint32_t){ take32() }, 4);
}

static void rewrite_page(void)
{
	uint32_t gref = (take8() % HOSTILE_DISKS) * 4096u + take8() % 16, how = take8();

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
		must(response.id == honest_answered && response.status == VBD_STATUS_OKAY, "the honest front-end is not served");
		honest_answered++;
	}
}

static void honest_ask(void)
{
	struct world_queue *queue = &world.disk[HONEST].queue[0];
	struct vbd_request request = { .operation = take8() % 2, .segments = 1, .id = honest_asked, .sector = honest_asked % 64 };

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
	uint32_t index = take8(), how = take8();
	bool is_honest;

	if (!world.flying_count)
		return;
	index %= world.flying_count;
	is_honest = ((struct work *)world.flying[index]->cookie)->queue->disk->place == HONEST;
	world_complete(index, is_honest || how < 200 ? 0 : how < 230 ? -XEN_EIO : -XEN_EOPNOTSUPP);
}

static void come_and_go(void)
{
	uint32_t how = take8();

	place = take8() % HOSTILE_DISKS;
	if (world.table->attachment[place].serial) {
		world_detach(place);
	} else if (world_status(place)->answer == DRIVER_DETACHED || !world_status(place)->serial) {
		for (uint32_t i = 0; i < BLK_RINGS_MAX; i++)
			must(!world.disk[place].queue[i].bound, "DETACHED, and a port is still bound");
		world_attach(place, 1 + how % BLK_RINGS_MAX, 1u << (how >> 2) % 4, 1 + (how >> 4) % 4, 64);
	}
}

static void deed(void)
{
	switch (take8() % 12) {
	case 0: case 1: rewrite_slot(some_queue()); break;
	case 2: case 3: move_index(some_queue()); break;
	case 4: rewrite_anything(some_queue()); break;
	case 5: rewrite_page(); break;
	case 6: world_kick(some_queue()); break;
	case 7: complete_some(); break;
	case 8: honest_ask(); break;
	case 9: world.now_ns += take32(); break;
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
	countdown = take8() % 64;
	switch (take8() % 5) {
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
	must(honest_asked == honest_answered, "the honest front-end was not answered");
	world_detach(HONEST);
	world_settle();
	must(blk.free_count == BLK_WORKS, "a work is lost");
	must(buffer_free_count() == WORLD_POOL_PAGES, "a buffer is lost");
	must(spare_count() == blk.spare_total, "a page is lost");
	for (uint32_t i = 0; i < WORLD_DISKS * BLK_RINGS_MAX; i++)
		must(!world.disk[i / BLK_RINGS_MAX].queue[i % BLK_RINGS_MAX].bound, "a port is left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	honest_asked = honest_answered = 0;
	world_begin(1);
	world.depth = 8 + take8() % 56;
	world.is_mortal = true;
	world.meanwhile = meanwhile;
	world_attach(HONEST, 1, 1, 2, 64);
	world.lent[HONEST * 4096] = LENT;
	world.lent_to_disk[HONEST * 4096] = HONEST;
	for (place = 0; place < HOSTILE_DISKS; place++) {
		uint8_t how = take8();

		world_attach(place, 1 + how % BLK_RINGS_MAX, 1u << (how >> 2) % 4, 1 + (how >> 4) % 4, 64);
	}
	if (setjmp(world.death) && at == end)
		world.is_mortal = false;
	world.steps_left = 64u * take8() + take8();
	world_start();
	while (at < end)
		deed();
	all_go();
	return 0;
}
