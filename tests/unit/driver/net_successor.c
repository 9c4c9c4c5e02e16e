/* SPDX-License-Identifier: MIT */
/*
 * What a successor of the network back-end makes of what it finds: a packet that kills, records and rings that a dying driver wrote over, what Dom0 did
 * meanwhile. Hostile cases first.
 */
#include <CUnit/Basic.h>
#include <string.h>

#include "net_guests.h"

#define A 0u
#define B 1u
#define C 2u

static uint32_t queues;			/* of each guest */

static void given(uint32_t count, bool has_card)
{
	world_begin(11, count, queues, has_card);
	guests_begin();
	world_back_end();
	world_run();
}

static void all_look(void)
{
	for (unsigned int turn = 0; turn < 4; turn++) {
		world_run();
		world_card_completes(WORLD_FLYING);
		for (uint32_t number = 0; number < WORLD_GUESTS; number++)
			if (world.guest[number].record)
				guest_look(number);
	}
}

/* It dies as soon as step() is called for the n-th time, or at what `meanwhile` finds. True: it did. */
static bool dies(uint64_t steps)
{
	bool is_dead = true;

	world.is_mortal = true;
	world.steps_left = steps;
	if (!setjmp(world.death)) {
		for (unsigned int round = 0; round < 50; round++) {
			world_round();
			world.now_ns += 20000;
		}
		is_dead = false;
	}
	world.is_mortal = false;
	world.meanwhile = NULL;
	return is_dead;
}

/* One after the other, and each ends before its second round. */
static void lives_of_a_round(unsigned int count)
{
	while (count--) {
		world_back_end();
		world_round();
	}
}

static void nothing_is_wrong(void)
{
	promise_settle();
	CU_ASSERT_EQUAL(guests.wrong, 0);
	CU_ASSERT_EQUAL(guests.lost, 0);
	CU_ASSERT_EQUAL(guests.broken, 0);
	CU_ASSERT_EQUAL(guests.errors, 0);
	if (guests.wrong)
		CU_FAIL(guests.first_wrong);
}

/* ---- a packet that kills ---- */

static uint32_t killer_place, killer_slot;

/* Whoever works on it dies of it. */
static void meanwhile_kills(void)
{
	if (net.status->doing == killer_place + 1 && net.status->doing_index == killer_slot)
		world.steps_left = 0;
}

/* How many back-ends it takes until none dies any more. */
static uint32_t deaths_until_it_lives(void)
{
	uint32_t deaths = 0;

	while (deaths < 10) {
		world.meanwhile = meanwhile_kills;
		if (!dies(UINT64_MAX))
			break;
		deaths++;
		world_back_end();
	}
	world.meanwhile = NULL;
	return deaths;
}

static void given_a_packet_that_kills(void)
{
	given(3, false);
	killer_place = A;
	killer_slot = 3;
	for (unsigned int i = 0; i < 8; i++)
		CU_ASSERT_TRUE(guest_send(A, B, 300, 1, false));
	for (unsigned int i = 0; i < 8; i++)
		CU_ASSERT_TRUE(guest_send(B, C, 300, 1, false));
}

static void packet_that_kills_twice_sets_its_port_aside_and_no_other(void)	/* driver.md, section 7 */
{
	uint32_t sent;

	given_a_packet_that_kills();
	CU_ASSERT_EQUAL(deaths_until_it_lives(), 2);
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ASIDE);
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(A)->text, "0x3"));
	CU_ASSERT_EQUAL(world_status(B)->answer, DRIVER_ATTACHED);
	all_look();
	CU_ASSERT_EQUAL(guest_owed(B), 0);
	CU_ASSERT_EQUAL(guest_owed(A), 5);		/* what was before it is answered */
	sent = guests.answered;
	CU_ASSERT_TRUE(guest_send(C, B, 500, 1, false));
	all_look();
	CU_ASSERT_EQUAL(guests.answered, sent + 1);
	nothing_is_wrong();
}

