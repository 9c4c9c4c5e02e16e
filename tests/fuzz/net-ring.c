/* SPDX-License-Identifier: MIT */
/*
 * The network back-end against two front-ends that rewrite their rings, pages and grants at any time, a card that claims anything of
 * what it received, and deaths: each byte of the input is somebody's deed. Two honest front-ends go on all the while: what they send each other arrives as
 * it was sent, and is answered. In the end all is taken away, and no packet and no buffer is missing.
 */
#include <string.h>

#include "bytes.h"
#include "device/pool.h"
#include "net_guests.h"

#define HONEST	2u
#define PAGES	16u

static uint8_t *page[WORLD_GUESTS][PAGES];
static uint32_t gref[WORLD_GUESTS][PAGES];

static uint32_t hostile(uint8_t which) { return HONEST + which % (WORLD_GUESTS - HONEST); }

static void bytes(void *to, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		((uint8_t *)to)[i] = take8();
}

/* Something that may be a frame, to somebody who may be there. */
static void frame_write(uint8_t *to, uint32_t room)
{
	static const uint16_t types[] = { 0x0800, 0x86dd, 0x0806, 0x8100, 0x88b5 };
	uint32_t count = take8() % 96u;

	memcpy(to, (uint8_t[]){ take8() & 3, 0, 0, 0, 0, take8() % 7, 2, 0, 0, 0, 0, take8() % 7 }, 12);
	put16(to + 12, types[take8() % 5]);
	bytes(to + 14, count < room - 14 ? count : room - 14);
	if (take8() & 1) {
		to[14] = to[12] == 8 ? 0x45 : 0x60;
		to[to[12] == 8 ? 23 : 20] = take8() & 1 ? 6 : 58;
		to[to[12] == 8 ? 46 : 66] = 0x50;
	}
}

/* One of a guest's queues. */
static uint32_t any_queue(uint32_t number)
{
	return world.guest[number].queues > 1 ? take8() % world.guest[number].queues : 0;
}

static void transmits(uint32_t number)
{
	uint32_t which = any_queue(number);
	struct world_queue *queue = &world.guest[number].queue[which];
	struct ring_shared *ring = (void *)queue->tx_page;
	uint32_t count = 1 + take8() % 4u;

	for (uint32_t i = 0; i < count; i++) {
		struct vif_tx_request *slot = ring_slot(ring, VIF_RING_SLOTS, VIF_TX_SLOT, ring->req_prod + i);

		slot->gref = gref[number][take8() % PAGES];
		slot->offset = take8() & 1 ? 0 : take16();
		slot->size = take8() & 1 ? take8() * 32u : take16();
		slot->flags = take8() % 16u;
		slot->id = take8();
	}
	ring->req_prod += count;
	world_kick(number, which);
}

static void lends(uint32_t number)
{
	uint32_t which = any_queue(number);
	struct world_queue *queue = &world.guest[number].queue[which];
	struct ring_shared *ring = (void *)queue->rx_page;

	for (uint32_t count = take8() % 40u; count > 0; count--) {
		struct vif_rx_request *slot = ring_slot(ring, VIF_RING_SLOTS, VIF_RX_SLOT, ring->req_prod);

		slot->id = take8();
		slot->gref = gref[number][take8() % PAGES];
		ring->req_prod++;
	}
	world_kick(number, which);
}

static void regrants(uint32_t number)
{
	uint32_t which = take8() % PAGES;

	if (gref[number][which])
		world_withdraw(number, gref[number][which]);
	gref[number][which] = take8() & 3 ? world_lend(number, page[number][which], take8() & 1) : 0;
}

/* Segments to be joined, with headers of which some are wrong. The length of TCP's own says where the payload begins: that one is left. */
static void card_streams(void)
{
	uint32_t count = world.arriving_count;

	wire_stream(take8() % WORLD_GUESTS, 80 + take8() * 8u, 1 + take8() % 4u);
	for (; count < world.arriving_count && take8() & 1; count++) {
		uint32_t at = 14 + take8() % 40u;

		if (at != 46)
			world.arriving[(world.arriving_first + count) % 16].bytes[at] ^= (uint8_t)(1u << take8() % 8);
	}
}

static void card_claims(void)
{
	struct world_frame *frame = world_card_receives();

	if (!frame)
		return;
	frame->length = take8() & 1 ? 60 + take8() * 4u : 14 + take16() % 65500u;
	memset(frame->bytes, 0, frame->length);		/* an earlier one's record would be taken for its own */
	frame_write(frame->bytes, frame->length);
	frame->flags = take8() & 3;
	frame->gso = take8() % 3;
	frame->gso_bytes = take16();
	frame->csum_start = take16();
	frame->csum_offset = take16();
	frame->header_bytes = take16();
}

