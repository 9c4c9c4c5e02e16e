/* SPDX-License-Identifier: MIT */
/* The network back-end against front-ends that lie, senders that speak in others' names, and receivers that can do little. Hostile cases first. */
#include <CUnit/Basic.h>
#include <string.h>

#include "device/pool.h"
#include "net/headers.h"
#include "net_world.h"

#define A 0u
#define B 1u
#define C 2u
#define D 3u

static uint8_t frame[WORLD_FRAME_MAX], got[WORLD_FRAME_MAX];
static uint8_t *rx_page[WORLD_GUESTS][VIF_RING_SLOTS];
static struct world_frame wire[64];
static uint32_t wire_count;

/* ---- given ---- */

static void wire_sent(const struct world_frame *sent)
{
	if (wire_count < 64)
		wire[wire_count++] = *sent;
}

static uint32_t via;			/* the queue that a guest sends by */

static void given_queues(uint32_t guests, uint32_t queues, bool has_card)
{
	world_begin(7, guests, queues, has_card);
	world.sent = wire_sent;
	wire_count = via = 0;
}

static void given(uint32_t guests, bool has_card)
{
	given_queues(guests, 1, has_card);
}

static void given_running(uint32_t guests, bool has_card)
{
	given(guests, has_card);
	world_back_end();
	world_run();
}

static void given_buffers_of(uint32_t number, uint32_t which, uint32_t count)
{
	struct world_queue *queue = &world.guest[number].queue[which];

	for (uint32_t i = 0; i < count; i++) {
		uint16_t id = queue->rx.req_put % VIF_RING_SLOTS;
		struct vif_rx_request request = { .id = id };

		rx_page[number][id] = world_page();
		request.gref = world_lend(number, rx_page[number][id], false);
		ring_front_put(&queue->rx, &request, sizeof(request));
	}
	if (ring_front_push(&queue->rx))
		world_kick(number, which);
}

static void given_buffers(uint32_t number, uint32_t count)
{
	given_buffers_of(number, 0, count);
}

static struct driver_net *net_of(uint32_t number)
{
	return &world.table->attachment[number].net;
}

static void given_address(uint32_t number, uint8_t family, const uint8_t *bytes)
{
	struct driver_address *address = &net_of(number)->address[net_of(number)->address_count++];

	world.table->attachment[number].flags |= DRIVER_NET_GUARD_IP;
	address->family = family;
	memcpy(address->bytes, bytes, family == 4 ? 4 : 16);
}

/* ---- frames ---- */

static uint32_t ethernet(uint32_t from, uint32_t to, uint16_t type)
{
	memset(frame, 0, sizeof(frame));
	memcpy(frame, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(to + 1) }, 6);
	memcpy(frame + 6, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(from + 1) }, 6);
	put16(frame + 12, type);
	return 14;
}

static uint32_t plain(uint32_t from, uint32_t to, uint32_t length)
{
	for (uint32_t i = ethernet(from, to, 0x88b5); i < length; i++)
		frame[i] = (uint8_t)(i * 13 + from);
	return length;
}

/* Checksums of a transport are left blank: the pseudo header's sum. */
static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static uint32_t words(const uint8_t *bytes, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	return fold(sum);
}

static uint32_t transport_sum(const uint8_t *bytes, uint32_t length, bool is_4)
{
	uint32_t l4 = is_4 ? 34 : 54, protocol = is_4 ? bytes[23] : bytes[20];

	return fold(words(bytes + (is_4 ? 26 : 22), is_4 ? 8 : 32) + protocol + (length - l4) + words(bytes + l4, length - l4));
}

static uint32_t tcp(uint32_t from, uint32_t to, uint32_t payload, bool is_4)
{
	uint32_t l4 = is_4 ? 34 : 54, length = l4 + 20 + payload;

	ethernet(from, to, is_4 ? ETHER_IP4 : ETHER_IP6);
	if (is_4) {
		memcpy(frame + 14, (uint8_t[]){ 0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, IP_TCP }, 10);
		put16(frame + 16, length - 14);
		put32(frame + 26, 0x0a000001 + from);
		put32(frame + 30, 0x0a000001 + to);
	} else {
		frame[14] = 0x60;
		put16(frame + 18, length - 54);
		frame[20] = IP_TCP;
		frame[22] = frame[38] = 0xfd;
		frame[37] = (uint8_t)(from + 1);
		frame[53] = (uint8_t)(to + 1);
	}
	put16(frame + l4, 1000);
	put16(frame + l4 + 2, 80);
	put32(frame + l4 + 4, 5000);
	frame[l4 + 12] = 0x50;
	frame[l4 + 13] = 0x19;		/* ACK, PSH, FIN */
	for (uint32_t i = 0; i < payload; i++)
		frame[l4 + 20 + i] = (uint8_t)(i * 7 + (i >> 8));
	put16(frame + l4 + 16, fold(words(frame + (is_4 ? 26 : 22), is_4 ? 8 : 32) + IP_TCP + length - l4));
	return length;
}

/* ---- when ---- */

static uint32_t lent(uint32_t number, const uint8_t *bytes, uint32_t length)
{
	uint8_t *page = world_page();

	memcpy(page, bytes, length);
	return world_lend(number, page, true);
}

static void put(uint32_t number, struct vif_tx_request request)
{
	ring_front_put(&world.guest[number].queue[via].tx, &request, sizeof(request));
}

static void push(uint32_t number)
{
	if (ring_front_push(&world.guest[number].queue[via].tx))
		world_kick(number, via);
	world_run();
}

static void put_frame(uint32_t number, uint32_t length, uint16_t flags, uint8_t gso, uint16_t gso_bytes)
{
	uint32_t at = length < 4096 ? length : 4096;
	struct vif_tx_request request = { .gref = lent(number, frame, at), .size = (uint16_t)length, .id = 1, .flags = flags };

	if (at < length)
		request.flags |= VIF_TX_MORE;
	if (gso)
		request.flags |= VIF_TX_EXTRA;
	put(number, request);
	if (gso) {
		struct vif_tx_request extra = { 0 };

		memcpy(&extra, &(struct vif_extra){ .type = VIF_EXTRA_GSO, .gso = { .size = gso_bytes, .type = gso } },
		       sizeof(struct vif_extra));
		put(number, extra);
	}
	while (at < length) {
		uint32_t part = length - at < 4096 ? length - at : 4096;

		put(number, (struct vif_tx_request){
			.gref = lent(number, frame + at, part), .size = (uint16_t)part, .id = 2,
			.flags = at + part < length ? VIF_TX_MORE : 0,
		});
		at += part;
	}
}

static void sends(uint32_t number, uint32_t length)
{
	put_frame(number, length, 0, 0, 0);
	push(number);
}

/* ---- then ---- */

static int16_t answer(uint32_t number)
{
	struct vif_tx_response response = { .status = 99 };

	ring_front_take(&world.guest[number].queue[via].tx, &response, sizeof(response));
	return response.status;
}

/* 0: nothing came. */
static uint32_t receives(uint32_t number, struct vif_rx_response *first, struct vif_extra *extra)
{
	struct ring_front *ring = &world.guest[number].queue[0].rx;
	struct vif_rx_response response;
	uint32_t length = 0;

	if (ring_front_take(ring, &response, sizeof(response)) != 1)
		return 0;
	*first = response;
	if (response.flags & VIF_RX_EXTRA)
		ring_front_take(ring, extra, sizeof(*extra));
	for (;;) {
		if (response.status < 0)
			return 0;
		memcpy(got + length, rx_page[number][response.id] + response.offset, (size_t)response.status);
		length += (uint32_t)response.status;
		if (!(response.flags & VIF_RX_MORE))
			return length;
		if (ring_front_take(ring, &response, sizeof(response)) != 1)
			return 0;
	}
}

static bool arrives(uint32_t number, uint32_t length)
{
	struct vif_rx_response first;
	struct vif_extra extra;

	return receives(number, &first, &extra) == length && !memcmp(got, frame, length);
}

static bool nothing_arrives(uint32_t number)
{
	return ring_front_look(&world.guest[number].queue[0].rx) == 0;
}

static bool is_dropped(uint32_t number)
{
	return driver_has_refused(world_status(number)->answer) && world_status(number)->text[0];
}

static uint64_t counted(uint32_t number, enum driver_count which)
{
	return world_status(number)->counter[which];
}

/* ---- front-ends that lie ---- */

static void others_are_served(void)
{
	given_buffers(C, 8);
	sends(B, plain(B, C, 300));
	CU_ASSERT_TRUE(arrives(C, 300));
	CU_ASSERT_EQUAL(answer(B), VIF_STATUS_OKAY);
}

static void an_index_that_jumps_ends_that_attachment_alone(void)
{
	given_running(3, false);
	world.guest[A].queue[0].tx.shared->req_prod = 300;
	world_kick(A, 0);
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	others_are_served();
}

static void a_receive_index_that_jumps_ends_that_attachment_alone(void)
{
	given_running(3, false);
	world.guest[A].queue[0].rx.shared->req_prod = 257;
	sends(B, plain(B, A, 200));
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_EQUAL(answer(B), VIF_STATUS_OKAY);
	others_are_served();
}

static void an_index_that_runs_backwards_ends_that_attachment(void)
{
	given_running(3, false);
	plain(A, B, 100);
	put_frame(A, 100, 0, 0, 0);
	put_frame(A, 100, 0, 0, 0);
	push(A);
	world.guest[A].queue[0].tx.shared->req_prod = 1;
	world_kick(A, 0);
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	others_are_served();
}

static void a_packet_that_is_not_whole_ends_that_attachment(void)
{
	given_running(3, false);
	plain(A, B, 100);
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, 100), .size = 500, .flags = VIF_TX_MORE });
	push(A);
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_EQUAL(world.guest[A].queue[0].tx.shared->rsp_prod, 0);
	others_are_served();
}

static void an_extra_that_never_comes_ends_that_attachment(void)
{
	given_running(3, false);
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, plain(A, B, 100)), .size = 100, .flags = VIF_TX_EXTRA });
	push(A);
	CU_ASSERT_TRUE(is_dropped(A));
	others_are_served();
}

static void shapes_that_cannot_be_are_answered_with_an_error_and_no_more(void)
{
	const struct vif_tx_request bad[] = {
		{ .size = 13 }, { .size = 0 }, { .offset = 4090, .size = 100 }, { .offset = 65535, .size = 65535 }, { .size = 4097 },
	};

	given_running(3, false);
	given_buffers(B, 32);
	plain(A, B, 100);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vif_tx_request request = bad[i];

		request.gref = lent(A, frame, 100);
		put(A, request);
		push(A);
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	}
	CU_ASSERT_TRUE(nothing_arrives(B));
	sends(A, plain(A, B, 100));
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(counted(A, DRIVER_TX_DROPPED), sizeof(bad) / sizeof(bad[0]));
}

static void more_bytes_in_the_slots_than_in_the_packet_is_an_error(void)
{
	given_running(2, false);
	plain(A, B, 4000);
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, 100), .size = 200, .flags = VIF_TX_MORE });
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, 100), .size = 300 });
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
}

static void a_chain_of_too_many_slots_is_an_error(void)
{
	given_running(2, false);
	plain(A, B, 4000);
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, 100), .size = 20000, .flags = VIF_TX_MORE });
	for (unsigned int i = 0; i < 40; i++)
		put(A, (struct vif_tx_request){ .gref = 8, .size = 100, .flags = i < 39 ? VIF_TX_MORE : 0 });
	push(A);
	for (unsigned int i = 0; i < 41; i++)
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
}