static void port_that_is_aside_stays_so_in_each_later_generation(void)
{
	given_a_packet_that_kills();
	deaths_until_it_lives();
	world_back_end();
	world_back_end();
	all_look();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ASIDE);
	CU_ASSERT_EQUAL(guest_owed(A), 5);
	nothing_is_wrong();
}

static void port_that_is_aside_is_served_again_under_a_new_serial(void)
{
	given_a_packet_that_kills();
	deaths_until_it_lives();
	world.table->attachment[A].serial += 1000;
	world_back_end();
	killer_slot = 99999;
	all_look();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
	CU_ASSERT_EQUAL(guest_owed(A), 0);
	nothing_is_wrong();
}

static void port_that_is_aside_and_is_taken_away_closes_its_channels(void)	/* D3 */
{
	given_a_packet_that_kills();
	deaths_until_it_lives();
	CU_ASSERT_NOT_EQUAL(world.guest[A].queue[0].local_port, 0);
	world_detach(A);
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(world.guest[A].queue[0].local_port, 0);
}

static void suspicion_ends_with_the_answer(void)
{
	given_a_packet_that_kills();
	world.meanwhile = meanwhile_kills;
	CU_ASSERT_TRUE(dies(UINT64_MAX));
	world_back_end();
	CU_ASSERT_EQUAL(world_status(A)->suspect_deaths, 1);
	all_look();
	CU_ASSERT_EQUAL(world_status(A)->suspect_deaths, 0);
	CU_ASSERT_EQUAL(guest_owed(A), 0);
	CU_ASSERT_EQUAL(guests.answered, guests.sent);
	nothing_is_wrong();
}

static void word_about_nobodys_request_blames_nobody(void)
{
	static const uint32_t places[] = { A, B, 77, DRIVER_ATTACHMENTS_MAX, UINT32_MAX - 1 };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		given(2, false);
		net.status->doing_ring = 0x12345;
		net.status->doing_index = 0;
		net.status->doing = places[i] + 1;
		world_back_end();
		CU_ASSERT_EQUAL(world_status(A)->suspect_deaths, 0);
		CU_ASSERT_EQUAL(world_status(B)->suspect_deaths, 0);
		CU_ASSERT_EQUAL(net.status->doing, 0);
		world_end();
	}
}

static void meanwhile_the_wire_kills(void)
{
	if (net.scratch->arrival_doing)
		world.steps_left = 0;
}

static void frame_from_the_wire_that_kills_twice_is_dropped(void)	/* NB5 */
{
	uint32_t deaths = 0;

	given(2, true);
	wire_send(A, 200, false);
	while (deaths < 10) {
		world.meanwhile = meanwhile_the_wire_kills;
		if (!dies(UINT64_MAX))
			break;
		deaths++;
		world_back_end();
	}
	CU_ASSERT_EQUAL(deaths, 2);
	CU_ASSERT_EQUAL(net.scratch->arrivals_blamed, 1);
	wire_send(A, 200, false);
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 1);
	CU_ASSERT_EQUAL(net.free_count, PACKETS);
	nothing_is_wrong();
}

/* ---- what a dying driver wrote over ---- */

static uint32_t wanted_records;

static void meanwhile_records(void)
{
	uint32_t count = 0;

	for (uint32_t place = 0; place < ARRIVALS; place++)
		count += net.scratch->is_arrived[place] != 0;
	if (count == wanted_records)
		world.steps_left = 0;
}

/* So many frames are taken from the card, and not yet copied. */
static void given_records(uint32_t count)
{
	given(2, true);
	for (uint32_t i = 0; i < count; i++)
		wire_send(A, 200, false);
	wanted_records = count;
	world.meanwhile = meanwhile_records;
	CU_ASSERT_TRUE(dies(UINT64_MAX));
}

static uint32_t first_record(void)
{
	uint32_t place = 0;

	while (place < ARRIVALS - 1 && !net.scratch->is_arrived[place])
		place++;
	return place;
}