static void table_changes(uint32_t number)
{
	struct driver_attachment *record = &world.table->attachment[number];

	record->flags = DRIVER_NET_LINK_UP | take16();
	record->net.vlan_count = take8() % 20u;
	record->net.vlan[take8() % DRIVER_VLANS_MAX] = take8() % 3u;
	record->net.native_vlan = take8() % 3u;
	record->net.address_count = take8() % 20u;
	record->net.from_guest.per_second = take8() & 1 ? take8() * 1000u : 0;
	record->net.to_guest.per_second = take8() & 1 ? take8() * 1000u : 0;
	record->net.to_guest_peak.per_second = record->net.to_guest.per_second * 2;
	attach_obey();
}

static void comes_anew(uint32_t number)
{
	struct driver_attachment *record = &world.table->attachment[number];

	world_detach(number);
	for (uint32_t i = 0; i < 64 && !attach_obey(); i++) {
		world_card_completes(WORLD_FLYING);
		world_round();
	}
	if (world_status(number)->answer != DRIVER_DETACHED)
		return;
	for (uint32_t which = 0; which < world.guest[number].queues; which++) {
		world_withdraw(number, record->queue[which].ring_ref[0]);
		world_withdraw(number, record->queue[which].ring_ref[1]);
	}
	world_attach(number, 1 + take8() % WORLD_QUEUES);
	attach_obey();
}

static void scribbles(uint32_t number)
{
	const struct world_queue *queue = &world.guest[number].queue[any_queue(number)];

	switch (take8() % 4) {
	case 0:
		page[number][take8() % PAGES][take16() % 4096] = take8();
		break;
	case 1:
		frame_write(page[number][take8() % PAGES], 4096);
		break;
	case 2:
		bytes(queue->tx_page + take16() % 4000, take8() % 16u);
		break;
	default:
		bytes(queue->rx_page + take16() % 4000, take8() % 16u);
	}
}

/* Between two steps of the back-end. */
static void meanwhile(void)
{
	if ((world.steps & 31) == 0 && at < end)
		scribbles(hostile(take8()));
}

static void honest_act(void)
{
	for (uint32_t number = 0; number < HONEST; number++) {
		guest_look(number);
		guest_send(number, 1 - number, 80 + take8() * 8u, 1 + take8() % 3u, take8() & 1);
	}
}

static void deed(uint8_t what)
{
	uint32_t number = hostile(what >> 4);

	switch (what & 15) {
	case 0: case 1: transmits(number); break;
	case 2: lends(number); break;
	case 3: regrants(number); break;
	case 4: scribbles(number); break;
	case 5: card_claims(); break;
	case 6: world_card_completes(1 + take8() % 8u); break;
	case 7: world.now_ns += (uint64_t)take8() << 20; break;
	case 8: table_changes(number); break;
	case 9: comes_anew(number); break;
	case 10: world_back_end(); break;
	case 11: honest_act(); break;
	case 12: card_streams(); break;
	default: world_round();
	}
}

/* Everything is taken away, with a card that does its work. */
static void all_ends(void)
{
	world.meanwhile = NULL;
	for (uint32_t number = HONEST; number < WORLD_GUESTS; number++)
		world_detach(number);
	for (uint32_t i = 0; i < 2000 && guest_owed(0) + guest_owed(1); i++) {
		attach_obey();
		world_round();
		world.now_ns += 1000000;
		world_card_completes(WORLD_FLYING);
		for (uint32_t number = 0; number < HONEST; number++)
			guest_look(number);
	}
	must(guest_owed(0) + guest_owed(1) == 0, "an honest request has no answer");
	must(guests.wrong == 0, guests.first_wrong);
	for (uint32_t number = 0; number < HONEST; number++)
		world_detach(number);
	for (uint32_t i = 0; i < 200; i++) {
		attach_obey();
		world_card_completes(WORLD_FLYING);
		world_round();
	}
	must(net.free_count == PACKETS, "a packet is missing");
	must(buffer_free_count() + world.buffer_count == WORLD_POOL, "a buffer is missing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	world_begin(1, WORLD_GUESTS, 1 + take8() % WORLD_QUEUES, take8() & 1);
	world.device.does_csum = world.device.does_tso = take8() & 1;
	guests_honest = HONEST;
	guests_begin();
	guests.has_strangers = true;
	for (uint32_t number = HONEST; number < WORLD_GUESTS; number++)
		for (uint32_t i = 0; i < PAGES; i++) {
			page[number][i] = world_page();
			gref[number][i] = world_lend(number, page[number][i], false);
		}
	world_back_end();
	world.meanwhile = meanwhile;
	while (at < end)
		deed(take8());
	all_ends();
	world_end();
	return 0;
}