static void a_grant_that_does_not_exist_is_the_senders_error(void)
{
	given_running(2, false);
	given_buffers(B, 8);
	put(A, (struct vif_tx_request){ .gref = 4000, .size = 100 });
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_TRUE(nothing_arrives(B));

	plain(A, B, 300);	/* headers that are there, and the rest is not */
	put(A, (struct vif_tx_request){ .gref = lent(A, frame, 100), .size = 300, .flags = VIF_TX_MORE });
	put(A, (struct vif_tx_request){ .gref = 4001, .size = 200 });
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
}

static void a_buffer_that_cannot_be_written_is_the_receivers_error(void)
{
	struct world_queue *queue;
	struct vif_rx_request bad = { .id = 3, .gref = 4002 };
	struct vif_rx_response response;

	given_running(2, false);
	queue = &world.guest[B].queue[0];
	ring_front_put(&queue->rx, &bad, sizeof(bad));
	bad.gref = world_lend(B, world_page(), true);
	ring_front_put(&queue->rx, &bad, sizeof(bad));
	ring_front_push(&queue->rx);
	for (unsigned int i = 0; i < 2; i++) {
		sends(A, plain(A, B, 300));
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
		CU_ASSERT_EQUAL(ring_front_take(&queue->rx, &response, sizeof(response)), 1);
		CU_ASSERT_EQUAL(response.id, 3);
		CU_ASSERT_EQUAL(response.status, VIF_STATUS_ERROR);
	}
}

static void segments_that_cannot_be_are_an_error(void)
{
	const struct { uint8_t type; uint16_t size; bool is_4; } bad[] = {
		{ 3, 1448, true }, { 255, 1448, true }, { VIF_GSO_TCPV4, 0, true }, { VIF_GSO_TCPV4, 1, true },
		{ VIF_GSO_TCPV6, 1448, true }, { VIF_GSO_TCPV4, 1448, false },
	};

	given_running(2, false);
	given_buffers(B, 32);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put_frame(A, tcp(A, B, 3000, bad[i].is_4), VIF_TX_CSUM_BLANK, bad[i].type, bad[i].size);
		push(A);
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_NULL);
	}
	put_frame(A, plain(A, B, 1000), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 500);	/* no TCP at all */
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_TRUE(nothing_arrives(B));
}

static void headers_that_point_beyond_the_packet_are_an_error(void)
{
	given_running(2, false);
	given_buffers(B, 32);
	tcp(A, B, 100, true);
	frame[14] = 0x4f;			/* a longer IP header than there are bytes */
	put_frame(A, 50, VIF_TX_CSUM_BLANK, 0, 0);
	tcp(A, B, 100, true);
	frame[46] = 0xf0;			/* TCP's, likewise */
	put_frame(A, 60, VIF_TX_CSUM_BLANK, 0, 0);
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	CU_ASSERT_TRUE(nothing_arrives(B));
}

/* The page is rewritten between any two steps: what was judged arrives, or nothing does. */
static uint8_t *racing_page;
static uint32_t racing_steps;

static void rewrite(void)
{
	if (racing_steps-- == 0)
		racing_page[11] = 0x66;		/* the last byte of the source's address */
}

static void headers_that_are_rewritten_arrive_as_they_were_judged(void)		/* NB1 */
{
	struct vif_rx_response first;
	struct vif_extra extra;
	uint32_t stopped = 0, arrived = 0;

	for (uint32_t steps = 0; steps < 10; steps++) {
		given_running(2, false);
		given_buffers(B, 8);
		racing_page = world_page();
		plain(A, B, 600);
		memcpy(racing_page, frame, 600);
		put(A, (struct vif_tx_request){ .gref = world_lend(A, racing_page, true), .size = 600, .id = 1 });
		racing_steps = steps;
		world.meanwhile = rewrite;
		push(A);
		if (receives(B, &first, &extra)) {
			arrived++;
			CU_ASSERT_EQUAL(memcmp(got, frame, 600), 0);
			CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
		} else {
			stopped++;
			CU_ASSERT_EQUAL(answer(A), VIF_STATUS_DROPPED);
		}
		world_end();
	}
	CU_ASSERT_TRUE(stopped && arrived);
	given(1, false);
}

static void a_receiver_without_buffers_holds_nobody_up_for_long(void)	/* NB3 */
{
	given_running(3, false);
	given_buffers(C, 8);
	sends(A, plain(A, B, 200));
	CU_ASSERT_EQUAL(answer(A), 99);		/* it waits */
	sends(A, plain(A, C, 200));
	CU_ASSERT_TRUE(arrives(C, 200));	/* and nobody else does */
	CU_ASSERT_TRUE(world.wake_ns <= world.now_ns + RECEIVE_PATIENCE_NS);
	world.now_ns += RECEIVE_PATIENCE_NS;
	world_run();
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	sends(A, plain(A, B, 200));		/* from now on it is not waited for */
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED), 2);
	given_buffers(B, 8);
	sends(A, plain(A, B, 200));
	CU_ASSERT_TRUE(arrives(B, 200));
}

/* It is waited for again when it has had all there was. */
static void a_buffer_now_and_then_makes_nobody_wait(void)	/* NB3 */
{
	given_running(2, false);
	sends(A, plain(A, B, 200));
	world.now_ns += RECEIVE_PATIENCE_NS;
	world_run();
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	given_buffers(B, 1);
	for (uint32_t i = 0; i < 3; i++)
		put_frame(A, 200, 0, 0, 0);
	push(A);
	CU_ASSERT_TRUE(arrives(B, 200));
	for (uint32_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	given_buffers(B, 1);
	sends(A, 200);
	CU_ASSERT_TRUE(arrives(B, 200));
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	sends(A, 200);
	CU_ASSERT_EQUAL(answer(A), 99);
}

static void a_damaged_ledger_ends_that_attachment_alone(void)
{
	given_running(3, false);
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
	world.table->attachment[A].queue[0].ledger[0].ring += 1000;
	world_back_end();
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_LOST);
	others_are_served();
	world_back_end();
	world_run();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_LOST);
}

static void a_ledger_that_is_wrong_from_the_start_is_no_loss(void)
{
	given_running(3, false);
	world_detach(A);
	CU_ASSERT_TRUE(attach_obey());
	world_attach(A, 1);
	world.table->attachment[A].queue[0].ledger[0].ring += 1000;
	attach_obey();
	world_run();
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_REFUSED);
	others_are_served();
}

static void a_ring_that_cannot_be_mapped_is_refused_and_said_so(void)
{
	given(3, false);
	world.table->attachment[A].queue[0].ring_ref[1] = 4090;
	world_back_end();
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(A)->text, "4090"));
	others_are_served();
}

static void more_queues_than_there_may_be_are_refused(void)
{
	given(3, false);
	world.table->attachment[A].queue_count = DRIVER_QUEUES_MAX + 1;
	world_back_end();
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	others_are_served();
}

/* ---- in others' names ---- */

static void a_foreign_source_address_is_dropped(void)
{
	given_running(3, false);
	given_buffers(B, 8);
	sends(A, plain(C, B, 100));
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_DROPPED);
	CU_ASSERT_TRUE(nothing_arrives(B));
	CU_ASSERT_EQUAL(counted(A, DRIVER_TX_SPOOFED), 1);
}

static const uint8_t own4[4] = { 10, 0, 0, 1 }, own6[16] = { 0xfd, [15] = 1 };

static uint32_t arp(uint32_t hardware_from, const uint8_t *protocol_from)
{
	ethernet(A, B, ETHER_ARP);
	memcpy(frame + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, (uint8_t)(hardware_from + 1) }, 14);
	memcpy(frame + 28, protocol_from, 4);
	return 60;
}

static void passes(uint32_t length)
{
	put_frame(A, length, 0, 0, 0);
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(arrives(B, length));
}

static void is_stopped(uint32_t length)
{
	put_frame(A, length, 0, 0, 0);
	push(A);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_DROPPED);
	CU_ASSERT_TRUE(nothing_arrives(B));
}

static void given_guarded(void)
{
	given(2, false);
	given_address(A, 4, own4);
	given_address(A, 6, own6);
	world_back_end();
	world_run();
	given_buffers(B, 64);
}

static void arp_claims_only_what_is_listed(void)
{
	given_guarded();
	passes(arp(A, own4));
	passes(arp(A, (const uint8_t[4]){ 0 }));	/* a probe */
	is_stopped(arp(A, (const uint8_t[4]){ 10, 0, 0, 9 }));
	is_stopped(arp(C, own4));
	arp(A, own4);
	frame[18] = 8;					/* hardware addresses of eight bytes */
	is_stopped(60);
}

static void ip4_comes_only_from_what_is_listed(void)
{
	given_guarded();
	passes(tcp(A, B, 10, true));
	tcp(A, B, 10, true);
	frame[29] = 77;
	is_stopped(64);
	tcp(A, B, 20, true);				/* DHCP: from nobody, and nothing else from there */
	memset(frame + 26, 0, 4);
	is_stopped(74);
	frame[23] = IP_UDP;
	put16(frame + 34, 68);
	put16(frame + 36, 67);
	passes(74);
	ethernet(A, B, 0x88b5);
	is_stopped(60);
}

static uint32_t icmp6(uint8_t type, uint8_t source_last, uint8_t target_last, uint8_t option_mac)
{
	ethernet(A, B, ETHER_IP6);
	frame[14] = 0x60;
	put16(frame + 18, 32);
	frame[20] = IP_ICMP6;
	frame[21] = 255;
	frame[22] = frame[38] = frame[62] = 0xfd;
	frame[37] = source_last;
	frame[54] = type;
	frame[77] = target_last;
	memcpy(frame + 78, (uint8_t[]){ 2, 1, 2, 0, 0, 0, 0, option_mac }, 8);
	return 86;
}

static void neighbour_discovery_claims_only_what_is_listed(void)
{
	given_guarded();
	passes(icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 1, 1, 1));
	is_stopped(icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 1, 2, 1));
	is_stopped(icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 1, 1, 2));
	is_stopped(icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 9, 1, 1));
	passes(icmp6(ICMP6_NEIGHBOUR_SOLICITATION, 1, 2, 1));
	is_stopped(icmp6(ICMP6_ROUTER_ADVERTISEMENT, 1, 1, 1));
	is_stopped(icmp6(ICMP6_REDIRECT, 1, 1, 1));
	icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 1, 1, 1);
	frame[79] = 0;					/* an option of no length */
	is_stopped(86);
}

static void discovery_behind_extension_headers_is_found(void)
{
	given_guarded();
	icmp6(ICMP6_NEIGHBOUR_ADVERTISEMENT, 1, 2, 1);
	memmove(frame + 62, frame + 54, 32);
	memset(frame + 54, 0, 8);
	frame[54] = IP_ICMP6;
	frame[20] = IP6_OPTIONS;
	put16(frame + 18, 40);
	is_stopped(94);
	frame[20] = IP6_FRAGMENT;			/* in fragments it is no neighbour discovery (RFC 6980) */
	frame[57] = 1;
	is_stopped(94);
	frame[20] = IP6_OPTIONS;			/* further than anybody looks */
	frame[55] = 30;
	is_stopped(400);
}

/* ---- VLANs ---- */