static void record_that_cannot_be_is_dropped_and_harms_nobody(void)	/* NB5, P2 */
{
	for (unsigned int how = 0; how < 9; how++) {
		struct net_frame *frame;

		given_records(3);
		CU_ASSERT_TRUE(net.scratch->is_arrived[first_record()]);
		frame = &net.scratch->arrival[first_record()];
		switch (how) {
		case 0: frame->segment_count = 0; break;
		case 1: frame->segment_count = 255; break;
		case 2: frame->segment[0].at = (void *)0x1000; break;
		case 3: frame->segment[0].at = pool_at + pool_bytes - 10; break;
		case 4: frame->segment[0].length = 5000; break;
		case 5: frame->length = 1 << 30; break;
		case 6: frame->gso = 3; break;
		case 7: frame->gso = NET_GSO_TCP4; frame->gso_bytes = 0; break;
		default: frame->segment[0].at = NULL; break;
		}
		world_back_end();
		all_look();
		CU_ASSERT_EQUAL(guests.wire_got, 2);
		CU_ASSERT_EQUAL(net.free_count, PACKETS);
		CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
		nothing_is_wrong();
		world_end();
	}
}

static void buffer_of_two_records_is_delivered_once(void)	/* P1 */
{
	uint32_t first;

	given_records(2);
	first = first_record();
	CU_ASSERT_TRUE(net.scratch->is_arrived[first + 1] == 1);
	net.scratch->arrival[first + 1] = net.scratch->arrival[first];
	world_back_end();
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 2);	/* the second is one that the card still has */
	CU_ASSERT_EQUAL(guests.received, 2);
	CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
	nothing_is_wrong();
}

static void records_of_noise_harm_nobody(void)
{
	for (unsigned int turn = 0; turn < 200; turn++) {
		given_records(1 + turn % 10);
		world.random = (turn + 1) * 0x9e3779b97f4a7c15ull;
		for (unsigned int i = 0; i < 64; i++) {
			uint32_t place = world_chance(2) ? first_record() + world_below(8) : world_below(ARRIVALS);

			((uint8_t *)&net.scratch->arrival[place % ARRIVALS])[world_below(48)] ^= (uint8_t)(1u << world_below(8));
			if (world_chance(8))
				net.scratch->is_arrived[world_below(ARRIVALS)] = (uint8_t)world_below(4);
		}
		net.scratch->arrival_next = (uint32_t)world_random();
		net.scratch->arrival_doing = world_below(2 * ARRIVALS);
		guests.has_strangers = true;
		world_back_end();
		all_look();
		CU_ASSERT_EQUAL(net.free_count, PACKETS);
		CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
		world_end();
	}
}

/* ---- NB9 ---- */

/* A successor has answered one that the card has not seen yet. */
static void given_departure_of(uint32_t bytes, uint32_t slots, bool is_to_cut)
{
	given(2, true);
	world.device.does_csum = world.device.does_tso = !is_to_cut;
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, bytes, slots, slots > 1));
	world_back_end();
	world_round();
	CU_ASSERT_TRUE(net.scratch->is_arrived[DEPARTURE]);
	CU_ASSERT_EQUAL(world.flying_count, 0);
	guest_look(A);
	CU_ASSERT_EQUAL(guests.answered, 1);
	CU_ASSERT_EQUAL(guests.promised, 1);
}

/* The card takes a part of a large packet at a time. */
static void all_is_sent(void)
{
	for (unsigned int turn = 0; turn < 4; turn++)
		all_look();
}

static void given_departure(void) { given_departure_of(60000, 16, true); }

static void all_is_free(void)
{
	CU_ASSERT_FALSE(net.scratch->is_arrived[DEPARTURE]);
	CU_ASSERT_EQUAL(net.free_count, PACKETS);
	CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
}

static void packet_to_be_cut_is_answered_before_it_is(void)
{
	given_departure();
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 50000, 14, true));
	all_is_sent();
	CU_ASSERT_EQUAL(guests.answered, 2);
	CU_ASSERT_EQUAL(guests.promised, 1);
	CU_ASSERT_EQUAL(guests.segments, (60000 - 54 + 1447) / 1448 + (50000 - 54 + 1447) / 1448);
	all_is_free();
	nothing_is_wrong();
}

