/* SPDX-License-Identifier: MIT */
/*
 * The back-end dies between any two steps, again and again, while honest front-ends send to each other, to the wire and to all. Each time a
 * successor takes over. Every slot is answered once and in order, no answered packet is lost, no packet arrives in halves, nobody sleeps for ever. What
 * the card has received is delivered, and what was answered before the card had it is sent, but for frames at work on which two back-ends have died. A port that is set aside gets nothing until it is
 * served again, and nobody else is excused. In half of the worlds each front-end has two queues.
 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "device/pool.h"
#include "net_guests.h"

#define GUESTS 3u
#define UPLOAD 6u			/* the seed of a world of uploads, whose card leaves all of it to the back-end */
#define ROUNDS_MAX 20000u		/* of one life: no life is so long */

static bool is_upload;

/* Nothing but large packets to the wire: what a successor answers first is one of them. */
static void guests_upload(uint32_t often)
{
	for (uint32_t number = 0; number < GUESTS; number++) {
		guest_look(number);
		if (world_chance(often))
			guest_send(number, TO_WIRE, 20000 + world_below(40000), 6 + world_below(VIF_PACKET_SLOTS - 5), true);
	}
}

static void guests_act(uint32_t often)
{
	if (is_upload) {
		guests_upload(often);
		return;
	}
	if (world_chance(often * 2))
		wire_send(world_chance(4) ? TO_ALL : world_below(GUESTS), 80 + world_below(1400), false);
	if (world_chance(often * 8))
		wire_send(world_below(GUESTS), 80 + world_below(60000), true);
	if (world_chance(often * 4))
		wire_stream(world_below(GUESTS), 80 + world_below(1400), 1 + world_below(8));
	for (uint32_t number = 0; number < GUESTS; number++) {
		guest_look(number);
		if (!world_chance(often))
			continue;
		uint32_t to = world_below(GUESTS + 2), slots = world_chance(3) ? 1 + world_below(VIF_PACKET_SLOTS) : 1;

		if (to == number)
			continue;
		/* Few are for all: each is a packet for each of them, and what finds none left is dropped. */
		to = to < GUESTS ? to : to == GUESTS + 1 && world_chance(3) ? TO_ALL : TO_WIRE;
		guest_send(number, to, 80 + world_below(slots > 1 ? 64000 : 1400), slots, slots > 1);
	}
}

static void others_act(void)
{
	static bool is_inside;

	if (is_inside || !world_chance(40))
		return;
	is_inside = true;
	guests_act(2);
	if (world_chance(2))
		world_card_completes(1 + world_below(4));
	is_inside = false;
}

static uint32_t released;		/* of one world */

/* Two deaths in a row at one packet, by chance: Dom0 has the port served again. */
static uint32_t aside_released(void)
{
	uint32_t count = 0;

	for (uint32_t number = 0; number < GUESTS; number++)
		if (guest_is_aside(number)) {
			guest_release(number);
			count++;
		}
	if (count)
		attach_obey();
	return count;
}

static void all_is_said(void)
{
	uint32_t owed;

	world.is_mortal = false;
	world.meanwhile = NULL;
	world_back_end();
	for (unsigned int rounds = 0; rounds < 1000; rounds++) {
		world_run();
		aside_released();
		world_card_completes(WORLD_FLYING);
		owed = 0;
		for (uint32_t number = 0; number < GUESTS; number++) {
			if (!world.flying_count)
				CU_ASSERT_FALSE(guest_sleeps_for_ever(number));
			guest_look(number);
			owed += guest_owed(number);
		}
		if (!owed && !world.flying_count)
			return;
	}
	CU_FAIL("requests are left without an answer");
}

static uint32_t queues_of(uint64_t seed) { return 1 + seed / 2 % WORLD_QUEUES; }

/* Nothing here is kept in a register over the death: longjmp() would lose it. */
static uint32_t many_deaths(uint64_t seed, uint32_t deaths, uint32_t life)
{
	volatile uint32_t died = 0;

	world_begin(seed, GUESTS, queues_of(seed), true);
	/* Every third card leaves all of it to the back-end. */
	world.device.does_csum = world.device.does_tso = seed % 3 != 0;
	guests_begin();
	is_upload = seed == UPLOAD;
	world.meanwhile = others_act;
	world.is_mortal = world.is_gradual = true;
	while (died < deaths) {
		world.steps_left = world_below(life);
		if (setjmp(world.death)) {
			died++;
			world_card_completes(world_below(3));
			continue;
		}
		world_back_end();
		for (unsigned int rounds = 0;; rounds++) {
			released += aside_released();
			if (rounds == ROUNDS_MAX) {
				CU_FAIL("a back-end does nothing any more");
				return died;
			}
			guests_act(1);
			if (world_chance(2))
				world_card_completes(1 + world_below(8));
			world_round();
			world.now_ns += 20000;
		}
	}
	all_is_said();
	return died;
}