static void given_vlan(uint32_t number, uint16_t vlan)
{
	net_of(number)->vlan_count = 1;
	net_of(number)->vlan[0] = vlan;
}

static void vlans_do_not_meet_and_are_tagged_on_the_wire(void)	/* SNB7 */
{
	struct world_frame *back;

	given(3, true);
	given_vlan(A, 10);
	given_vlan(B, 10);
	given_vlan(C, 20);
	world_back_end();
	world_run();
	given_buffers(B, 8);
	given_buffers(C, 8);
	sends(A, plain(A, B, 100));
	CU_ASSERT_TRUE(arrives(B, 100));
	plain(A, B, 100);
	memset(frame, 255, 6);
	sends(A, 100);
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_TRUE(nothing_arrives(C));
	world_card_completes(8);
	CU_ASSERT_EQUAL(wire_count, 1);
	CU_ASSERT_EQUAL(wire[0].length, 104);
	CU_ASSERT_EQUAL(get16(wire[0].bytes + 12), 0x8100);
	CU_ASSERT_EQUAL(get16(wire[0].bytes + 14), 10);
	CU_ASSERT_EQUAL(memcmp(wire[0].bytes + 16, frame + 12, 88), 0);

	back = world_card_receives();
	*back = wire[0];
	memcpy(back->bytes + 6, (uint8_t[]){ 2, 9, 9, 9, 9, 9 }, 6);
	world_run();
	memcpy(frame + 6, (uint8_t[]){ 2, 9, 9, 9, 9, 9 }, 6);
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_TRUE(nothing_arrives(C));
}

static void a_tag_is_for_a_trunk_and_only_for_its_vlans(void)
{
	given(3, false);
	world.table->attachment[A].flags |= DRIVER_NET_TRUNK;
	net_of(A)->vlan_count = 2;
	net_of(A)->vlan[0] = 10;
	net_of(A)->vlan[1] = 11;
	given_vlan(B, 10);
	world_back_end();
	world_run();
	given_buffers(A, 8);
	given_buffers(B, 8);
	plain(A, B, 100);
	put16(frame + 12, 0x8100);
	put16(frame + 14, 10);
	sends(A, 100);
	memmove(frame + 12, frame + 16, 84);
	CU_ASSERT_TRUE(arrives(B, 96));
	sends(B, plain(B, A, 100));		/* and back, tagged */
	memmove(frame + 16, frame + 12, 88);
	put16(frame + 12, 0x8100);
	put16(frame + 14, 10);
	CU_ASSERT_TRUE(arrives(A, 104));
	plain(A, B, 100);
	put16(frame + 12, 0x8100);
	put16(frame + 14, 12);
	answer(A);
	sends(A, 100);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_ERROR);
	plain(B, A, 100);			/* no trunk, no tags */
	put16(frame + 12, 0x8100);
	put16(frame + 14, 10);
	answer(B);
	sends(B, 100);
	CU_ASSERT_EQUAL(answer(B), VIF_STATUS_ERROR);
	CU_ASSERT_TRUE(nothing_arrives(A));
}

static void a_mirror_hears_one_port_and_says_nothing(void)	/* SW3 */
{
	given(3, true);
	world.table->attachment[C].flags = (world.table->attachment[C].flags & ~DRIVER_NET_GUARD_MAC) | DRIVER_NET_MIRROR;
	memcpy(net_of(C)->mirrored, net_of(A)->mac, 6);
	world_back_end();
	world_run();
	given_buffers(A, 16);
	given_buffers(B, 16);
	given_buffers(C, 16);
	sends(A, plain(A, B, 100));
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_TRUE(arrives(C, 100));
	sends(B, plain(B, A, 120));
	CU_ASSERT_TRUE(arrives(A, 120));
	CU_ASSERT_TRUE(arrives(C, 120));
	sends(B, plain(B, 9, 80));		/* to the wire: A has no part in it */
	CU_ASSERT_TRUE(nothing_arrives(C));
	sends(C, plain(C, A, 100));
	CU_ASSERT_TRUE(nothing_arrives(A));
	sends(B, plain(B, C, 100));
	CU_ASSERT_TRUE(nothing_arrives(C));
}

static void nobody_takes_over_an_address_that_was_given(void)	/* SW2 */
{
	given(3, false);
	world.table->attachment[A].flags &= ~DRIVER_NET_GUARD_MAC;
	world_back_end();
	world_run();
	given_buffers(A, 16);
	given_buffers(B, 16);
	sends(A, plain(B, C, 100));		/* A says that it is B */
	sends(C, plain(C, B, 100));
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_TRUE(nothing_arrives(A));
	sends(A, plain(7, C, 100));		/* one that nobody has it may have, and gets */
	sends(C, plain(C, 7, 100));
	CU_ASSERT_TRUE(arrives(A, 100));
}

static void given_unguarded(uint32_t guests)
{
	given(guests, true);
	for (uint32_t number = 0; number < guests; number++)
		world.table->attachment[number].flags &= ~DRIVER_NET_GUARD_MAC;
	world_back_end();
	world_run();
}

/* A frame of one that has many addresses behind it, a bridge. */
static void says(uint32_t number, uint32_t address)
{
	uint32_t length = plain(number, number == A ? B : A, 100);

	memcpy(frame + 6, (uint8_t[]){ 6, 1, 2, 3, (uint8_t)(address >> 8), (uint8_t)address }, 6);
	sends(number, length);
}

static void is_told(uint32_t from, uint32_t address)
{
	uint32_t length = plain(from, 6, 100);

	memcpy(frame, (uint8_t[]){ 6, 1, 2, 3, (uint8_t)(address >> 8), (uint8_t)address }, 6);
	sends(from, length);
	world_card_completes(WORLD_FLYING);
	world_run();
}

static bool is_known(uint32_t from, uint32_t address)
{
	uint32_t before = wire_count;

	is_told(from, address);
	return wire_count == before;		/* else all get it, the wire too */
}

static void a_guest_teaches_only_so_many_addresses(void)		/* SW2 */
{
	uint32_t known = 0;

	given_unguarded(2);
	given_buffers(A, 200);
	for (uint32_t address = 0; address < 50; address++)
		says(A, address);
	wire_count = 0;
	for (uint32_t address = 0; address < 50; address++)
		known += is_known(B, address);
	CU_ASSERT_EQUAL(known, 32);
	CU_ASSERT_TRUE(is_known(B, 31) && !is_known(B, 32));	/* the first */
	CU_ASSERT_EQUAL(net.port[A]->learned, 32);
	CU_ASSERT_EQUAL(net.port[B]->learned, 0);
}

static void the_wire_teaches_only_so_many_addresses(void)		/* SW2 */
{
	given_unguarded(2);
	for (uint32_t address = 0; address < 1500; address++) {
		struct world_frame *arrived = world_card_receives();

		arrived->length = plain(6, A, 100);
		memcpy(arrived->bytes, frame, 100);
		memcpy(arrived->bytes + 6, (uint8_t[]){ 6, 1, 2, 3, (uint8_t)(address >> 8), (uint8_t)address }, 6);
		world_run();
	}
	CU_ASSERT_TRUE(net.wire.learned > 900 && net.wire.learned <= 1024);
	given_buffers(A, 16);
	says(A, 2000);
	CU_ASSERT_TRUE(is_known(B, 2000));			/* there is room for others */
}

static void time_passes(uint64_t seconds)
{
	world.now_ns += seconds * 1000000000;
	world_run();
	for (unsigned int i = 0; i < 64; i++)
		net_tick();
}

static void what_is_not_heard_again_is_forgotten(void)			/* SW2 */
{
	given_unguarded(2);
	given_buffers(A, 200);
	says(A, 1);
	says(A, 2);
	time_passes(200);
	says(A, 1);
	time_passes(150);
	CU_ASSERT_TRUE(is_known(B, 1));
	CU_ASSERT_FALSE(is_known(B, 2));
	CU_ASSERT_EQUAL(net.port[A]->learned, 1);
	time_passes(301);
	CU_ASSERT_FALSE(is_known(B, 1));
	CU_ASSERT_EQUAL(net.port[A]->learned, 0);
	sends(A, plain(A, B, 100));
	given_buffers(B, 200);
	sends(A, plain(A, B, 100));		/* Dom0's are never forgotten */
	CU_ASSERT_TRUE(arrives(B, 100));
}

static uint32_t place_of(const uint8_t *mac)
{
	uint32_t place = 0;

	while (place < ADDRESSES && !(net.scratch->address[place].port && !memcmp(net.scratch->address[place].mac, mac, 6)))
		place++;
	return place;
}

/* All places that a given address may be in are a bridge's: it takes one of them. */
static void a_given_address_takes_a_learned_ones_place(void)		/* SW2 */
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0, C + 1 };
	uint32_t home, learned;

	given_unguarded(3);
	home = place_of(mac);
	CU_ASSERT_TRUE_FATAL(home < ADDRESSES);
	world_detach(C);
	CU_ASSERT_TRUE(attach_obey());
	for (uint32_t i = 0; i < 8; i++) {
		struct address *one = &net.scratch->address[(home + i) % ADDRESSES];

		if (one->port && one->is_given)
			continue;
		*one = (struct address){ .port = net.port[A], .seen_ns = net.now_ns, .mac = { 6, 9, 9, 9, 9, (uint8_t)i }, .generation = net.generation };
		net.port[A]->learned++;
	}
	learned = net.port[A]->learned;
	CU_ASSERT_TRUE(learned > 4);
	world_attach(C, 1);
	CU_ASSERT_TRUE(attach_obey());
	world_run();
	CU_ASSERT_EQUAL(net.port[A]->learned, learned - 1);
	CU_ASSERT_TRUE(place_of(mac) < ADDRESSES && net.scratch->address[place_of(mac)].is_given);
	given_buffers(C, 8);
	sends(B, plain(B, C, 100));
	CU_ASSERT_TRUE(arrives(C, 100));
	CU_ASSERT_EQUAL(world.flying_count, 0);
}

/* ---- what a receiver cannot do ---- */

static void segments_are_right(uint32_t payload, uint16_t gso_bytes, bool is_4)
{
	uint32_t headers = is_4 ? 54 : 74, seen = 0, l4 = headers - 20;
	struct vif_rx_response first;
	struct vif_extra extra;

	put_frame(A, tcp(A, B, payload, is_4), VIF_TX_CSUM_BLANK, is_4 ? VIF_GSO_TCPV4 : VIF_GSO_TCPV6, gso_bytes);
	push(A);
	while (seen < payload) {
		uint32_t bytes = payload - seen < gso_bytes ? payload - seen : gso_bytes;

		CU_ASSERT_EQUAL_FATAL(receives(B, &first, &extra), headers + bytes);
		CU_ASSERT_FALSE(first.flags & VIF_RX_EXTRA);
		CU_ASSERT_EQUAL(memcmp(got + headers, frame + headers + seen, bytes), 0);
		CU_ASSERT_EQUAL(get32(got + l4 + 4), 5000 + seen);
		CU_ASSERT_EQUAL(got[l4 + 13], seen + bytes == payload ? 0x19 : 0x10);
		if (is_4) {
			CU_ASSERT_EQUAL(get16(got + 16), 40 + bytes);
			CU_ASSERT_EQUAL(get16(got + 18), 0x1234 + seen / gso_bytes);
			CU_ASSERT_EQUAL(words(got + 14, 20), 0xffff);
		} else {
			CU_ASSERT_EQUAL(get16(got + 18), 20 + bytes);
		}
		if (first.flags & VIF_RX_CSUM_BLANK)
			CU_ASSERT_EQUAL(get16(got + l4 + 16), fold(words(got + (is_4 ? 26 : 22), is_4 ? 8 : 32) + IP_TCP + 20 + bytes))
		else
			CU_ASSERT_EQUAL(transport_sum(got, headers + bytes, is_4), 0xffff);
		seen += bytes;
	}
	CU_ASSERT_TRUE(nothing_arrives(B));
}