static void what_was_answered_is_sent_by_the_next(void)
{
	given_departure();
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 50000, 14, true));
	lives_of_a_round(5);
	CU_ASSERT_EQUAL(guests.promised, 1);
	all_is_sent();
	CU_ASSERT_EQUAL(guests.answered, 2);
	all_is_free();
	nothing_is_wrong();
}

/* As it is, and for a card that cuts. */
static void small_and_large_ones_are_answered_and_sent_by_the_next(void)
{
	for (unsigned int is_large = 0; is_large < 2; is_large++) {
		given_departure_of(is_large ? 60000 : 300, is_large ? 16 : 1, false);
		lives_of_a_round(3);
		all_is_sent();
		CU_ASSERT_TRUE(guests.received >= 1);
		all_is_free();
		nothing_is_wrong();
		world_end();
	}
}

static void meanwhile_the_departure_kills(void)
{
	if (net.scratch->arrival_doing == DEPARTURE + 1)
		world.steps_left = 0;
}

static void what_was_answered_and_kills_twice_is_dropped(void)
{
	uint32_t deaths = 0;

	given_departure();
	world_back_end();
	while (deaths < 10) {
		world.meanwhile = meanwhile_the_departure_kills;
		if (!dies(UINT64_MAX))
			break;
		deaths++;
		world_back_end();
	}
	CU_ASSERT_EQUAL(deaths, 2);
	CU_ASSERT_EQUAL(net.scratch->arrivals_blamed, 1);
	CU_ASSERT_EQUAL(guests.segments, 0);
	all_is_sent();
	all_is_free();
}

static void departure_that_contradicts_itself_is_dropped(void)
{
	for (unsigned int turn = 0; turn < 3; turn++) {
		given_departure_of(turn ? 60000 : 300, turn ? 16 : 1, turn);
		net.scratch->departure.vlan = turn ? 0 : 5;			/* there are no headers for it */
		net.scratch->departure.header_length = turn == 2 ? HEADER_MAX + 1 : 0;
		world_back_end();
		CU_ASSERT_EQUAL(net.scratch->arrivals_blamed, 1);
		all_is_sent();
		CU_ASSERT_EQUAL(guests.segments, 0);
		all_is_free();
		world_end();
	}
}

/* Nobody was at work on it: the card, or time, ended each of them. */
static void what_no_successor_lives_to_send_is_dropped(void)
{
	given_departure();
	for (unsigned int deaths = 0; deaths < DEPARTURE_LIVES_MAX; deaths++)
		world_back_end();
	CU_ASSERT_TRUE(net.scratch->is_arrived[DEPARTURE]);
	CU_ASSERT_EQUAL(net.scratch->arrivals_blamed, 0);
	world_back_end();
	CU_ASSERT_EQUAL(net.scratch->arrivals_blamed, 1);
	all_is_sent();
	CU_ASSERT_EQUAL(guests.segments, 0);
	all_is_free();
}

/* What is known of a link is as old as ready until the next tick. */
static void successor_sends_though_the_link_was_down_at_ready(void)
{
	world_begin(11, 2, queues, true);
	guests_begin();
	world.is_unplugged = true;
	world_back_end();
	world.is_unplugged = false;
	net_tick();
	world_run();
	world_back_end();
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 300, 1, false));
	world_round();
	CU_ASSERT_TRUE(net.scratch->is_arrived[DEPARTURE]);
	world_back_end();
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 1);
	CU_ASSERT_EQUAL(guests.received, 1);
	nothing_is_wrong();
}

static void who_died_at_one_accuses_no_other(void)
{
	struct packet *packet;

	given_departure();
	world_back_end();
	packet = net.wire_waiting.first;
	CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
	net.status->doing = A + 1;
	doing(packet);
	CU_ASSERT_EQUAL(net.scratch->arrival_doing, DEPARTURE + 1);
	CU_ASSERT_EQUAL(net.status->doing, 0);
	doing_nothing();
	all_is_sent();
	all_is_free();
}