static void a_death_between_any_two_steps_loses_nothing_and_answers_nothing_twice(void)
{
	uint32_t deaths = getenv("DEATHS") ? (uint32_t)atoi(getenv("DEATHS")) : 6000, sent = 0, frames = 0, joined = 0, cut = 0, blamed = 0, released_all = 0, promised = 0;

	for (uint64_t seed = 1; seed <= 8; seed++) {
		many_deaths(seed, deaths / 8, seed % 2 ? 600 : 4000 * queues_of(seed));
		CU_ASSERT_EQUAL(guests.wrong, 0);
		CU_ASSERT_EQUAL(guests.errors, 0);
		CU_ASSERT_EQUAL(guests.answered, guests.sent);
		CU_ASSERT_TRUE(guests.received >= guests.sent);
		if (guests.wrong)
			CU_FAIL(guests.first_wrong);
		CU_ASSERT_EQUAL(guests.lost, 0);
		promise_settle();
		CU_ASSERT_TRUE(wire_lost() + guests.broken <= net.scratch->arrivals_blamed);
		released_all += released;
		released = 0;
		frames += guests.wire_sent;
		joined += guests.joined;
		cut += guests.segments;
		blamed += net.scratch->arrivals_blamed;
		sent += guests.sent;
		promised += guests.promised;
		world_end();
	}
	CU_ASSERT_TRUE(joined > frames / 20);
	CU_ASSERT_TRUE(cut > deaths);
	CU_ASSERT_TRUE(promised > deaths / 30);
	printf(" %u deaths, %u packets, %u frames from the wire, %u of them joined, %u segments to it, %u answered before, %u blamed, %u ports released ", deaths, sent,
	       frames, joined, cut, promised, blamed, released_all);
}

/* ---- a guest's bytes where a frame was ---- */

#define A		0u
#define B		1u
#define BATCH		64u		/* frames from the card in one round */
#define FRAME_BYTES	300u

static uint32_t to_come, free_before;
static bool lacks_packets;

/* For nobody: it stays on its link. The last has no packet, if they are to lack. */
static void frames_come(void)
{
	struct world_frame *frame;
	bool is_last = !to_come && !world.arriving_count && world.taken.segment_count;

	while (to_come && (frame = world_card_receives())) {
		*frame = (struct world_frame){ .length = FRAME_BYTES, .bytes = { 1, 0x80, 0xc2, 0, 0, 0, 6 } };
		to_come--;
	}
	if (lacks_packets && is_last && !free_before) {
		free_before = net.free_count;
		net.free_count = 0;
	} else if (free_before && !net.free_count) {
		net.free_count = free_before;
	}
}

static void given_receive_buffers(uint32_t number, uint32_t count)
{
	struct world_queue *queue = &world.guest[number].queue[0];

	for (uint32_t i = 0; i < count; i++) {
		struct vif_rx_request request = { .id = (uint16_t)i, .gref = world_lend(number, world_page(), false) };

		ring_front_put(&queue->rx, &request, sizeof(request));
	}
	ring_front_push(&queue->rx);
	world_kick(number, 0);
}

/* It goes to the wire. Where a frame's header is in front, what is behind that would be a frame for B. */
static void given_a_packet_that_looks_like_a_frame(void)
{
	struct world_queue *queue = &world.guest[A].queue[0];
	uint8_t *page = memset(world_page(), 0x5e, 4096);
	struct vif_tx_request request = { .size = FRAME_BYTES + 100 };

	memcpy(page, (uint8_t[]){ 2, 0, 0, 0, 0, 99, 2, 0, 0, 0, 0, A + 1, 2, 0, 0, 0, 0, B + 1, 2, 9, 9, 9, 9, 9, 0x88, 0xb5 }, 26);
	request.gref = world_lend(A, page, true);
	ring_front_put(&queue->tx, &request, sizeof(request));
	ring_front_push(&queue->tx);
	world_kick(A, 0);
}

/* The card gets no more buffers, and the last of exactly one batch of frames has no record. */
static void given_a_batch_from_the_card(void)
{
	world_begin(5, 2, 1, true);
	world_back_end();
	given_receive_buffers(B, 8);
	world_run();
	while (buffer_free_count() > WORLD_POOL / 4 - 8)
		buffer_alloc();
	if (!lacks_packets)
		net.scratch->is_arrived[(net.scratch->arrival_next + BATCH - 1) % ARRIVALS] = 1;
	to_come = BATCH;
	free_before = 0;
	frames_come();
	given_a_packet_that_looks_like_a_frame();
}

/* False: nobody has died. */
static bool dies_at(uint64_t steps)
{
	volatile bool is_dead = true;

	given_a_batch_from_the_card();
	world.meanwhile = frames_come;
	world.steps_left = steps;
	world.is_mortal = true;
	if (!setjmp(world.death)) {
		world_round();
		is_dead = false;
	}
	world.is_mortal = false;
	world.meanwhile = NULL;
	CU_ASSERT_EQUAL(!is_dead && lacks_packets, !is_dead && free_before);
	world_back_end();
	world_run();
	return is_dead;
}

static void no_successor_takes_a_guests_bytes_for_a_frame(void)	/* NB5 */
{
	for (unsigned int lacks = 0; lacks < 2; lacks++) {
		bool is_dead = true;
		uint64_t steps;

		lacks_packets = lacks;
		for (steps = 0; is_dead; steps++) {
			is_dead = dies_at(steps);
			CU_ASSERT_EQUAL(ring_front_look(&world.guest[B].queue[0].rx), 0);
			world_end();
		}
		CU_ASSERT_TRUE(steps > 4 * BATCH);
	}
}

int main(void)
{
	CU_pSuite suite;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite("deaths of the network back-end", NULL, NULL);
	CU_add_test(suite, "a death between any two steps loses nothing and answers nothing twice",
		    a_death_between_any_two_steps_loses_nothing_and_answers_nothing_twice);
	CU_add_test(suite, "no successor takes a guest's bytes for a frame", no_successor_takes_a_guests_bytes_for_a_frame);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	if (CU_basic_run_tests() != CUE_SUCCESS)
		return 1;
	return CU_get_number_of_failures() || CU_get_number_of_tests_run() != 2;
}