static void what_a_receiver_cannot_segment_is_segmented(void)
{
	for (unsigned int whole = 0; whole < 2; whole++)
		for (unsigned int is_4 = 0; is_4 < 2; is_4++) {
			given(2, false);
			world.table->attachment[B].flags &= ~(DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6);
			if (whole) {
				world.table->attachment[B].flags |= DRIVER_NET_NO_CSUM4;
				world.table->attachment[B].flags &= ~DRIVER_NET_CSUM6;
			}
			world_back_end();
			world_run();
			given_buffers(B, 200);
			segments_are_right(60000, 1440, is_4);
			segments_are_right(1441, 1440, is_4);
			segments_are_right(5001, 999, is_4);
			world_end();
		}
	given(1, false);
}

/* So many that a ring is full of them. */
static void given_tiny_segments(uint32_t to, uint32_t packets)
{
	for (uint32_t i = 0; i < packets; i++)
		put_frame(A, tcp(A, to, 65000, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 64);
	push(A);
}

/* Each packet would be 1,016 segments, of which the queue of who gets them has room for 256: the others are not made. */
static void segments_that_find_no_room_are_not_made(void)	/* NB10 */
{
	given(2, false);
	world.table->attachment[B].flags &= ~(DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6);
	world_back_end();
	world_run();
	given_tiny_segments(B, 14);
	CU_ASSERT_EQUAL(net.port[B]->queue[0]->waiting.count, RECEIVE_WAITING_MAX);
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED), 14);
	world.now_ns += RECEIVE_PATIENCE_NS;
	world_run();
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED), 14 + RECEIVE_WAITING_MAX);
	CU_ASSERT_EQUAL(ring_front_look(&world.guest[A].queue[0].tx), 14 * 17);
	CU_ASSERT_EQUAL(net.free_count, PACKETS);
}

/* Nor are its bytes fetched and summed up. */
static void nothing_is_done_for_a_queue_that_is_full(void)	/* NB10 */
{
	given(2, false);
	world.table->attachment[B].flags &= ~(DRIVER_NET_GSO_TCP4 | DRIVER_NET_GSO_TCP6);
	world.table->attachment[B].flags |= DRIVER_NET_NO_CSUM4;
	world_back_end();
	world_run();
	given_tiny_segments(B, 3);
	CU_ASSERT_EQUAL(world.copies, 3 + 16);		/* all headers, and what is behind the first */
}