/* It would be answered, and nobody could be blamed any more. */
static void packet_that_may_kill_is_not_answered_before_it_is_sent(void)
{
	given(2, true);
	world.device.does_csum = world.device.does_tso = false;
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 60000, 16, true));
	killer_place = A;
	killer_slot = world.guest[A].queue[0].tx.rsp_cons;
	CU_ASSERT_EQUAL(deaths_until_it_lives(), 2);
	CU_ASSERT_EQUAL(guests.promised, 0);
	CU_ASSERT_TRUE(guest_is_aside(A));
}

static void departures_of_noise_harm_nobody(void)
{
	for (unsigned int turn = 0; turn < 300; turn++) {
		uint8_t *noisy;

		given_departure_of(turn % 3 ? 60000 : 1000, turn % 3 ? 16 : 1, turn % 3 == 1);
		world.random = (turn + 1) * 0x9e3779b97f4a7c15ull;
		noisy = world_chance(2) ? (uint8_t *)&net.scratch->arrival[DEPARTURE] : (uint8_t *)&net.scratch->departure;
		for (unsigned int i = 0; i < 1 + turn % 8; i++)
			noisy[world_below(80)] ^= (uint8_t)(1u << world_below(8));
		guests.has_strangers = true;
		world_back_end();
		all_is_sent();
		all_is_free();
		world_end();
	}
}

/* ---- what the card has ---- */

static void frames_that_nobody_fetched_are_delivered(void)
{
	given(2, true);
	for (unsigned int i = 0; i < 10; i++)
		wire_send(i % 2, 100 + i * 100, false);
	wire_send(B, 50000, true);
	world_back_end();
	world_back_end();		/* and by the one after, if that one dies too */
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 11);
	CU_ASSERT_EQUAL(net.free_count, PACKETS);
	nothing_is_wrong();
}

static void what_is_found_is_requests_frames_and_decided_answers(void)
{
	const struct queue *queue;

	given(2, true);
	world_back_end();
	world_run();
	CU_ASSERT_EQUAL(driver_domain.found, 0);	/* both have buffers in their receive rings */
	CU_ASSERT_TRUE(guest_send(A, B, 300, 1, false));
	CU_ASSERT_TRUE(guest_send(B, A, 300, 2, false));
	wire_send(A, 200, false);
	world_back_end();
	CU_ASSERT_EQUAL(driver_domain.found, 4);	/* the second has two slots */
	all_look();
	CU_ASSERT_TRUE(guest_send(A, B, 300, 1, false));
	world_round();
	queue = net.port[A]->queue[(A + B) % queues];	/* guest_send()'s */
	CU_ASSERT_EQUAL(queue->tx.added, queue->tx.ring.rsp_prod + 1);
	world_back_end();
	CU_ASSERT_EQUAL(driver_domain.found, 1);
	all_look();
	nothing_is_wrong();
}

static void frames_of_a_stream_that_nobody_fetched_go_alone(void)	/* J3 */
{
	given(2, true);
	wire_stream(B, 500, 8);
	world_back_end();
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 8);
	CU_ASSERT_EQUAL(guests.joined, 0);
	wire_stream(B, 500, 8);
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 16);
	CU_ASSERT_EQUAL(guests.joined, 7);
	nothing_is_wrong();
}

static void card_that_does_not_acknowledge_ends_the_domain(void)
{
	given(1, true);
	world.is_deaf = true;
	world.panic_is_expected = true;
	if (!setjmp(world.panicked)) {
		world_back_end();
		CU_FAIL("it serves with a card that may still write");
	}
	world.panic_is_expected = false;
	CU_ASSERT_PTR_NOT_NULL(strstr(world.panic, "acknowledge"));
}

/* ---- the order, and who is not there yet ---- */

