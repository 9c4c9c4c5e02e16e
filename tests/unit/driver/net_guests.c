/* SPDX-License-Identifier: MIT */
#include "net_guests.h"

#include <stdlib.h>
#include <string.h>

#define HEADERS		54u		/* Ethernet, IPv4, TCP */
#define RECORDS		1024u
#define WIRE_RECORDS	65536u
#define MARK		0x5be10000u
#define FLOWS		4u		/* of one guest to another: they come by different queues */

struct guests guests;
uint32_t guests_honest = WORLD_GUESTS;

/* What stands behind the headers, and then bytes that follow from it. */
struct record {
	uint32_t mark, from, sequence, bytes;
};

struct sent {
	uint32_t to, sequence;
	uint32_t got;			/* a bit for each receiver */
	uint64_t at;			/* world.steps */
};

struct side {
	uint8_t *tx_page[VIF_RING_SLOTS], *rx_page[VIF_RING_SLOTS];
	uint32_t tx_gref[VIF_RING_SLOTS], rx_gref[VIF_RING_SLOTS];
	uint16_t tx_id[VIF_RING_SLOTS], rx_id[VIF_RING_SLOTS];	/* by index */
	uint32_t tx_sequence[VIF_RING_SLOTS];			/* by index of the packet's last slot; 0: not the last */
	bool tx_is_extra[VIF_RING_SLOTS];
	uint16_t tx_free[VIF_RING_SLOTS], tx_free_count;
	uint32_t sequence;		/* that of a packet has the queue's number as well: none is used again while the queue has it */
};

struct front {
	uint64_t released_at;		/* world.steps, when it was last aside */
	struct sent sent[RECORDS];
	struct side side[WORLD_QUEUES];	/* of each queue */
	uint8_t packet[WORLD_FRAME_MAX];
	uint32_t packet_bytes;
};

static struct front front[WORLD_GUESTS];
static struct sent wire_sent[WIRE_RECORDS];

static void wrong(const char *what)
{
	if (!guests.wrong++)
		guests.first_wrong = what;
}

static uint8_t pattern(uint32_t sequence, uint32_t i)
{
	return (uint8_t)(sequence * 31 + i * 7 + (i >> 8));
}

/* ---- receiving ---- */

/* A frame of the card's, once counted. */
static void wire_frame_received(uint32_t by, uint32_t sequence)
{
	struct sent *sent = &wire_sent[sequence % WIRE_RECORDS];

	if (sent->sequence != sequence || sent->to != by)
		return;
	guests.wire_got += !sent->got;
	sent->got = 1;
}

static void record_received(uint32_t by, const struct record *record)
{
	struct sent *sent;

	guests.received++;
	if (record->from == TO_WIRE)
		return wire_frame_received(by, record->sequence);
	sent = &front[record->from].sent[record->sequence % RECORDS];
	if (sent->sequence == record->sequence) {
		sent->got |= 1u << by;
		if (sent->to != by && sent->to != TO_ALL)
			wrong("a packet went to somebody else");
	}
}

/* Frames of a stream may have been joined: what was behind the headers of one stands behind the other's. */
static void note_received(uint32_t by, const uint8_t *bytes, uint32_t length)
{
	uint32_t at = HEADERS;
	struct record record;

	do {
		if (length < at + sizeof(record)) {
			if (!guests.has_strangers)
				wrong("a packet is too short");
			return;
		}
		memcpy(&record, bytes + at, sizeof(record));
		if (record.mark != MARK && guests.has_strangers)
			return;
		if (record.mark != MARK || record.from > TO_WIRE || record.bytes < HEADERS + sizeof(record) || record.bytes - HEADERS > length - at)
			return wrong("a packet is not as it was sent");
		for (uint32_t i = HEADERS + sizeof(record); i < record.bytes; i++)
			if (bytes[at + i - HEADERS] != pattern(record.sequence, i))
				return wrong("a packet has other bytes than were sent");
		guests.joined += at != HEADERS;
		at += record.bytes - HEADERS;
		record_received(by, &record);
	} while (at != length);
}