/* What a card's driver would have cut is bounded too. */
static void a_packet_is_no_more_than_so_many_segments(void)	/* NET-28 */
{
	static const struct { uint16_t gso_bytes; uint32_t payload; bool is_sent; } packets[] = {
		{ 32, 65000, false }, { 63, 65000, false }, { 64, 65000, true }, { 32, 32 * 1024, true }, { 32, 32 * 1024 + 1, false },
		{ 48, 48 * 1024, true }, { 48, 48 * 1024 + 1, false }, { 31, 3100, false },
	};

	for (uint32_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		given_running(1, true);
		put_frame(A, tcp(A, C, packets[i].payload, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, packets[i].gso_bytes);
		push(A);
		CU_ASSERT_EQUAL(world.flying_count, packets[i].is_sent);
		CU_ASSERT_EQUAL(counted(A, DRIVER_TX_DROPPED), !packets[i].is_sent);
		CU_ASSERT_EQUAL(answer(A), packets[i].is_sent ? 99 : VIF_STATUS_ERROR);
		world_end();
	}
	given(1, false);
}

static void a_packet_of_64_kib_is_one_packet(void)
{
	struct vif_rx_response first;
	struct vif_extra extra;

	given_running(2, false);
	given_buffers(B, 64);
	put_frame(A, tcp(A, B, 65000, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 1448);
	push(A);
	CU_ASSERT_EQUAL(receives(B, &first, &extra), 65054);
	CU_ASSERT_EQUAL(memcmp(got, frame, 65054), 0);
	CU_ASSERT_TRUE(first.flags & VIF_RX_EXTRA && first.flags & VIF_RX_CSUM_BLANK);
	CU_ASSERT_EQUAL(extra.gso.size, 1448);
	CU_ASSERT_EQUAL(extra.gso.type, VIF_GSO_TCPV4);
	CU_ASSERT_EQUAL(world.hypercalls, 2);
}

static void a_blank_checksum_is_filled_in_for_who_needs_it(void)
{
	struct vif_rx_response first;
	struct vif_extra extra;

	given(2, false);
	world.table->attachment[B].flags |= DRIVER_NET_NO_CSUM4;
	world_back_end();
	world_run();
	given_buffers(B, 64);
	for (uint32_t payload = 1; payload < 1400; payload += 101) {
		put_frame(A, tcp(A, B, payload, true), VIF_TX_CSUM_BLANK, 0, 0);
		push(A);
		CU_ASSERT_EQUAL(receives(B, &first, &extra), 54 + payload);
		CU_ASSERT_FALSE(first.flags & VIF_RX_CSUM_BLANK);
		CU_ASSERT_EQUAL(transport_sum(got, 54 + payload, true), 0xffff);
	}
}

static void a_card_that_can_do_nothing_gets_whole_segments(void)
{
	given(1, true);
	world.device.does_csum = world.device.does_tso = false;
	world.depth = 64;
	world_back_end();
	world_run();
	put_frame(A, tcp(A, C, 30000, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 1448);
	push(A);
	CU_ASSERT_EQUAL(answer(A), 99);
	world_card_completes(64);
	world_run();
	CU_ASSERT_EQUAL(wire_count, (30000 + 1447) / 1448);
	for (uint32_t i = 0; i < wire_count; i++) {
		CU_ASSERT_EQUAL(wire[i].flags & NET_NEEDS_CSUM, 0);
		CU_ASSERT_EQUAL(transport_sum(wire[i].bytes, wire[i].length, true), 0xffff);
	}
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
}

static void is_segment(const struct world_frame *one, uint32_t from, uint32_t bytes, uint32_t payload, uint16_t number, bool is_4)
{
	uint32_t headers = is_4 ? 54 : 74, l4 = headers - 20;
	uint8_t flags = from + bytes == payload ? 0x19 : 0x10;

	CU_ASSERT_EQUAL_FATAL(one->length, headers + bytes);
	CU_ASSERT_EQUAL(one->flags & NET_NEEDS_CSUM, 0);
	CU_ASSERT_EQUAL(memcmp(one->bytes, frame, 16), 0);
	CU_ASSERT_EQUAL(memcmp(one->bytes + headers, frame + headers + from, bytes), 0);
	CU_ASSERT_EQUAL(get32(one->bytes + l4 + 4), 5000 + from);
	CU_ASSERT_EQUAL(one->bytes[l4 + 13], from ? flags : flags | 0x80);
	CU_ASSERT_EQUAL(transport_sum(one->bytes, one->length, is_4), 0xffff);
	if (is_4) {
		CU_ASSERT_EQUAL(get16(one->bytes + 16), 40 + bytes);
		CU_ASSERT_EQUAL(get16(one->bytes + 18), (uint16_t)(0xfff0 + number));
		CU_ASSERT_EQUAL(words(one->bytes + 14, 20), 0xffff);
	} else {
		CU_ASSERT_EQUAL(get16(one->bytes + 18), 20 + bytes);
	}
}

/* Of a card that takes a few at a time: what has no room goes on where it was. */
static void card_gets_segments(uint32_t payload, uint16_t gso_bytes, bool is_4)
{
	uint32_t length = tcp(A, C, payload, is_4), seen = 0;

	frame[is_4 ? 47 : 67] |= 0x80;
	if (is_4)
		put16(frame + 18, 0xfff0);
	wire_count = 0;
	put_frame(A, length, VIF_TX_CSUM_BLANK, is_4 ? VIF_GSO_TCPV4 : VIF_GSO_TCPV6, gso_bytes);
	push(A);
	while (world.flying_count) {
		world_card_completes(1 + seen++ % 3);
		world_run();
	}
	CU_ASSERT_EQUAL_FATAL(wire_count, (payload + gso_bytes - 1) / gso_bytes);
	for (uint32_t i = 0, from = 0; i < wire_count; i++, from += gso_bytes)
		is_segment(&wire[i], from, payload - from < gso_bytes ? payload - from : gso_bytes, payload, (uint16_t)i, is_4);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
}

static void a_card_that_can_do_nothing_gets_segments_of_all_shapes(void)
{
	static const struct { uint32_t payload; uint16_t gso_bytes; } shapes[] = {
		{ 64000, 1440 }, { 60001, 1440 }, { 63001, 1433 }, { 1441, 1440 }, { 1440, 1440 }, { 5001, 999 }, { 2000, 33 }, { 1, 33 }, { 4023, 64 },
	};

	for (unsigned int is_4 = 0; is_4 < 2; is_4++)
		for (unsigned int i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
			given(1, true);
			world.device.does_csum = world.device.does_tso = false;
			world_back_end();
			world_run();
			card_gets_segments(shapes[i].payload, shapes[i].gso_bytes, is_4);
			world_end();
		}
	given(1, true);
}

static void a_card_that_can_do_nothing_gets_packets_of_all_shapes(void)
{
	given(1, true);
	world.device.does_csum = world.device.does_tso = false;
	world_back_end();
	world_run();
	for (uint32_t payload = 0; payload < 1400; payload += payload < 150 ? 1 : 97) {
		uint32_t length = tcp(A, C, payload, true);

		wire_count = 0;
		put_frame(A, length, VIF_TX_CSUM_BLANK, 0, 0);
		push(A);
		world_card_completes(1);
		world_run();
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
		CU_ASSERT_EQUAL(wire_count, 1);
		CU_ASSERT_EQUAL(wire[0].length, length);
		CU_ASSERT_EQUAL(transport_sum(wire[0].bytes, length, true), 0xffff);
		CU_ASSERT_EQUAL(memcmp(wire[0].bytes + 52, frame + 52, length - 52), 0);
	}
}

static void a_joined_frame_from_the_wire_reaches_a_guest_as_it_is(void)
{
	struct vif_rx_response first;
	struct vif_extra extra;
	struct world_frame *in;

	given_running(1, true);
	given_buffers(A, 64);
	in = world_card_receives();
	in->length = tcp(C, A, 40000, true);
	memcpy(in->bytes, frame, in->length);
	in->gso = NET_GSO_TCP4;
	in->gso_bytes = 1448;
	in->flags = NET_NEEDS_CSUM;
	world_run();
	CU_ASSERT_EQUAL(receives(A, &first, &extra), 40054);
	CU_ASSERT_EQUAL(memcmp(got, frame, 40054), 0);
	CU_ASSERT_EQUAL(extra.gso.size, 1448);
}

/* ---- joining ---- */

static void checksum_fill(uint32_t length, bool is_4)
{
	uint8_t *field = frame + (is_4 ? 34 : 54) + 16;

	put16(field, 0);
	put16(field, (uint16_t)~transport_sum(frame, length, is_4));
}

/* Bytes [at, at + payload) of a stream from C to A. */
static uint32_t segment(uint32_t at, uint32_t payload, bool is_4)
{
	uint32_t l4 = is_4 ? 34 : 54, length = tcp(C, A, payload, is_4);

	put32(frame + l4 + 4, 5000 + at);
	frame[l4 + 13] = 0x10;
	for (uint32_t i = 0; i < payload; i++)
		frame[l4 + 20 + i] = (uint8_t)((at + i) * 7 + ((at + i) >> 8));
	checksum_fill(length, is_4);
	return length;
}

static void comes(const uint8_t *bytes, uint32_t length, uint16_t flags)
{
	struct world_frame *in = world_card_receives();

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	in->length = length;
	in->flags = flags;
	in->gso = NET_GSO_NONE;
	memcpy(in->bytes, bytes, length);
}

static void is_joined(uint32_t payload, uint32_t size, bool is_4)
{
	uint32_t l4 = is_4 ? 34 : 54, length = l4 + 20 + payload;
	struct vif_rx_response first;
	struct vif_extra extra;

	CU_ASSERT_EQUAL(receives(A, &first, &extra), length);
	CU_ASSERT_EQUAL(first.flags & (VIF_RX_CSUM_BLANK | VIF_RX_VALIDATED | VIF_RX_EXTRA), VIF_RX_CSUM_BLANK | VIF_RX_VALIDATED | VIF_RX_EXTRA);
	CU_ASSERT_EQUAL(extra.gso.size, size);
	CU_ASSERT_EQUAL(extra.gso.type, is_4 ? VIF_GSO_TCPV4 : VIF_GSO_TCPV6);
	CU_ASSERT_EQUAL(is_4 ? get16(got + 16) : get16(got + 18) + 40u, length - 14);
	CU_ASSERT_TRUE(!is_4 || words(got + 14, 20) == 0xffff);
	CU_ASSERT_EQUAL(get16(got + l4 + 16), fold(words(got + (is_4 ? 26 : 22), is_4 ? 8 : 32) + IP_TCP + length - l4));
	for (uint32_t i = 0; i < payload; i++)
		if (got[l4 + 20 + i] != (uint8_t)(i * 7 + (i >> 8))) {
			CU_FAIL("bytes of the stream are not where they belong");
			return;
		}
}

static void segments_of_one_stream_arrive_as_one_packet(void)	/* J1, J2 */
{
	for (unsigned int i = 0; i < 8; i++) {
		bool is_4 = i % 2, is_checked = i / 2 % 2;
		uint32_t free_before;

		given_running(1, true);
		given_buffers(A, 64);
		world_run();
		free_before = buffer_free_count() + world.buffer_count;
		for (uint32_t at = 0; at < 7000; at += 1000)
			comes(frame, segment(at, 1000, is_4), is_checked ? NET_CSUM_VALID : 0);
		segment(7000, 501, is_4);
		frame[is_4 ? 47 : 67] |= i / 4 ? 0x08 : 0;
		checksum_fill((is_4 ? 54 : 74) + 501, is_4);
		comes(frame, (is_4 ? 54 : 74) + 501, is_checked ? NET_CSUM_VALID : 0);
		world_run();
		is_joined(7501, 1000, is_4);
		CU_ASSERT_EQUAL(got[is_4 ? 47 : 67], i / 4 ? 0x18 : 0x10);
		CU_ASSERT_TRUE(nothing_arrives(A));
		CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, free_before);
		world_end();
	}
}

/* What is other in the second of two segments; for the last four, in the first. */
static const struct { uint16_t at; uint8_t bits; const char *what; } spoilt[] = {
	{ 6, 0x02, "source" }, { 15, 0x04, "type of service" }, { 20, 0x40, "may be fragmented" }, { 20, 0x20, "a fragment" }, { 22, 0x01, "time to live" },
	{ 17, 0x01, "IP's length" }, { 29, 0x01, "address" }, { 35, 0x01, "port" }, { 41, 0x01, "sequence" }, { 45, 0x01, "acknowledged" },
	{ 47, 0x01, "FIN" }, { 47, 0x02, "SYN" }, { 47, 0x04, "RST" }, { 47, 0x10, "no ACK" }, { 47, 0x20, "URG" }, { 47, 0x80, "CWR" }, { 47, 0x40, "ECE" },
	{ 48, 0x01, "window" }, { 46, 0x10, "a header too short" }, { 46, 0x30, "options" }, { 52, 0x01, "urgent pointer" },
	{ 47, 0x08, "PSH" }, { 47, 0x01, "FIN" }, { 20, 0x40, "may be fragmented" }, { 47, 0x20, "URG" },
};

static void what_is_not_one_stream_is_not_joined(void)		/* J2 */
{
	static uint8_t first[2000];

	for (unsigned int i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		bool is_first = i + 4 >= sizeof(spoilt) / sizeof(spoilt[0]);
		struct vif_rx_response response;
		struct vif_extra extra;

		given_running(1, true);
		given_buffers(A, 64);
		segment(0, 1000, true);
		if (is_first)
			frame[spoilt[i].at] ^= spoilt[i].bits;
		checksum_fill(1054, true);
		memcpy(first, frame, 1054);
		comes(first, 1054, 0);
		segment(1000, 1000, true);
		if (!is_first)
			frame[spoilt[i].at] ^= spoilt[i].bits;
		checksum_fill(1054, true);
		comes(frame, 1054, 0);
		world_run();
		if (receives(A, &response, &extra) != 1054 || memcmp(got, first, 1054) || response.flags & VIF_RX_EXTRA)
			CU_FAIL(spoilt[i].what);
		CU_ASSERT_TRUE(arrives(A, 1054));
		CU_ASSERT_TRUE(nothing_arrives(A));
		world_end();
	}
}

static void a_wrong_checksum_arrives_as_it_came(void)		/* J1 */
{
	static uint8_t first[2000];
	struct vif_rx_response response;
	struct vif_extra extra;

	given_running(1, true);
	given_buffers(A, 64);
	segment(0, 1000, true);
	memcpy(first, frame, 1054);
	comes(first, 1054, 0);
	segment(1000, 1000, true);
	frame[600] ^= 1;
	comes(frame, 1054, 0);
	world_run();
	CU_ASSERT_EQUAL(receives(A, &response, &extra), 1054);
	CU_ASSERT_EQUAL(response.flags, VIF_RX_VALIDATED);
	CU_ASSERT_EQUAL(memcmp(got, first, 1054), 0);
	CU_ASSERT_EQUAL(receives(A, &response, &extra), 1054);
	CU_ASSERT_EQUAL(response.flags, 0);
	CU_ASSERT_EQUAL(memcmp(got, frame, 1054), 0);
}

static void longer_segments_and_what_follows_a_short_one_begin_anew(void)	/* J2 */
{
	given_running(1, true);
	given_buffers(A, 64);
	comes(frame, segment(0, 1000, true), 0);
	comes(frame, segment(1000, 400, true), 0);
	comes(frame, segment(1400, 400, true), 0);
	comes(frame, segment(1800, 1000, true), 0);
	world_run();
	is_joined(1400, 1000, true);
	segment(1400, 400, true);
	CU_ASSERT_TRUE(arrives(A, 454));
	segment(1800, 1000, true);
	CU_ASSERT_TRUE(arrives(A, 1054));
}

static void a_joined_packet_has_no_more_pieces_than_a_packet_may(void)
{
	struct vif_rx_response response;
	struct vif_extra extra;

	given_running(1, true);
	given_buffers(A, 128);
	for (uint32_t at = 0; at < 12 * 5000; at += 5000)
		comes(frame, segment(at, 5000, true), 0);
	world_run();
	is_joined(9 * 5000, 5000, true);
	CU_ASSERT_EQUAL(receives(A, &response, &extra), 54 + 3 * 5000);
	CU_ASSERT_TRUE(nothing_arrives(A));
}

static void who_cannot_segment_gets_frames_as_they_came(void)
{
	given(1, true);
	world.table->attachment[A].flags &= ~(uint32_t)DRIVER_NET_GSO_TCP4;
	world_back_end();
	world_run();
	given_buffers(A, 64);
	comes(frame, segment(0, 1000, true), 0);
	comes(frame, segment(1000, 1000, true), 0);
	world_run();
	segment(0, 1000, true);
	CU_ASSERT_TRUE(arrives(A, 1054));
	segment(1000, 1000, true);
	CU_ASSERT_TRUE(arrives(A, 1054));
}

static void tagged_segments_are_joined_for_who_is_in_their_vlan(void)	/* SNB7 */
{
	given(1, true);
	given_vlan(A, 5);
	world_back_end();
	world_run();
	given_buffers(A, 64);
	for (uint32_t at = 0; at < 3000; at += 1000) {
		uint32_t length = segment(at, 1000, true);

		memmove(frame + 16, frame + 12, length - 12);
		put16(frame + 12, ETHER_VLAN);
		put16(frame + 14, 5);
		comes(frame, length + 4, 0);
	}
	world_run();
	is_joined(3000, 1000, true);
}

/* ---- the rest ---- */

static void an_answer_waits_for_the_card(void)
{
	given_running(1, true);
	sends(A, plain(A, C, 900));
	CU_ASSERT_EQUAL(answer(A), 99);
	world_card_completes(1);
	world_run();
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(wire_count, 1);
	CU_ASSERT_EQUAL(memcmp(wire[0].bytes, frame, 900), 0);
}

/* All rings are full of what is for the wire, and the card sends four at a time: all is answered in the end. */
static void all_is_sent(uint32_t queues, uint32_t packets)
{
	uint32_t answered = 0;

	for (uint32_t turn = 0; turn < 4000; turn++) {
		world_run();
		world_card_completes(4);
	}
	for (uint32_t number = 0; number < WORLD_GUESTS; number++)
		for (via = 0; via < queues; via++)
			for (int16_t status; (status = answer(number)) != 99;)
				answered += status == VIF_STATUS_OKAY;
	CU_ASSERT_EQUAL(answered, packets);
	CU_ASSERT_EQUAL(net.free_count, PACKETS);
	CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
}

static void more_than_there_are_packets_goes_out(void)	/* NB7 */
{
	given_queues(WORLD_GUESTS, WORLD_QUEUES, true);
	world_back_end();
	world_run();
	for (uint32_t number = 0; number < WORLD_GUESTS; number++)
		for (via = 0; via < WORLD_QUEUES; via++) {
			plain(number, 9, 100);
			for (uint32_t i = 0; i < VIF_RING_SLOTS; i++)
				put_frame(number, 100, 0, 0, 0);
			push(number);
		}
	all_is_sent(WORLD_QUEUES, WORLD_GUESTS * WORLD_QUEUES * VIF_RING_SLOTS);
}

/* The card sends nothing, and all rings are full of what is for it. */
static void who_sends_keeps_no_packets_from_who_receives(void)
{
	given_queues(WORLD_GUESTS, WORLD_QUEUES, true);
	world_back_end();
	world_run();
	for (uint32_t number = B; number < WORLD_GUESTS; number++)
		for (via = 0; via < WORLD_QUEUES; via++) {
			plain(number, 9, 100);
			for (uint32_t i = 0; i < VIF_RING_SLOTS; i++)
				put_frame(number, 100, 0, 0, 0);
			push(number);
		}
	given_buffers(A, 64);
	for (uint32_t i = 0; i < 64; i += 16) {
		plain(9, A, 300);
		for (uint32_t j = 0; j < 16; j++)
			comes(frame, 300, 0);
		world_run();
		for (uint32_t j = 0; j < 16; j++)
			CU_ASSERT_TRUE(arrives(A, 300));
	}
	all_is_sent(WORLD_QUEUES, (WORLD_GUESTS - 1) * WORLD_QUEUES * VIF_RING_SLOTS);
}

/* Each has more to send than one round has room for, and no end of it. */
static void nobody_is_kept_from_sending_by_the_others(void)	/* NB8 */
{
	uint32_t gref[WORLD_GUESTS], least = UINT32_MAX, most = 0;

	given_queues(WORLD_GUESTS, WORLD_QUEUES, true);
	world_back_end();
	world_run();
	for (uint32_t number = 0; number < WORLD_GUESTS; number++)
		gref[number] = lent(number, frame, plain(number, 9, 100));
	for (uint32_t round = 0; round < 1000; round++) {
		for (uint32_t number = 0; number < WORLD_GUESTS; number++)
			for (via = 0; via < WORLD_QUEUES; via++) {
				while (answer(number) != 99)
					;
				while (ring_front_free(&world.guest[number].queue[via].tx))
					put(number, (struct vif_tx_request){ .gref = gref[number], .size = 100 });
				if (ring_front_push(&world.guest[number].queue[via].tx))
					world_kick(number, via);
			}
		world_round();
		world_card_completes(WORLD_FLYING);
	}
	for (uint32_t number = 0; number < WORLD_GUESTS; number++)
		for (via = 0; via < WORLD_QUEUES; via++) {
			uint32_t sent = world.guest[number].queue[via].tx.rsp_cons;

			least = sent < least ? sent : least;
			most = sent > most ? sent : most;
		}
	CU_ASSERT_TRUE(least > most / 2);
}

static void more_than_the_pool_has_goes_out(void)	/* NB7 */
{
	for (uint32_t can = 0; can < 2; can++) {
		given(WORLD_GUESTS, true);
		world.device.does_csum = world.device.does_tso = can;
		world_back_end();
		world_run();
		for (uint32_t number = 0; number < WORLD_GUESTS; number++) {
			for (uint32_t i = 0; i < 72; i++)
				put_frame(number, tcp(number, 9, i < 8 ? 55000 : 3000, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 1448);
			push(number);
		}
		all_is_sent(1, WORLD_GUESTS * (8 * 14 + 64));
		world_end();
	}
}

static void an_answer_waits_for_those_before_it(void)	/* BUS-38, NET-64 */
{
	given_running(2, true);
	given_buffers(B, 8);
	plain(A, 9, 100);
	put_frame(A, 100, 0, 0, 0);
	plain(A, B, 100);
	put_frame(A, 100, 0, 0, 0);
	push(A);
	world.now_ns += 1000000;
	world_run();
	CU_ASSERT_TRUE(arrives(B, 100));
	CU_ASSERT_EQUAL(answer(A), 99);		/* the card does not have the first one yet */
	world_card_completes(1);
	world_run();
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
}

static void who_leaves_waits_for_the_card(void)		/* NB4 */
{
	given_running(2, true);
	sends(A, plain(A, C, 900));
	world_detach(A);
	CU_ASSERT_FALSE(attach_obey());
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
	world_card_completes(1);
	world_run();
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_DETACHED);
	world_attach(A, 1);
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(world_status(A)->answer, DRIVER_ATTACHED);
}

/* ---- events ---- */

/* Woken, it fetches all there is and asks to be woken again; what was not answered. */
static uint32_t fetches(uint32_t number)
{
	struct world_queue *queue = &world.guest[number].queue[0];

	while (queue->is_kicked) {
		queue->is_kicked = false;
		do
			while (answer(number) != 99)
				;
		while (ring_front_sleep(&queue->tx, 1) > 0);
	}
	return queue->tx.req_put - queue->tx.rsp_cons;
}

static void a_sender_has_one_event_for_many_answers(void)
{
	const uint32_t packets = 960, under_way = 48;

	given_running(2, true);
	world.depth = WORLD_FLYING;
	fetches(A);
	world.guest[A].queue[0].kicks = 0;
	plain(A, 9, 100);
	for (uint32_t sent = 0; sent < packets || fetches(A);) {
		for (; sent < packets && fetches(A) < under_way; sent++)
			put_frame(A, 100, 0, 0, 0);
		if (ring_front_push(&world.guest[A].queue[0].tx))
			world_kick(A, 0);
		world_round();
		world_card_completes(1);
		world.now_ns += 1000;
		CU_ASSERT_TRUE_FATAL(world.now_ns < 2000000000);
	}
	CU_ASSERT_TRUE(world.guest[A].queue[0].kicks > 0 && world.guest[A].queue[0].kicks <= packets / 20);
}

static void an_answer_waits_for_company_no_longer_than_it_may(void)
{
	uint64_t done_ns;

	given_running(2, true);
	fetches(A);
	world.guest[A].queue[0].kicks = 0;
	plain(A, 9, 100);
	put_frame(A, 100, 0, 0, 0);
	ring_front_push(&world.guest[A].queue[0].tx);
	world_kick(A, 0);
	while (world_round())
		;
	CU_ASSERT_EQUAL_FATAL(world.flying_count, 1);
	world_card_completes(1);
	done_ns = world.now_ns;
	while (world_round())
		;
	CU_ASSERT_EQUAL(world.guest[A].queue[0].kicks, 0);
	CU_ASSERT_TRUE_FATAL(world.wake_ns > done_ns && world.wake_ns <= done_ns + HOLD_NS);	/* it has asked to be woken */
	world.now_ns = world.wake_ns;
	while (world_round())
		;
	CU_ASSERT_EQUAL(world.guest[A].queue[0].kicks, 1);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
}

static void a_burst_from_the_wire_is_one_event(void)
{
	given_running(2, true);
	given_buffers(B, 100);
	world_run();
	world.guest[B].queue[0].kicks = 0;
	for (unsigned int i = 0; i < 12; i++) {
		struct world_frame *arrived = world_card_receives();

		arrived->length = plain(9, B, 200);
		memcpy(arrived->bytes, frame, 200);
	}
	world_run();
	CU_ASSERT_EQUAL(ring_front_look(&world.guest[B].queue[0].rx), 12);
	CU_ASSERT_EQUAL(world.guest[B].queue[0].kicks, 1);
}

/* ---- several queues ---- */

static void given_two_queues(uint32_t guests)
{
	given_queues(guests, 2, false);
	world_back_end();
	world_run();
}

static uint32_t waiting_in(uint32_t number, uint32_t which)
{
	return (uint32_t)ring_front_look(&world.guest[number].queue[which].rx);
}

static void flows_are_spread_and_one_flow_stays_in_its_queue(void)
{
	uint32_t before;

	given_two_queues(2);
	given_buffers_of(B, 0, 100);
	given_buffers_of(B, 1, 100);
	for (uint32_t flow = 0; flow < 32; flow++) {
		uint32_t length = tcp(A, B, 100, true);

		put16(frame + 34, 1000 + flow);
		via = flow % 2;			/* by whichever it is sent */
		put_frame(A, length, VIF_TX_CSUM_BLANK, 0, 0);
		push(A);
	}
	CU_ASSERT_EQUAL(waiting_in(B, 0) + waiting_in(B, 1), 32);
	CU_ASSERT_TRUE(waiting_in(B, 0) >= 8 && waiting_in(B, 1) >= 8);
	before = waiting_in(B, 0);
	for (uint32_t i = 0; i < 8; i++) {
		put_frame(A, tcp(A, B, 100, true), VIF_TX_CSUM_BLANK, 0, 0);
		push(A);
	}
	CU_ASSERT_TRUE(waiting_in(B, 0) == before || waiting_in(B, 0) == before + 8);
	CU_ASSERT_EQUAL(waiting_in(B, 0) + waiting_in(B, 1), 40);
}

static void a_queue_without_buffers_holds_up_no_other(void)	/* NB3 */
{
	uint32_t sent = 0;

	given_two_queues(2);
	given_buffers_of(B, 1, 100);
	for (uint32_t flow = 0; flow < 32; flow++, sent++) {
		uint32_t length = tcp(A, B, 100, true);

		put16(frame + 34, 1000 + flow);
		put_frame(A, length, VIF_TX_CSUM_BLANK, 0, 0);
	}
	push(A);
	CU_ASSERT_TRUE(waiting_in(B, 1) >= 8);
	world.now_ns += RECEIVE_PATIENCE_NS;
	world_run();
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED) + waiting_in(B, 1), sent);
	while (sent > 0 && answer(A) == VIF_STATUS_OKAY)
		sent--;
	CU_ASSERT_EQUAL(sent, 0);
}