static void who_had_work_is_served_before_others_are_attached(void)
{
	given(3, false);
	CU_ASSERT_TRUE(guest_send(C, B, 300, 1, false));
	net.status->busy[0] = 1u << C;
	world.is_gradual = true;
	world_back_end();
	CU_ASSERT_PTR_NOT_NULL(net.port[C]);
	CU_ASSERT_PTR_NULL(net.port[A]);
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 1);
	nothing_is_wrong();
}

/* A successor looks at all, and most have none. */
static void who_is_looked_at_and_has_nothing_had_no_work(void)
{
	given(3, false);
	CU_ASSERT_TRUE(guest_send(C, B, 300, 1, false));
	world_kick(C, 0);
	world_round();
	CU_ASSERT_EQUAL(net.status->busy[0], 1u << B | 1u << C);
	CU_ASSERT_TRUE(guest_send(C, B, 300, 1, false));
	world_back_end();
	world_round();
	CU_ASSERT_EQUAL(net.status->busy[0], 1u << B | 1u << C);
	all_look();
	CU_ASSERT_EQUAL(net.status->busy[0], 0);
	nothing_is_wrong();
}

static void suspect_comes_after_who_has_work_and_before_who_has_none(void)
{
	given(3, false);
	CU_ASSERT_TRUE(guest_send(C, B, 300, 1, false));
	CU_ASSERT_TRUE(guest_send(B, C, 300, 1, false));
	net.status->busy[0] = 1u << B | 1u << C;
	net.status->doing_ring = world.guest[B].record->queue[0].ledger[0].ring;
	net.status->doing_index = world.guest[B].queue[0].tx.rsp_cons;
	net.status->doing = B + 1;
	world.is_gradual = true;
	world_back_end();
	CU_ASSERT_PTR_NULL(net.port[B]);
	CU_ASSERT_PTR_NOT_NULL(net.port[C]);
	while (!net.port[B])
		world_round();
	CU_ASSERT_PTR_NULL(net.port[A]);
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 2);
	nothing_is_wrong();
}

static void frame_of_the_card_is_delivered_before_others_are_attached(void)
{
	given(3, true);
	wire_send(C, 300, false);
	world.is_gradual = true;
	world_back_end();
	CU_ASSERT_PTR_NULL(net.port[A]);
	world_round();
	CU_ASSERT_PTR_NOT_NULL(net.port[C]);
	CU_ASSERT_PTR_NULL(net.port[A]);
	CU_ASSERT_TRUE(driver_domain.has_answered);
	all_look();
	CU_ASSERT_EQUAL(guests.wire_got, 1);
	nothing_is_wrong();
}

/* Frames for nobody are work in each round, and no answer. */
static void others_do_not_wait_for_ever_for_the_first_answer(void)
{
	given(3, true);
	world.is_gradual = true;
	world_back_end();
	for (unsigned int rounds = 0; rounds < 100; rounds++) {
		struct world_frame *frame = world_card_receives();

		CU_ASSERT_PTR_NOT_NULL_FATAL(frame);
		memset(frame->bytes, 0x42, 60);
		frame->length = 60;
		world_round();
		world.now_ns += 20000;
	}
	for (uint32_t place = A; place <= C; place++)
		CU_ASSERT_PTR_NOT_NULL(net.port[place]);
	CU_ASSERT_FALSE(net.is_taking_over);
	CU_ASSERT_FALSE(driver_domain.has_answered);
	all_look();
	nothing_is_wrong();
}

static void who_calls_is_attached_before_its_turn(void)
{
	given(4, false);
	world.is_gradual = true;
	world_back_end();
	while (!net.port[A])
		world_round();
	CU_ASSERT_TRUE(guest_send(3, B, 300, 1, false));
	world_kick(3, 0);
	world_round();
	CU_ASSERT_PTR_NOT_NULL(net.port[3]);
	CU_ASSERT_PTR_NULL(net.port[C]);
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 1);
	nothing_is_wrong();
}