/* Sums of 16-bit words. */
static uint32_t words(const uint8_t *bytes, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static bool sums_are_right(const uint8_t *bytes, uint32_t length)
{
	uint32_t ip = words(bytes + 14, 20), tcp = words(bytes + 34, length - 34) + words(bytes + 26, 8) + 6 + length - 34;

	while (ip >> 16)
		ip = (ip & 0xffff) + (ip >> 16);
	while (tcp >> 16)
		tcp = (tcp & 0xffff) + (tcp >> 16);
	return ip == 0xffff && tcp == 0xffff;
}

/* Of a packet that was cut the segments come one behind the other; after a death they come again, from the first. */
static void segment_got(const struct world_frame *frame)
{
	static uint8_t whole[WORLD_FRAME_MAX];
	static uint32_t bytes;
	uint32_t sequence = get32(frame->bytes + 38);
	struct record record;

	if (!sums_are_right(frame->bytes, frame->length) || get16(frame->bytes + 16) != frame->length - 14)
		return wrong("a segment has a checksum or a length that is not right");
	if (!sequence) {
		memcpy(whole, frame->bytes, HEADERS);
		bytes = HEADERS;
	}
	if (sequence != bytes - HEADERS || memcmp(whole, frame->bytes, 16) || memcmp(whole + 26, frame->bytes + 26, 8))
		return wrong("a segment is out of its turn");
	if (get16(frame->bytes + 18) != sequence / 1448)
		wrong("a segment has another's identification");
	memcpy(whole + bytes, frame->bytes + HEADERS, frame->length - HEADERS);
	bytes += frame->length - HEADERS;
	memcpy(&record, whole + HEADERS, sizeof(record));
	guests.segments++;
	if (bytes == record.bytes)
		note_received(TO_WIRE, whole, bytes);
	else if (bytes > record.bytes || frame->length != HEADERS + 1448)
		wrong("a segment is of another size");
}

static void wire_got(const struct world_frame *frame)
{
	/* Of those that the guests send only what was cut has checksums that are right. */
	if (!net.device->does_csum && frame->flags & NET_CSUM_VALID)
		segment_got(frame);
	else
		note_received(TO_WIRE, frame->bytes, frame->length);
}

static void buffers_post(uint32_t number, uint32_t which)
{
	struct world_queue *queue = &world.guest[number].queue[which];
	struct side *side = &front[number].side[which];

	while (ring_front_free(&queue->rx)) {
		uint16_t id = queue->rx.req_put % VIF_RING_SLOTS;
		struct vif_rx_request request = { .id = id };

		request.gref = side->rx_gref[id] = world_lend(number, side->rx_page[id], false);
		side->rx_id[ring_front_put(&queue->rx, &request, sizeof(request)) % VIF_RING_SLOTS] = id;
	}
	if (ring_front_push(&queue->rx))
		world_kick(number, which);
}

/* One packet: its first slot, an extra perhaps, the rest. */
static void receive_one(uint32_t number, uint32_t which)
{
	struct ring_front *ring = &world.guest[number].queue[which].rx;
	struct front *one = &front[number];
	struct side *side = &one->side[which];
	bool is_extra = false, has_more = true;

	one->packet_bytes = 0;
	while (is_extra || has_more) {
		uint16_t id = side->rx_id[ring->rsp_cons % VIF_RING_SLOTS];
		struct vif_rx_response response;

		if (ring_front_take(ring, &response, sizeof(response)) != 1)
			return wrong("a packet is not whole when its first slot is published");
		world_withdraw(number, side->rx_gref[id]);
		if (is_extra) {
			is_extra = false;
			continue;
		}
		if (response.id != id)
			wrong("a receive response has another id");
		if (response.status < 0 || response.offset + response.status > 4096) {
			guests.errors++;
			return;
		}
		if (one->packet_bytes + (uint32_t)response.status > sizeof(one->packet))
			return wrong("a packet is larger than any");
		memcpy(one->packet + one->packet_bytes, side->rx_page[id] + response.offset, (size_t)response.status);
		one->packet_bytes += (uint32_t)response.status;
		is_extra = response.flags & VIF_RX_EXTRA;
		has_more = response.flags & VIF_RX_MORE;
	}
	note_received(number, one->packet, one->packet_bytes);
}

static void receive_all(uint32_t number, uint32_t which)
{
	struct ring_front *ring = &world.guest[number].queue[which].rx;
	int waiting;

	do {
		while ((waiting = ring_front_look(ring)) > 0)
			receive_one(number, which);
		if (waiting < 0)
			wrong("the receive ring's rsp_prod is a lie");
	} while (ring_front_sleep(ring, 1) > 0);
	buffers_post(number, which);
}

/* ---- sending ---- */

static void headers_make(uint8_t *bytes, uint32_t number, uint32_t to, uint32_t length)
{
	uint8_t target[6] = { 2, 0, 0, 0, 0, (uint8_t)(to + 1) }, source[6] = { 2, 0, 0, 0, 0, (uint8_t)(number + 1) };

	memset(bytes, 0, HEADERS);
	if (to == TO_ALL)
		memset(target, 255, 6);
	memcpy(bytes, target, 6);
	memcpy(bytes + 6, source, 6);
	put16(bytes + 12, 0x0800);
	bytes[14] = 0x45;
	put16(bytes + 16, length - 14);
	bytes[22] = 64;
	bytes[23] = 6;
	put32(bytes + 26, 0x0a000001 + number);
	put32(bytes + 30, 0x0a000001 + to);
	bytes[46] = 0x50;
}

static void packet_make(uint8_t *bytes, uint32_t number, uint32_t to, uint32_t sequence, uint32_t length)
{
	struct record record = { MARK, number, sequence, length };

	headers_make(bytes, number, to, length);
	if (number != TO_WIRE)
		put16(bytes + 34, sequence / WORLD_QUEUES % FLOWS);
	memcpy(bytes + HEADERS, &record, sizeof(record));
	for (uint32_t i = HEADERS + sizeof(record); i < length; i++)
		bytes[i] = pattern(sequence, i);
}

static uint32_t slot_put(uint32_t number, uint32_t which, const void *request, uint16_t id, bool is_extra)
{
	struct side *side = &front[number].side[which];
	uint32_t index = ring_front_put(&world.guest[number].queue[which].tx, request, VIF_TX_SLOT);

	side->tx_id[index % VIF_RING_SLOTS] = id;
	side->tx_is_extra[index % VIF_RING_SLOTS] = is_extra;
	side->tx_sequence[index % VIF_RING_SLOTS] = 0;
	return index;
}

/* What is for one goes by one queue. */
bool guest_send(uint32_t number, uint32_t to, uint32_t bytes, uint32_t slots, bool is_gso)
{
	uint32_t which = (number + to) % world.guest[number].queues;
	struct front *one = &front[number];
	struct side *side = &one->side[which];
	struct world_queue *queue = &world.guest[number].queue[which];
	uint32_t at = 0, index = 0, sequence = (side->sequence + 1) * WORLD_QUEUES + which;

	if (bytes < 80)
		bytes = 80;
	if (bytes > slots * 4000)
		bytes = slots * 4000;
	if (ring_front_free(&queue->tx) < slots + is_gso || side->tx_free_count < slots)
		return false;
	side->sequence++;
	one->sent[sequence % RECORDS] = (struct sent){ to, sequence, 0, world.steps };
	packet_make(one->packet, number, to, sequence, bytes);
	for (uint32_t slot = 0; slot < slots; slot++) {
		uint16_t id = side->tx_free[--side->tx_free_count], part;
		struct vif_tx_request request = { .id = id, .offset = (uint16_t)(world_below(97)), .flags = slot + 1 < slots ? VIF_TX_MORE : 0 };

		part = (uint16_t)(slot + 1 == slots ? bytes - at : (bytes - at) / (slots - slot));
		request.gref = side->tx_gref[id] = world_lend(number, side->tx_page[id], true);
		request.size = (uint16_t)(slot ? part : bytes);
		if (slot == 0 && is_gso)
			request.flags |= VIF_TX_EXTRA | VIF_TX_CSUM_BLANK;
		memcpy(side->tx_page[id] + request.offset, one->packet + at, part);
		at += part;
		index = slot_put(number, which, &request, id, false);
		if (slot == 0 && is_gso) {
			struct { struct vif_extra extra; uint32_t rest; } gso = { .extra = {
				.type = VIF_EXTRA_GSO, .gso = { .size = 1448, .type = VIF_GSO_TCPV4 } } };

			index = slot_put(number, which, &gso, 0, true);
		}
	}
	side->tx_sequence[index % VIF_RING_SLOTS] = sequence;
	if (ring_front_push(&queue->tx))
		world_kick(number, which);
	guests.sent++;
	return true;
}

static uint32_t wire_sequence;

static void wire_note(uint32_t to)
{
	guests.wire_sent++;
	wire_sent[wire_sequence % WIRE_RECORDS] = (struct sent){ to, wire_sequence, 0, world.steps };
}

void wire_stream(uint32_t to, uint32_t bytes, uint32_t count)
{
	static uint32_t tcp_sequence;

	for (; count > 0; count--) {
		struct world_frame *frame = world_card_receives();

		if (!frame)
			return;
		frame->length = bytes;
		frame->flags = NET_CSUM_VALID;
		frame->gso = NET_GSO_NONE;
		packet_make(frame->bytes, TO_WIRE, to, ++wire_sequence, bytes);
		frame->bytes[20] = 0x40;	/* not to be fragmented */
		put32(frame->bytes + 38, tcp_sequence);
		frame->bytes[47] = 0x10;	/* ACK */
		tcp_sequence += bytes - HEADERS;
		wire_note(to);
	}
}

void wire_send(uint32_t to, uint32_t bytes, bool is_gso)
{
	struct world_frame *frame = world_card_receives();

	if (!frame)
		return;
	frame->length = bytes;
	frame->flags = is_gso ? NET_NEEDS_CSUM : NET_CSUM_VALID;
	frame->gso = is_gso ? NET_GSO_TCP4 : NET_GSO_NONE;
	frame->gso_bytes = 1448;
	packet_make(frame->bytes, TO_WIRE, to, ++wire_sequence, bytes);
	if (to == TO_ALL)
		return;
	wire_note(to);
}

static bool is_excused(uint32_t number, const struct sent *sent)
{
	return guest_is_aside(number) || (front[number].released_at && sent->at <= front[number].released_at);
}

/* NB9: the one that was answered before the wire had it. */
static struct {
	uint32_t number, sequence;
	bool is_open;
} promised;

void promise_settle(void)
{
	const struct sent *sent = &front[promised.number].sent[promised.sequence % RECORDS];

	if (promised.is_open && sent->sequence == promised.sequence && !(sent->got & 1u << TO_WIRE))
		guests.broken++;
	promised.is_open = false;
}

/* There is one at a time: the one before has been kept. */
static void promise(uint32_t number, uint32_t sequence)
{
	promise_settle();
	promised.number = number;
	promised.sequence = sequence;
	promised.is_open = true;
	guests.promised++;
}

/* NB2 and the ledger's promise: who should have an answered packet has it, but who was aside between its sending and its answer. */
static void packet_answered(uint32_t number, uint32_t sequence)
{
	const struct sent *sent = &front[number].sent[sequence % RECORDS];
	uint32_t want = sent->to < TO_ALL ? 1u << sent->to : 0;

	for (uint32_t other = 0; sent->to == TO_ALL && other < WORLD_GUESTS; other++)
		if (world.guest[other].record && other != number)
			want |= 1u << other;
	if (sent->to == TO_ALL && net.device)
		want |= 1u << TO_WIRE;
	for (uint32_t other = 0; other < WORLD_GUESTS; other++)
		if (is_excused(other, sent))
			want &= ~(1u << other);
	guests.answered++;
	want &= ~sent->got;
	if (want == 1u << TO_WIRE && net.device && net.scratch->is_arrived[DEPARTURE])
		promise(number, sequence);
	else if (want)
		guests.lost++;
}

static void answers_take(uint32_t number, uint32_t which)
{
	struct ring_front *ring = &world.guest[number].queue[which].tx;
	struct side *side = &front[number].side[which];
	struct vif_tx_response response;
	int taken;

	do {
		uint32_t index = ring->rsp_cons;
		uint16_t id = side->tx_id[index % VIF_RING_SLOTS];

		taken = ring_front_take(ring, &response, sizeof(response));
		if (taken < 0)
			wrong("the transmit ring's rsp_prod is a lie");
		if (taken <= 0)
			continue;
		if (side->tx_is_extra[index % VIF_RING_SLOTS]) {
			if (response.status != VIF_STATUS_NULL)
				wrong("an extra slot is not answered with NULL");
			continue;
		}
		if (response.id != id)
			wrong("a transmit response has another id");
		if (response.status != VIF_STATUS_OKAY)
			guests.errors++;
		world_withdraw(number, side->tx_gref[id]);
		side->tx_free[side->tx_free_count++] = id;
		if (side->tx_sequence[index % VIF_RING_SLOTS])
			packet_answered(number, side->tx_sequence[index % VIF_RING_SLOTS]);
	} while (taken > 0 || ring_front_sleep(ring, 1) > 0);
}

static void queue_look(uint32_t number, uint32_t which)
{
	if (!world.guest[number].queue[which].is_kicked)
		return;
	world.guest[number].queue[which].is_kicked = false;
	/* Others' packets that this one's answers are about are in their rings already. */
	for (uint32_t other = 0; other < WORLD_GUESTS; other++)
		for (uint32_t i = 0; other < guests_honest && i < world.guest[other].queues; i++)
			receive_all(other, i);
	answers_take(number, which);
}

void guest_look(uint32_t number)
{
	for (uint32_t which = 0; which < world.guest[number].queues; which++)
		queue_look(number, which);
}

bool guest_is_aside(uint32_t number)
{
	const struct driver_attachment_status *status = world_status(number);

	return world.guest[number].record && status->answer == DRIVER_ASIDE && status->serial == world.guest[number].record->serial;
}

void guest_release(uint32_t number)
{
	front[number].released_at = world.steps;
	world.guest[number].record->serial += 1000;
}

uint32_t wire_lost(void)
{
	uint32_t lost = 0;

	for (uint32_t i = 0; i < WIRE_RECORDS; i++)
		lost += wire_sent[i].sequence && !wire_sent[i].got && !is_excused(wire_sent[i].to, &wire_sent[i]);
	return lost;
}

bool guest_sleeps_for_ever(uint32_t number)
{
	for (uint32_t which = 0; which < world.guest[number].queues; which++) {
		struct world_queue *queue = &world.guest[number].queue[which];

		if (!queue->is_kicked && (ring_front_look(&queue->tx) > 0 || ring_front_look(&queue->rx) > 0))
			return true;
	}
	return false;
}

uint32_t guest_owed(uint32_t number)
{
	uint32_t owed = 0;

	for (uint32_t which = 0; which < world.guest[number].queues; which++)
		owed += world.guest[number].queue[which].tx.req_put - world.guest[number].queue[which].tx.rsp_cons;
	return owed;
}

static void side_begin(uint32_t number, uint32_t which)
{
	struct side *side = &front[number].side[which];

	for (uint16_t id = 0; id < VIF_RING_SLOTS; id++) {
		side->tx_page[id] = world_page();
		side->rx_page[id] = world_page();
		side->tx_free[side->tx_free_count++] = id;
	}
	buffers_post(number, which);
}

void guests_begin(void)
{
	memset(&guests, 0, sizeof(guests));
	memset(front, 0, sizeof(front));
	memset(wire_sent, 0, sizeof(wire_sent));
	memset(&promised, 0, sizeof(promised));
	world.sent = wire_got;
	for (uint32_t number = 0; number < WORLD_GUESTS && number < guests_honest; number++)
		for (uint32_t which = 0; which < world.guest[number].queues; which++)
			side_begin(number, which);
}