static void given_flows_to(uint32_t from, uint32_t to)
{
	for (via = 0; via < WORLD_QUEUES; via++) {
		for (uint32_t flow = 0; flow < VIF_RING_SLOTS; flow++) {
			uint32_t length = tcp(from, to, 100, true);

			put16(frame + 34, 1000 + flow);
			put_frame(from, length, VIF_TX_CSUM_BLANK, 0, 0);
		}
		push(from);
	}
	via = 0;
}

/* Four queues are full of what their guests do not fetch, or may not get yet: more than there are packets. */
static void who_does_not_fetch_keeps_no_packets_from_the_others(void)	/* NB3 */
{
	for (uint32_t is_limited = 0; is_limited < 2; is_limited++) {
		given_queues(WORLD_GUESTS, WORLD_QUEUES, true);
		for (uint32_t number = A; is_limited && number <= B; number++) {
			net_of(number)->to_guest = (struct driver_rate){ 1000, 1 };
			given_buffers_of(number, 0, VIF_RING_SLOTS);
			given_buffers_of(number, 1, VIF_RING_SLOTS);
		}
		given_buffers_of(C, 0, 8);
		world_back_end();
		world_run();
		given_flows_to(A, B);
		given_flows_to(D, A);
		sends(C, plain(C, 9, 300));
		world_card_completes(1);
		world_run();
		CU_ASSERT_EQUAL(answer(C), VIF_STATUS_OKAY);
		CU_ASSERT_EQUAL(wire_count, 1);
		comes(frame, plain(9, C, 300), 0);
		world_run();
		CU_ASSERT_TRUE(arrives(C, 300));
		CU_ASSERT_TRUE(net.free_count < PACKETS_FOR_COPIES + 2 * PACKETS_FOR_OTHERS);	/* the rest waits still */
		world_end();
	}
}

/* So many rounds, each with a frame from the wire that is nobody's: in how many of them did it say that it owes nothing? */
static uint32_t rests_in_a_flood(uint32_t rounds)
{
	uint32_t before = world.rests;

	for (uint32_t i = 0; i < rounds; i++) {
		comes(frame, plain(9, 8, 300), 0);
		CU_ASSERT_TRUE(world_round());
	}
	return world.rests - before;
}