/* What a predecessor noted of its ports may be anything. */
static void ports_of_noise_call_nobody(void)
{
	given(4, false);
	memset(world_status(C)->port, 0xff, sizeof(world_status(C)->port));
	world.is_gradual = true;
	world_back_end();
	while (!net.port[B])
		world_round();
	CU_ASSERT_PTR_NULL(net.port[C]);
	all_look();
	CU_ASSERT_EQUAL(world_status(C)->answer, DRIVER_ATTACHED);
	nothing_is_wrong();
}

/* Else each attachment more would make the work of taking over all others longer. */
static void who_has_nothing_rests_while_others_are_attached(void)
{
	given(4, false);
	world.is_gradual = true;
	world_back_end();
	while (!net.port[B])
		world_round();
	CU_ASSERT_PTR_NULL(net.port[3]);
	CU_ASSERT_FALSE(net.port[A]->queue[0]->is_active);
	all_look();
	nothing_is_wrong();
}

static void packet_for_one_who_is_not_attached_yet_reaches_him(void)	/* NB6 */
{
	given(4, true);
	CU_ASSERT_TRUE(guest_send(A, 3, 300, 1, false));
	CU_ASSERT_TRUE(guest_send(A, TO_ALL, 300, 1, false));
	net.status->busy[0] = 1u << A;
	world.is_gradual = true;
	world_back_end();
	CU_ASSERT_PTR_NULL(net.port[3]);
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 2);
	nothing_is_wrong();
}

static void who_may_have_other_addresses_is_attached_for_what_is_flooded(void)	/* NB6 */
{
	given(4, true);
	world.guest[3].record->flags &= ~(uint32_t)DRIVER_NET_GUARD_MAC;
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 300, 1, false));
	net.status->busy[0] = 1u << A;
	world.is_gradual = true;
	world_back_end();
	world_round();
	CU_ASSERT_PTR_NOT_NULL(net.port[3]);
	CU_ASSERT_PTR_NULL(net.port[B]);
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 1);
}

/* ---- what Dom0 did meanwhile ---- */

static void who_was_taken_away_meanwhile_is_detached(void)	/* D3 */
{
	given(2, false);
	CU_ASSERT_NOT_EQUAL(world.guest[A].queue[0].local_port, 0);
	world_detach(A);
	world_back_end();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_DETACHED);
	CU_ASSERT_EQUAL(world.guest[A].queue[0].local_port, 0);
	CU_ASSERT_NOT_EQUAL(world.guest[B].queue[0].local_port, 0);
}

static void who_was_refused_stays_refused(void)
{
	given(2, false);
	world.guest[A].queue[0].tx.shared->req_prod = 5000;
	world_kick(A, 0);
	world_run();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_REFUSED);
	world.guest[A].queue[0].tx.shared->req_prod = 0;
	world_back_end();
	world_run();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_REFUSED);
	world_detach(A);
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_DETACHED);
}

static void port_that_nobody_noted_is_found(void)
{
	given(2, false);
	memset(world_status(A)->port, 0, sizeof(world_status(A)->port));
	world_back_end();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
	CU_ASSERT_TRUE(guest_send(A, B, 300, 1, false));
	all_look();
	CU_ASSERT_EQUAL(guests.answered, 1);
	nothing_is_wrong();
}

static void who_is_new_after_a_death_is_bound_without_a_search(void)
{
	given(2, false);
	world_back_end();
	world_attach(C, queues);
	world.ports_asked = 0;
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(world_status(C)->answer, DRIVER_ATTACHED);
	CU_ASSERT_TRUE(world.ports_asked <= queues);
}

/* ledger.md, section 3: what is decided is never done again, though nobody was told. */
static void answer_that_was_held_is_given_and_its_packet_not_sent_again(void)
{
	given(1, true);
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 300, 1, false));
	all_look();
	CU_ASSERT_EQUAL_FATAL(guests.answered, 1);
	CU_ASSERT_TRUE(guest_send(A, TO_WIRE, 300, 1, false));
	for (unsigned int round = 0; round < 4; round++) {
		world_round();
		world_card_completes(WORLD_FLYING);
	}
	guest_look(A);
	CU_ASSERT_EQUAL(guests.received, 2);
	CU_ASSERT_EQUAL_FATAL(guest_owed(A), 1);

	world_back_end();
	all_look();
	CU_ASSERT_EQUAL(guest_owed(A), 0);
	CU_ASSERT_EQUAL(guests.received, 2);
	nothing_is_wrong();
}

static void given_one_queue(void) { queues = 1; }
static void given_two_queues(void) { queues = WORLD_QUEUES; }

#define CASE(name) { #name, name }

int main(void)
{
	static const struct { const char *name; CU_TestFunc run; } cases[] = {
		CASE(packet_that_kills_twice_sets_its_port_aside_and_no_other),
		CASE(port_that_is_aside_stays_so_in_each_later_generation),
		CASE(port_that_is_aside_is_served_again_under_a_new_serial),
		CASE(port_that_is_aside_and_is_taken_away_closes_its_channels),
		CASE(suspicion_ends_with_the_answer),
		CASE(word_about_nobodys_request_blames_nobody),
		CASE(frame_from_the_wire_that_kills_twice_is_dropped),
		CASE(record_that_cannot_be_is_dropped_and_harms_nobody),
		CASE(buffer_of_two_records_is_delivered_once),
		CASE(records_of_noise_harm_nobody),
		CASE(packet_to_be_cut_is_answered_before_it_is),
		CASE(what_was_answered_is_sent_by_the_next),
		CASE(small_and_large_ones_are_answered_and_sent_by_the_next),
		CASE(what_was_answered_and_kills_twice_is_dropped),
		CASE(departure_that_contradicts_itself_is_dropped),
		CASE(what_no_successor_lives_to_send_is_dropped),
		CASE(successor_sends_though_the_link_was_down_at_ready),
		CASE(who_died_at_one_accuses_no_other),
		CASE(packet_that_may_kill_is_not_answered_before_it_is_sent),
		CASE(departures_of_noise_harm_nobody),
		CASE(frames_that_nobody_fetched_are_delivered),
		CASE(what_is_found_is_requests_frames_and_decided_answers),
		CASE(frames_of_a_stream_that_nobody_fetched_go_alone),
		CASE(card_that_does_not_acknowledge_ends_the_domain),
		CASE(who_had_work_is_served_before_others_are_attached),
		CASE(who_is_looked_at_and_has_nothing_had_no_work),
		CASE(suspect_comes_after_who_has_work_and_before_who_has_none),
		CASE(frame_of_the_card_is_delivered_before_others_are_attached),
		CASE(others_do_not_wait_for_ever_for_the_first_answer),
		CASE(who_calls_is_attached_before_its_turn),
		CASE(ports_of_noise_call_nobody),
		CASE(who_has_nothing_rests_while_others_are_attached),
		CASE(packet_for_one_who_is_not_attached_yet_reaches_him),
		CASE(who_may_have_other_addresses_is_attached_for_what_is_flooded),
		CASE(who_was_taken_away_meanwhile_is_detached),
		CASE(who_was_refused_stays_refused),
		CASE(port_that_nobody_noted_is_found),
		CASE(who_is_new_after_a_death_is_bound_without_a_search),
		CASE(answer_that_was_held_is_given_and_its_packet_not_sent_again),
	};
	static const char *const suites[] = { "a successor of the network back-end", "a successor, with two queues for each guest" };
	unsigned int count = sizeof(cases) / sizeof(cases[0]), failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	for (unsigned int with = 0; with < 2; with++) {
		CU_pSuite suite = CU_add_suite_with_setup_and_teardown(suites[with], NULL, NULL, with ? given_two_queues : given_one_queue, world_end);

		for (unsigned int i = 0; i < count; i++)
			CU_add_test(suite, cases[i].name, cases[i].run);
	}
	CU_basic_set_mode(CU_BRM_NORMAL);
	failures = CU_basic_run_tests() == CUE_SUCCESS ? CU_get_number_of_failures() : 1;
	failures += CU_get_number_of_tests_run() != 2 * count;
	CU_cleanup_registry();
	return failures ? 1 : 0;
}