static void who_does_not_fetch_is_nothing_that_a_driver_owes(void)	/* NB3 */
{
	given_running(2, true);
	sends(A, plain(A, B, 200));
	CU_ASSERT_EQUAL(answer(A), 99);
	CU_ASSERT_EQUAL(rests_in_a_flood(9), 9);
	for (uint32_t i = 0; i < TRANSMIT_BATCH + 2; i++)
		put_frame(A, plain(A, B, 200), 0, 0, 0);
	ring_front_push(&world.guest[A].queue[0].tx);
	world_kick(A, 0);
	CU_ASSERT_EQUAL(rests_in_a_flood(1), 0);	/* it has not taken all that there is */
	CU_ASSERT_EQUAL(rests_in_a_flood(9), 9);
	world.now_ns += RECEIVE_PATIENCE_NS;
	CU_ASSERT_EQUAL(rests_in_a_flood(9), 0);	/* all is dropped */
	world_run();
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(net.owed, 0);
}

/* Of 64 KiB each, or small ones that are joined. */
static void given_arrivals_for(uint32_t guests, bool is_stream)
{
	for (uint32_t i = 0; i < 128; i++) {
		uint32_t length = is_stream ? segment(i * 1000, 1000, true) : plain(9, A, 65000);

		for (uint32_t number = A; number < guests; number++) {
			frame[5] = (uint8_t)(number + 1);
			comes(frame, length, NET_CSUM_VALID);
		}
		world_run();
	}
}

/* The card has buffers still, for those who may receive. */
static void who_may_not_receive_keeps_no_buffers_from_the_others(void)	/* NB3 */
{
	for (uint32_t guests = 1; guests <= 3; guests += 2)
		for (uint32_t is_stream = 0; is_stream < 2; is_stream++) {
			given(WORLD_GUESTS, true);
			for (uint32_t number = A; number < guests; number++) {
				net_of(number)->to_guest = (struct driver_rate){ 1000, 1 };
				given_buffers(number, VIF_RING_SLOTS);
			}
			given_buffers(D, 8);
			world_back_end();
			world_run();
			given_arrivals_for(guests, is_stream);
			CU_ASSERT_TRUE(net.port[A]->held && net.port[A]->held <= HELD_BY_ONE(WORLD_POOL));
			CU_ASSERT_TRUE(net.held && net.held <= HELD_BY_ALL(WORLD_POOL));
			CU_ASSERT_TRUE(buffer_free_count() + world.buffer_count >= WORLD_POOL - HELD_BY_ALL(WORLD_POOL));
			CU_ASSERT_TRUE(counted(A, DRIVER_RX_DROPPED) > 0);
			comes(frame, plain(9, D, 300), 0);
			world_run();
			CU_ASSERT_TRUE(arrives(D, 300));
			world.now_ns += driver_domain_device_ns();
			world_run();
			CU_ASSERT_EQUAL(net.held, 0);
			CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
			world_end();
		}
	given(1, false);
}

static void what_waits_for_a_guest_that_leaves_is_held_no_more(void)	/* NB3 */
{
	given(2, true);
	net_of(A)->to_guest = (struct driver_rate){ 1000, 1 };
	given_buffers(A, 8);
	world_back_end();
	world_run();
	sends(B, plain(B, A, 300));
	for (uint32_t i = 0; i < 4; i++)
		comes(frame, plain(9, A, 300), 0);
	world_run();
	CU_ASSERT_EQUAL(net.held, 4);
	world_detach(A);
	CU_ASSERT_TRUE(attach_obey());
	world_run();
	CU_ASSERT_EQUAL(net.held, 0);
	CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
}

static void one_queue_that_lies_ends_its_attachment_with_all_queues(void)
{
	given_two_queues(3);
	world.guest[A].queue[1].tx.shared->req_prod = 300;
	world_kick(A, 1);
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_PTR_NOT_NULL(strstr(world_status(A)->text, "queue 1"));
	CU_ASSERT_TRUE(!world.guest[A].queue[0].local_port && !world.guest[A].queue[1].local_port);
	CU_ASSERT_NOT_EQUAL(world.guest[B].queue[1].local_port, 0);
}

static void an_attachment_of_which_one_ring_cannot_be_mapped_is_refused(void)
{
	given_queues(3, 2, false);
	world_withdraw(A, world.table->attachment[A].queue[1].ring_ref[1]);
	world_back_end();
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));
	CU_ASSERT_TRUE(!world.guest[A].queue[0].local_port && !world.guest[A].queue[1].local_port);
	CU_ASSERT_EQUAL(world_status(B)->answer, DRIVER_ATTACHED);
}

/* ---- what Dom0 wants ---- */

static void given_a_packet_for_each_buffer(uint32_t packets)
{
	world_back_end();
	world_run();
	given_buffers(B, packets);
	plain(A, B, 1000);
	for (unsigned int i = 0; i < packets; i++)
		put_frame(A, 1000, 0, 0, 0);
}

static uint32_t arrived_after_ms(uint32_t ms)
{
	struct vif_rx_response first;
	struct vif_extra extra;
	uint32_t passed = 0;

	for (uint64_t end_ns = world.now_ns + ms * 1000000ull; world.now_ns < end_ns; world.now_ns += 1000000)
		push(A);
	while (receives(B, &first, &extra) == 1000)
		passed++;
	return passed;
}

static void a_limit_is_kept(void)
{
	uint32_t passed;

	given(2, false);
	net_of(A)->from_guest = (struct driver_rate){ 1000000, 20000 };
	given_a_packet_for_each_buffer(200);
	passed = arrived_after_ms(100);
	CU_ASSERT_TRUE(passed >= 117 && passed <= 123);	/* 100 ms at 1 MB/s, and the burst */
	while (passed > 0 && answer(A) == VIF_STATUS_OKAY)
		passed--;
	CU_ASSERT_TRUE(passed == 0 && answer(A) == 99);	/* the others stay in the ring */
}

static void a_limit_to_the_guest_is_kept(void)
{
	uint32_t passed;

	given(2, false);
	net_of(B)->to_guest = (struct driver_rate){ 1000000, 20000 };
	given_a_packet_for_each_buffer(200);
	passed = arrived_after_ms(100);
	CU_ASSERT_TRUE(passed >= 117 && passed <= 123);
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED), 0);
	CU_ASSERT_TRUE(arrived_after_ms(100) == 200 - passed);	/* the rest comes later, and is not lost */
}

/* At 1,000 bytes a second each packet takes one second, and nobody has patience for more than half of what a device may take. */
static void a_limit_to_the_guest_holds_nobody_up_for_long(void)	/* NB3 */
{
	given(2, false);
	net_of(B)->to_guest = (struct driver_rate){ 1000, 1 };
	given_a_packet_for_each_buffer(20);
	push(A);
	CU_ASSERT_TRUE(arrives(B, 1000) && nothing_arrives(B));
	CU_ASSERT_TRUE(answer(A) == VIF_STATUS_OKAY && answer(A) == 99);
	CU_ASSERT_TRUE(world.wake_ns <= world.now_ns + driver_domain_device_ns() / 2);
	world.now_ns += driver_domain_device_ns() / 2;
	world_run();
	for (unsigned int i = 1; i < 20; i++)
		CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_EQUAL(counted(B, DRIVER_RX_DROPPED), 19);
}

/* A front-end that forgets to send an event, or whose event is lost: Dom0 has the driver look (driver.md, section 3). */
static void a_change_of_the_table_has_all_rings_looked_at(void)
{
	given_running(2, false);
	given_buffers(B, 8);
	put_frame(A, plain(A, B, 500), 0, 0, 0);
	ring_front_push(&world.guest[A].queue[0].tx);
	world_run();
	CU_ASSERT_TRUE(nothing_arrives(B));
	world.table->changed += 7;
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(net.port[A]->queue[0]->tx.ledger->looked, world.table->changed);
	CU_ASSERT_EQUAL(net.port[A]->queue[0]->tx.ledger->seen, 1);
	world_run();
	CU_ASSERT_TRUE(arrives(B, 500));
}

/* Dom0 is told of no more than what the driver goes on by, and that is not taken back (ledger.md, section 8). */
static void what_dom0_is_told_of_a_ring_is_what_counts(void)
{
	given_running(2, false);
	given_buffers(B, 8);
	put_frame(A, plain(A, B, 500), 0, 0, 0);
	ring_front_push(&world.guest[A].queue[0].tx);
	world.table->changed++;
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(net.port[A]->queue[0]->tx.ledger->seen, 1);
	world.guest[A].queue[0].tx.shared->req_prod = 0;
	world_run();
	CU_ASSERT_TRUE(is_dropped(A));

	world.guest[B].queue[0].tx.shared->req_prod = 300;
	world.table->changed++;
	CU_ASSERT_TRUE(attach_obey());
	CU_ASSERT_EQUAL(net.port[B]->queue[0]->tx.ledger->seen, 0);
	world_run();
	CU_ASSERT_TRUE(is_dropped(B));
}

/* From the guest and to it: 100,000 bytes were saved up, and pass at 2 MB/s until they are gone, then at 1 MB/s. */
static void a_burst_passes_no_faster_than_its_peak(void)
{
	const struct driver_rate average = { 1000000, 100000 }, peak = { 2000000, 10000 };

	for (unsigned int to_guest = 0; to_guest < 2; to_guest++) {
		uint32_t first, second;

		given(2, false);
		*(to_guest ? &net_of(B)->to_guest : &net_of(A)->from_guest) = average;
		*(to_guest ? &net_of(B)->to_guest_peak : &net_of(A)->from_guest_peak) = peak;
		given_a_packet_for_each_buffer(250);
		first = arrived_after_ms(40);
		second = first + arrived_after_ms(80);
		CU_ASSERT_TRUE(first >= 87 && first <= 93);
		CU_ASSERT_TRUE(second >= 217 && second <= 223);
		world_end();
	}
}

static void a_link_that_is_down_carries_nothing(void)
{
	given(2, false);
	world.table->attachment[B].flags &= ~DRIVER_NET_LINK_UP;
	world_back_end();
	world_run();
	given_buffers(B, 8);
	sends(A, plain(A, B, 100));
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(nothing_arrives(B));
	CU_ASSERT_TRUE(counted(B, DRIVER_RX_DROPPED) == 1 && counted(A, DRIVER_TX_PACKETS) == 1 && counted(A, DRIVER_TX_DROPPED) == 0);
	sends(B, plain(B, A, 100));
	CU_ASSERT_EQUAL(answer(B), VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(counted(B, DRIVER_TX_DROPPED) == 1 && counted(B, DRIVER_TX_PACKETS) == 0);
	world.table->attachment[B].flags |= DRIVER_NET_LINK_UP;
	attach_obey();
	sends(A, plain(A, B, 100));
	CU_ASSERT_TRUE(arrives(B, 100));
}

/* A card without a link sends nothing of what it has: it is ready, copied, or waits for a copy. */
static void nobody_waits_for_a_link_that_is_lost(void)
{
	for (uint32_t can = 0; can < 2; can++) {
		given(2, true);
		world.device.does_csum = world.device.does_tso = can;
		world_back_end();
		world_run();
		for (uint32_t i = 0; i < 12; i++)
			put_frame(A, tcp(A, 9, 55000, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, 1448);
		put_frame(B, plain(B, 9, 300), 0, 0, 0);
		push(A);
		push(B);
		CU_ASSERT_TRUE(net.wire_flying && answer(A) == 99 && answer(B) == 99);
		world.is_unplugged = true;
		net_tick();
		world_run();
		for (uint32_t i = 0; i < 12 * 15; i++)
			CU_ASSERT_TRUE(answer(A) != 99);
		CU_ASSERT_EQUAL(answer(A), 99);
		CU_ASSERT_EQUAL(answer(B), VIF_STATUS_OKAY);
		CU_ASSERT_TRUE(net.wire_flying == 0 && world.flying_count == 0);
		CU_ASSERT_TRUE(counted(A, DRIVER_TX_DROPPED) >= 12 && counted(B, DRIVER_TX_DROPPED) == 1);
		CU_ASSERT_EQUAL(net.free_count, PACKETS);
		CU_ASSERT_EQUAL(buffer_free_count() + world.buffer_count, WORLD_POOL);
		world.is_unplugged = false;
		net_tick();
		given_buffers(B, 8);
		sends(B, plain(B, 9, 300));
		comes(frame, plain(9, B, 300), 0);
		world_run();
		CU_ASSERT_TRUE(world.flying_count == 1 && arrives(B, 300));
		world_end();
	}
	given(1, false);
}

static void what_the_wire_cannot_take_is_counted(void)
{
	given(2, true);
	world.is_unplugged = true;
	world_back_end();
	world_run();
	sends(A, plain(A, 9, 100));
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(counted(A, DRIVER_TX_DROPPED) == 1 && world.flying_count == 0);
	world.is_unplugged = false;
	net_tick();
	sends(A, plain(A, 9, 100));
	CU_ASSERT_TRUE(counted(A, DRIVER_TX_DROPPED) == 1 && world.flying_count == 1);
	world.device.mtu = 500;			/* less than the guest's, and it is no segment that could be cut */
	sends(A, plain(A, 9, 1000));
	CU_ASSERT_TRUE(counted(A, DRIVER_TX_DROPPED) == 2 && world.flying_count == 1);
}

/* Also of one that was long enough with a tag on it. A guest may have it: there is no card between. */
static void a_frame_that_is_nothing_but_its_header_does_not_reach_the_card(void)
{
	given_running(2, true);
	given_buffers(B, 8);
	for (uint32_t length = 14; length < 17; length++)
		sends(A, plain(A, 9, length));
	plain(A, 9, 18);
	memmove(frame + 16, frame + 12, 2);
	put16(frame + 12, ETHER_VLAN);
	put16(frame + 14, 5 << 13);
	sends(A, 18);
	CU_ASSERT_TRUE(world.flying_count == 0 && counted(A, DRIVER_TX_DROPPED) == 4);
	sends(A, plain(A, 9, 17));
	CU_ASSERT_TRUE(world.flying_count == 1 && counted(A, DRIVER_TX_DROPPED) == 4);
	sends(A, plain(A, B, 14));
	CU_ASSERT_TRUE(arrives(B, 14));
}

static void a_frame_that_the_card_never_takes_holds_up_nobody(void)
{
	uint32_t buffers;

	given_running(2, true);
	world_run();
	buffers = buffer_free_count();
	world.refused_length = 333;
	plain(A, 9, 333);
	put_frame(A, 333, 0, 0, 0);
	put_frame(A, 400, 0, 0, 0);
	push(A);
	sends(B, plain(B, 9, 500));
	CU_ASSERT_TRUE(world.flying_count == 2 && net.wire_flying == 2 && counted(A, DRIVER_TX_DROPPED) == 1);
	world_card_completes(2);
	world_run();
	CU_ASSERT_TRUE(answer(A) == VIF_STATUS_OKAY && answer(A) == VIF_STATUS_OKAY && answer(B) == VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(net.free_count == PACKETS && buffer_free_count() == buffers);
}

/* A card that segments is told of no longer frames than it can send, nor than Dom0 lets the guest send. */
static void segments_are_no_longer_than_frames_may_be(void)
{
	static const struct { uint16_t gso_bytes; uint32_t payload, guests_mtu; bool is_sent; } packets[] = {
		{ 60000, 64000, 9000, false }, { 9100, 64000, 9000, false }, { 1448, 64000, 9000, true }, { 1460, 64000, 1500, true },
		{ 1461, 64000, 9000, false }, { 961, 64000, 1000, false }, { 960, 64000, 1000, true }, { 60000, 1448, 9000, true },
	};

	for (uint32_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		given(1, true);
		net_of(A)->mtu = packets[i].guests_mtu;
		world_back_end();
		world_run();
		put_frame(A, tcp(A, C, packets[i].payload, true), VIF_TX_CSUM_BLANK, VIF_GSO_TCPV4, packets[i].gso_bytes);
		push(A);
		CU_ASSERT_EQUAL(world.flying_count, packets[i].is_sent);
		CU_ASSERT_EQUAL(counted(A, DRIVER_TX_DROPPED), !packets[i].is_sent);
		CU_ASSERT_EQUAL(answer(A) == 99, packets[i].is_sent);
		world_end();
	}
	given(1, false);
}

static void what_is_for_the_link_alone_is_not_forwarded(void)
{
	given_running(2, true);
	given_buffers(B, 8);
	plain(A, B, 100);
	memcpy(frame, (uint8_t[]){ 1, 0x80, 0xc2, 0, 0, 0 }, 6);
	sends(A, 100);
	CU_ASSERT_EQUAL(answer(A), VIF_STATUS_OKAY);
	CU_ASSERT_TRUE(nothing_arrives(B));
	CU_ASSERT_EQUAL(world.flying_count, 0);
}

#define CASE(function) { #function, function }

int main(void)
{
	static const struct { const char *name; void (*run)(void); } cases[] = {
		CASE(an_index_that_jumps_ends_that_attachment_alone),
		CASE(a_receive_index_that_jumps_ends_that_attachment_alone),
		CASE(an_index_that_runs_backwards_ends_that_attachment),
		CASE(a_packet_that_is_not_whole_ends_that_attachment),
		CASE(an_extra_that_never_comes_ends_that_attachment),
		CASE(shapes_that_cannot_be_are_answered_with_an_error_and_no_more),
		CASE(more_bytes_in_the_slots_than_in_the_packet_is_an_error),
		CASE(a_chain_of_too_many_slots_is_an_error),
		CASE(a_grant_that_does_not_exist_is_the_senders_error),
		CASE(a_buffer_that_cannot_be_written_is_the_receivers_error),
		CASE(segments_that_cannot_be_are_an_error),
		CASE(headers_that_point_beyond_the_packet_are_an_error),
		CASE(headers_that_are_rewritten_arrive_as_they_were_judged),
		CASE(a_receiver_without_buffers_holds_nobody_up_for_long),
		CASE(a_buffer_now_and_then_makes_nobody_wait),
		CASE(a_damaged_ledger_ends_that_attachment_alone),
		CASE(a_ledger_that_is_wrong_from_the_start_is_no_loss),
		CASE(a_ring_that_cannot_be_mapped_is_refused_and_said_so),
		CASE(more_queues_than_there_may_be_are_refused),
		CASE(a_foreign_source_address_is_dropped),
		CASE(arp_claims_only_what_is_listed),
		CASE(ip4_comes_only_from_what_is_listed),
		CASE(neighbour_discovery_claims_only_what_is_listed),
		CASE(discovery_behind_extension_headers_is_found),
		CASE(vlans_do_not_meet_and_are_tagged_on_the_wire),
		CASE(a_tag_is_for_a_trunk_and_only_for_its_vlans),
		CASE(a_mirror_hears_one_port_and_says_nothing),
		CASE(nobody_takes_over_an_address_that_was_given),
		CASE(a_guest_teaches_only_so_many_addresses),
		CASE(the_wire_teaches_only_so_many_addresses),
		CASE(what_is_not_heard_again_is_forgotten),
		CASE(a_given_address_takes_a_learned_ones_place),
		CASE(what_a_receiver_cannot_segment_is_segmented),
		CASE(segments_that_find_no_room_are_not_made),
		CASE(nothing_is_done_for_a_queue_that_is_full),
		CASE(a_packet_is_no_more_than_so_many_segments),
		CASE(a_packet_of_64_kib_is_one_packet),
		CASE(a_blank_checksum_is_filled_in_for_who_needs_it),
		CASE(a_card_that_can_do_nothing_gets_whole_segments),
		CASE(a_card_that_can_do_nothing_gets_segments_of_all_shapes),
		CASE(a_card_that_can_do_nothing_gets_packets_of_all_shapes),
		CASE(a_joined_frame_from_the_wire_reaches_a_guest_as_it_is),
		CASE(segments_of_one_stream_arrive_as_one_packet),
		CASE(what_is_not_one_stream_is_not_joined),
		CASE(a_wrong_checksum_arrives_as_it_came),
		CASE(longer_segments_and_what_follows_a_short_one_begin_anew),
		CASE(a_joined_packet_has_no_more_pieces_than_a_packet_may),
		CASE(who_cannot_segment_gets_frames_as_they_came),
		CASE(tagged_segments_are_joined_for_who_is_in_their_vlan),
		CASE(an_answer_waits_for_the_card),
		CASE(an_answer_waits_for_those_before_it),
		CASE(more_than_there_are_packets_goes_out),
		CASE(who_sends_keeps_no_packets_from_who_receives),
		CASE(nobody_is_kept_from_sending_by_the_others),
		CASE(more_than_the_pool_has_goes_out),
		CASE(who_leaves_waits_for_the_card),
		CASE(a_sender_has_one_event_for_many_answers),
		CASE(an_answer_waits_for_company_no_longer_than_it_may),
		CASE(a_burst_from_the_wire_is_one_event),
		CASE(flows_are_spread_and_one_flow_stays_in_its_queue),
		CASE(a_queue_without_buffers_holds_up_no_other),
		CASE(who_does_not_fetch_keeps_no_packets_from_the_others),
		CASE(who_does_not_fetch_is_nothing_that_a_driver_owes),
		CASE(who_may_not_receive_keeps_no_buffers_from_the_others),
		CASE(what_waits_for_a_guest_that_leaves_is_held_no_more),
		CASE(one_queue_that_lies_ends_its_attachment_with_all_queues),
		CASE(an_attachment_of_which_one_ring_cannot_be_mapped_is_refused),
		CASE(a_limit_is_kept),
		CASE(a_limit_to_the_guest_is_kept),
		CASE(a_limit_to_the_guest_holds_nobody_up_for_long),
		CASE(a_change_of_the_table_has_all_rings_looked_at),
		CASE(what_dom0_is_told_of_a_ring_is_what_counts),
		CASE(a_burst_passes_no_faster_than_its_peak),
		CASE(a_link_that_is_down_carries_nothing),
		CASE(nobody_waits_for_a_link_that_is_lost),
		CASE(what_the_wire_cannot_take_is_counted),
		CASE(a_frame_that_is_nothing_but_its_header_does_not_reach_the_card),
		CASE(a_frame_that_the_card_never_takes_holds_up_nobody),
		CASE(segments_are_no_longer_than_frames_may_be),
		CASE(what_is_for_the_link_alone_is_not_forwarded),
	};
	unsigned int count = sizeof(cases) / sizeof(cases[0]), failures;
	CU_pSuite suite;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite_with_setup_and_teardown("the network back-end", NULL, NULL, NULL, world_end);
	for (unsigned int i = 0; i < count; i++)
		CU_add_test(suite, cases[i].name, cases[i].run);
	CU_basic_set_mode(CU_BRM_NORMAL);
	failures = CU_basic_run_tests() == CUE_SUCCESS ? CU_get_number_of_failures() : 1;
	failures += CU_get_number_of_tests_run() != count;
	CU_cleanup_registry();
	return failures ? 1 : 0;
}
