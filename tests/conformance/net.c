/* SPDX-License-Identifier: MIT */
/*
 * The scripted wire. What the kernel under test is asked to do: have the address 192.0.2.2/24 on its interface, ping
 * 192.0.2.1 over and over, and answer pings. Both directions are judged by pings: what comes back shows what was received.
 */
#include "../../protocols/vif.h"
#include "packet.h"
#include "roles.h"
#include "script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PENDING_MAX	VIF_RING_SLOTS
#define GATHER_MS	3000u		/* for several packets to come */
#define GSO_OFFERED	(1u << VIF_GSO_TCPV4 | 1u << VIF_GSO_TCPV6)
#define GSO_BYTES_MIN	32u
#define GSO_SEGMENTS_MAX 1024u
#define GSO_HEADERS_MAX	192u		/* behind which they begin */

/* A slot of a packet that is not answered. */
struct tx_slot {
	uint16_t id;
	bool extra;
};

/* A packet in the order of its slots. */
struct sent {
	struct vif_tx_request part[VIF_RING_SLOTS];
	unsigned int parts;
	unsigned int slots;
	bool valid, was_lent;
	uint8_t frame[VIF_PACKET_MAX + 1];
	size_t size;
};

static struct wire tx, rx;
static struct tx_slot unanswered[PENDING_MAX];
static unsigned int unanswered_count;
static struct sent held;		/* the first packet of those that are not answered */
static bool hold;
static struct vif_rx_request posted[VIF_RING_SLOTS];
static unsigned int posted_count;
static const struct packet_host peer = { { 0x00, 0x16, 0x3e, 0, 0, 1 }, { 192, 0, 2, 1 } };
static const uint8_t front_address[4] = { 192, 0, 2, 2 };
static uint8_t front_mac[6];
static bool front_sg;
static bool extra_is_answered;		/* and nothing was sent since */
static uint32_t extra_answered_at;	/* req_prod then */
static bool extra_is_sent;		/* with each packet to the front-end */
static enum rule id_rule = RST_4;
static unsigned int packets;
static struct {
	uint16_t sequence;
	size_t size;
	bool came, wrong;
} echo;

static void dump(FILE *to)
{
	decode_tx_begin();
	wire_dump(to, &tx);
	wire_dump(to, &rx);
}

/* ---------------------------------------------------------------- what a packet must be */

static void id_is_right(uint16_t id)
{
	for (unsigned int i = 0; i < unanswered_count; i++)
		if (!unanswered[i].extra && unanswered[i].id == id)
			rule_broken(id_rule, "an id that no unanswered request has", "transmit id %u twice", id);
	rule_kept(RST_4);
}

/* The next slot of the packet that is being taken, of `*left`. */
static void *slot_take(int *left)
{
	static union { struct vif_tx_request request; struct vif_extra extra; } slot;

	if (*left == 0)
		rule_broken(NET_21, "the packet's other slots before req_prod", "req_prod ends within a packet");
	--*left;
	memset(&slot, 0, sizeof(slot));
	wire_take(&tx, &slot, VIF_TX_SLOT);
	return &slot;
}

static bool extra_is_right(const struct vif_extra *extra, const struct vif_tx_request *first)
{
	if (script.pass > 1 || extra->type != VIF_EXTRA_GSO || extra->flags & ~VIF_EXTRA_MORE) {
		rule_broken(NET_27, script.pass > 1 ? "no extras" : "extras for segmentation, flags 0 or 1", "type %u, flags %#x", extra->type, extra->flags);
		return false;
	}
	rule_kept(NET_27);
	if (extra->gso.type > 31 || !(GSO_OFFERED >> extra->gso.type & 1) || extra->gso.size < GSO_BYTES_MIN ||
	    first->size > GSO_HEADERS_MAX + GSO_SEGMENTS_MAX * extra->gso.size || !(first->flags & VIF_TX_CSUM_BLANK)) {
		rule_broken(NET_28, "type 1 or 2, a size of 32 or more, 1,024 segments at most, VIF_TX_CSUM_BLANK", "type %u, size %u, flags %#x", extra->gso.type,
			    extra->gso.size, first->flags);
		return false;
	}
	rule_kept(NET_28);
	return true;
}

static bool flags_are_right(const struct vif_tx_request *request, bool first)
{
	uint16_t known = first ? VIF_TX_CSUM_BLANK | VIF_TX_VALIDATED | VIF_TX_MORE | VIF_TX_EXTRA : VIF_TX_MORE;

	if (request->flags & ~known) {
		rule_broken(NET_26, first ? "flags 0 to 15" : "flags 0 or 4 behind the first slot", "%#x", request->flags);
		return false;
	}
	rule_kept(NET_26);
	return true;
}

/* A packet begins that was sent behind the answer to an extra. */
static void extra_was_borne(void)
{
	if (!extra_is_answered || (int32_t)(tx.ring.req_cons - extra_answered_at) < 0)
		return;
	extra_is_answered = false;
	rule_kept(NET_32);
}

/* All slots of one packet, from the ring into `packet`. */
static void packet_take(struct sent *packet, int *left)
{
	struct vif_tx_request *part;
	bool extra;

	packet->parts = packet->slots = 0;
	packet->valid = true;
	extra_was_borne();
	do {
		part = &packet->part[packet->parts++];
		*part = *(struct vif_tx_request *)slot_take(left);
		id_is_right(part->id);
		packet->valid &= flags_are_right(part, packet->parts == 1);
		unanswered[unanswered_count++] = (struct tx_slot){ .id = part->id };
		packet->slots++;
		for (extra = packet->parts == 1 && part->flags & VIF_TX_EXTRA; extra;) {
			struct vif_extra found = *(struct vif_extra *)slot_take(left);

			packet->valid &= extra_is_right(&found, &packet->part[0]);
			unanswered[unanswered_count++] = (struct tx_slot){ .extra = true };
			packet->slots++;
			extra = found.flags & VIF_EXTRA_MORE;
		}
	} while (part->flags & VIF_TX_MORE);
	rule_kept(NET_21);
}

/* What lies in each slot's page; the first says the sum of all. */
static bool sizes_are_right(struct sent *packet, unsigned int bytes[])
{
	uint32_t total = packet->part[0].size, rest = 0;

	for (unsigned int i = 1; i < packet->parts; i++)
		rest += bytes[i] = packet->part[i].size;
	bytes[0] = total - rest;
	packet->size = total;
	if (total < 14 || rest >= total) {
		rule_broken(NET_22, "a size of 14 or more, and more than that of the slots behind", "size %u, behind it %u in %u slots",
			    total, rest, packet->parts - 1);
		return false;
	}
	rule_kept(NET_22);
	for (unsigned int i = 0; i < packet->parts; i++)
		if (!bytes[i] || packet->part[i].offset + bytes[i] > RING_PAGE) {
			rule_broken(NET_23, "1 byte or more, within 4096", "offset %u, %u bytes in slot %u of the packet",
				    packet->part[i].offset, bytes[i], i);
			return false;
		}
	rule_kept(NET_23);
	return true;
}

static bool packet_is_right(struct sent *packet, unsigned int bytes[])
{
	if (packet->parts > VIF_PACKET_SLOTS) {
		rule_broken(NET_24, "at most 18 slots", "%u", packet->parts);
		return false;
	}
	rule_kept(NET_24);
	if (script.pass > 1 && packet->parts > 1)
		rule_broken(NET_25, "one slot a packet", "%u", packet->parts);
	if (script.pass > 1)
		rule_kept(NET_25);
	return packet->valid && sizes_are_right(packet, bytes);
}

static bool frame_read(const struct sent *packet, const unsigned int bytes[], uint8_t *frame)
{
	for (unsigned int i = 0; i < packet->parts; frame += bytes[i++])
		if (world_copy_from(packet->part[i].gref, packet->part[i].offset, frame, bytes[i]))
			return false;
	return true;
}

static bool checksum_may_be_blank(const uint8_t *frame, size_t size)
{
	bool ipv6 = frame[12] == 0x86 && frame[13] == 0xdd && script.pass == 1;
	uint8_t protocol = frame[12] == 8 && frame[13] == 0 && size > 23 ? frame[23] : ipv6 && size > 20 ? frame[20] : 0;

	return protocol == 6 || protocol == 17;
}

static void frame_judge(const struct sent *packet)
{
	if (memcmp(packet->frame + 6, front_mac, 6))
		rule_broken(NET_5, "the address in the key mac", "%02x:%02x:%02x:%02x:%02x:%02x", packet->frame[6], packet->frame[7],
			    packet->frame[8], packet->frame[9], packet->frame[10], packet->frame[11]);
	rule_kept(NET_5);
	if (packet->part[0].flags & VIF_TX_CSUM_BLANK) {
		if (!checksum_may_be_blank(packet->frame, packet->size))
			rule_broken(NET_29, "TCP or UDP where VIF_TX_CSUM_BLANK is set, over IPv6 only if that is offered", "something else");
		rule_kept(NET_29);
	}
}

/* ---------------------------------------------------------------- transmit */

static void tx_answer(int16_t status)
{
	for (unsigned int i = 0; i < unanswered_count; i++) {
		struct vif_tx_response response = {
			.id = unanswered[i].id, .status = unanswered[i].extra ? VIF_STATUS_NULL : status,
		};

		wire_answer(&tx, &response, sizeof(response));
		extra_is_answered |= unanswered[i].extra;
	}
	extra_answered_at = tx.ring.req_seen;
	unanswered_count = 0;
	wire_push(&tx);
}

static void rx_send(const uint8_t *frame, size_t size, unsigned int slots, unsigned int offset);

/* What the peer on the wire does with it. */
static void frame_receive(const uint8_t *frame, size_t size)
{
	static uint8_t reply[2048];
	size_t length = packet_answer(&peer, frame, size, reply, sizeof(reply));
	uint16_t sequence;

	if (!length)
		length = packet_tcp_answer(&peer, frame, size, reply);

	packets++;
	if (length && posted_count > extra_is_sent)
		rx_send(reply, length, 1, 0);
	if (!packet_is_echo_reply(frame, size, &sequence) || sequence != echo.sequence)
		return;
	echo.wrong = !packet_echo_is_right(frame, size, sequence, echo.size);
	echo.came = true;
}

/* One packet, from the ring to the peer. */
static void tx_take(int *left)
{
	unsigned int bytes[VIF_RING_SLOTS];
	struct sent *packet = &held;

	packet_take(packet, left);
	if (!packet_is_right(packet, bytes))
		return;
	packet->was_lent = frame_read(packet, bytes, packet->frame);
	if (!packet->was_lent && script.closing)
		return;
	if (!packet->was_lent)
		rule_broken(NET_30, "a grant of each slot's page", "a page of the packet with id %u is not lent", packet->part[0].id);
	rule_kept(NET_30);
	frame_judge(packet);
	if (!hold)
		frame_receive(packet->frame, packet->size);
}

static void rx_take(void)
{
	int waiting = wire_look(&rx);

	for (; waiting > 0; waiting--) {
		struct vif_rx_request *request = &posted[posted_count];

		wire_take(&rx, request, sizeof(*request));
		for (unsigned int i = 0; i < posted_count; i++)
			if (posted[i].id == request->id)
				rule_broken(RST_4, "an id that no unanswered request has", "receive id %u twice", request->id);
		posted_count++;
	}
}

/* Waits for something to come, takes it, and answers it unless it is to be held. */
static unsigned int pump(unsigned int ms)
{
	int left = wire_wait(&tx, ms);
	unsigned int before = packets + unanswered_count;

	rx_take();
	while (left > 0)
		tx_take(&left);
	if (!hold && unanswered_count)
		tx_answer(VIF_STATUS_OKAY);
	return packets + unanswered_count - before;
}

static void await(enum rule blame, const char *expected)
{
	uint64_t until = world_now_ms() + script.limit_ms;

	script.blame = blame;
	while (!pump(100))
		if (world_now_ms() >= until) {
			script.blame = extra_is_answered ? NET_32 : blame;
			wire_is_dead(&tx, expected);
		}
}

/* It works: so many packets come. */
static void serve(unsigned int count, enum rule blame)
{
	while (count-- > 0)
		await(blame, "more packets");
	rule_kept(blame);
}

/* ---------------------------------------------------------------- receive */

/* The oldest posted page takes bytes of a packet, or an error. */
static void rx_put(const uint8_t *from, unsigned int bytes, unsigned int offset, uint16_t flags, int16_t status)
{
	struct vif_rx_response response = {
		.id = posted[0].id, .offset = (uint16_t)offset, .flags = flags, .status = status,
	};

	if (status > 0 && world_copy_to(posted[0].gref, offset, from, bytes))
		rule_broken(NET_40, "a grant of the page, writable", "receive id %u, gref %u", posted[0].id, posted[0].gref);
	if (status > 0)
		rule_kept(NET_40);
	wire_answer(&rx, &response, sizeof(response));
	memmove(posted, posted + 1, --posted_count * sizeof(posted[0]));
}

/* Who has not asked to be woken sleeps; but who could not bear an extra is down, and asks no more. */
static enum rule rx_blame(enum rule rule)
{
	return rule != NET_47 && (int32_t)(rx.ring.shared->rsp_event - rx.ring.rsp_prod) <= 0 ? BUS_35 : rule;
}

static void rx_await(unsigned int slots, enum rule rule)
{
	uint64_t until = world_now_ms() + script.limit_ms;

	for (rx_take(); posted_count < slots; pump(20))
		if (world_now_ms() >= until)
			rule_broken(rx_blame(rule), "receive requests", "%u of %u, %u s later", posted_count, slots, script.limit_ms / 1000);
}

/* One that nobody asked for; what has been lent for its slot comes back with it. */
static void rx_put_extra(void)
{
	static const struct vif_extra extra = { .type = VIF_EXTRA_HASH };

	wire_answer(&rx, &extra, sizeof(extra));
	memmove(posted, posted + 1, --posted_count * sizeof(posted[0]));
}

/* In so many slots, each from `offset` of its page, and one more for an extra. There must be enough. */
static void rx_send(const uint8_t *frame, size_t size, unsigned int slots, unsigned int offset)
{
	size_t sent = 0;

	for (unsigned int i = 0; i < slots; i++) {
		unsigned int bytes = (unsigned int)(i + 1 < slots ? size / slots : size - sent);

		rx_put(frame + sent, bytes, offset, (i + 1 < slots ? VIF_RX_MORE : 0) | (i == 0 && extra_is_sent ? VIF_RX_EXTRA : 0), (int16_t)bytes);
		if (i == 0 && extra_is_sent)
			rx_put_extra();
		sent += bytes;
	}
	wire_push(&rx);
}

/* An echo of so many bytes comes back, as it was. */
static void ping(size_t size, unsigned int slots, unsigned int offset, enum rule rule)
{
	static uint8_t frame[RING_PAGE];
	uint64_t until;
	size_t length;

	script.blame = rule;
	for (unsigned int tries = 0; tries < 3; tries++) {
		echo.sequence++;
		echo.size = size;
		echo.came = false;
		length = packet_ping(&peer, front_mac, front_address, echo.sequence, size, frame);
		rx_await(slots + extra_is_sent, rule == NET_47 ? NET_47 : NET_42);
		rx_send(frame, length, slots, offset);
		for (until = world_now_ms() + script.limit_ms / 3; !echo.came && world_now_ms() < until;)
			pump(50);
		if (echo.came)
			break;
	}
	if (!echo.came || echo.wrong)
		rule_broken(echo.came ? rule : rx_blame(rule), "an echo of what was sent", "%s: %zu bytes in %u slots from offset %u", echo.came ? "another" : "none",
			    size, slots, offset);
	rule_kept(rule);
}

/* ---------------------------------------------------------------- what is tried */

static void try_receiving(void)
{
	static const unsigned int sizes[] = { 18, 56, 500, 1400 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (unsigned int offset = 0; offset <= 2048; offset = offset * 2 + 2)
			ping(sizes[i], 1, offset, NET_43);
	if (front_sg)
		for (unsigned int slots = 2; slots <= 8; slots++)
			ping(1400, slots, 64 * slots, NET_45);
	for (unsigned int i = 0; i < VIF_RING_SLOTS + 64; i++) {
		ping(56, 1, 0, NET_42);
		if (i % 64 == 0)
			wire_check_asked(&rx);
	}
}

static void try_receive_errors(void)
{
	static uint8_t frame[RING_PAGE];
	size_t length = packet_ping(&peer, front_mac, front_address, ++echo.sequence, 200, frame);

	script.blame = NET_44;
	echo.came = false;
	echo.size = 200;
	rx_await(3, NET_44);
	rx_put(frame, 0, 0, 0, VIF_STATUS_ERROR);
	rx_put(frame, 0, 0, 0, VIF_STATUS_DROPPED);
	wire_push(&rx);
	if (front_sg) {
		rx_await(2, NET_44);
		rx_put(frame, (unsigned int)length, 0, VIF_RX_MORE, (int16_t)length);
		rx_put(frame, 0, 0, 0, VIF_STATUS_ERROR);
		wire_push(&rx);
	}
	for (unsigned int i = 0; i < 10; i++)
		pump(50);
	if (echo.came)
		rule_broken(NET_44, "nothing of a packet with an error in a slot", "an answer to it");
	ping(300, 1, 0, NET_44);
}

static void try_receive_extras(void)
{
	extra_is_sent = true;
	ping(300, 1, 0, NET_47);
	if (front_sg)
		ping(1400, 3, 0, NET_47);
	extra_is_sent = false;
	ping(56, 1, 0, NET_47);
}

static void try_transmit_errors(void)
{
	static const int16_t statuses[] = { VIF_STATUS_ERROR, VIF_STATUS_DROPPED };

	for (size_t i = 0; i < 2; i++) {
		hold = true;
		await(NET_31, "packets");
		hold = false;
		tx_answer(statuses[i]);
		serve(4, NET_31);
	}
}

static void try_without_asking(void)
{
	uint64_t until;
	unsigned int events = 0, before;

	serve(1, BUS_35);
	rx_take();
	wire_wait(&tx, script.limit_ms);
	world_events(tx.event);
	before = packets;
	for (until = world_now_ms() + 3000; world_now_ms() < until; world_wait(5), front_watch()) {
		int left = wire_look(&tx);

		events += world_events(tx.event);
		while (left > 0)
			tx_take(&left);
		if (unanswered_count)
			tx_answer(VIF_STATUS_OKAY);
	}
	if (events)
		rule_broken(BUS_34, "no event while req_event is behind req_prod", "%u events in 3 s", events);
	else if (packets > before)
		rule_kept(BUS_34);
}

/* Events out of nothing; what is outstanding stays what it is. */
static void try_spurious(void)
{
	static uint8_t before[sizeof(held.frame)];
	unsigned int bytes[VIF_RING_SLOTS];

	hold = true;
	await(RST_6, "packets");
	memcpy(before, held.frame, sizeof(before));
	for (unsigned int i = 0; i < 5; i++) {
		world_send(tx.event);
		world_wait(50);
		front_watch();
	}
	sizes_are_right(&held, bytes);
	if (!frame_read(&held, bytes, held.frame))
		rule_broken(RST_2, "its pages lent until the response", "a page of the packet with id %u is not any more", held.part[0].id);
	rule_kept(RST_2);
	if (memcmp(before, held.frame, held.size))
		rule_broken(RST_3, "the packet as it was when it was taken", "id %u has other bytes", held.part[0].id);
	rule_kept(RST_3);
	hold = false;
	tx_answer(VIF_STATUS_OKAY);
	serve(2, RST_6);
}

static void try_silence(void)
{
	uint64_t until;

	hold = true;
	await(RST_7, "packets");
	for (until = world_now_ms() + script.silence_ms; world_now_ms() < until;)
		pump(100);
	wire_check_asked(&tx);
	hold = false;
	tx_answer(VIF_STATUS_OKAY);
	serve(4, RST_7);
}

/* The slot of unanswered[i] holds its request again. */
static void slot_restore(unsigned int i)
{
	uint32_t slot = (tx.ring.rsp_put + i) & (tx.ring.slots - 1);

	memcpy(ring_slot(tx.ring.shared, tx.ring.slots, VIF_TX_SLOT, slot), tx.copy[slot], VIF_TX_SLOT);
}

static void first_answer(void)
{
	struct vif_tx_response response = { .id = unanswered[0].id, .status = unanswered[0].extra ? VIF_STATUS_NULL : VIF_STATUS_OKAY };

	wire_answer(&tx, &response, sizeof(response));
	memmove(unanswered, unanswered + 1, --unanswered_count * sizeof(unanswered[0]));
}

/* Half an answer in every slot, as a back-end leaves that dies while it writes; its successor writes them again. */
static void try_unpublished(void)
{
	static const struct vif_tx_response lie = { .id = 0xfff0, .status = VIF_STATUS_ERROR };
	uint64_t until;

	hold = true;
	id_rule = RST_5;
	await(RST_5, "packets");
	for (until = world_now_ms() + GATHER_MS; unanswered_count < 2 && world_now_ms() < until;)
		pump(50);
	for (unsigned int i = 0; i < unanswered_count; i++)
		memcpy(ring_slot(tx.ring.shared, tx.ring.slots, VIF_TX_SLOT, tx.ring.rsp_prod + i), &lie, sizeof(lie));
	if (unanswered_count > 1) {
		/* So that the event is one for something. */
		slot_restore(0);
		first_answer();
		wire_push(&tx);
	}
	world_send(tx.event);
	for (unsigned int i = 0; i < 10; i++) {
		world_wait(50);
		front_watch();
	}
	for (unsigned int i = 0; i < unanswered_count; i++)
		slot_restore(i);
	hold = false;
	tx_answer(VIF_STATUS_OKAY);
	serve(4, RST_5);
	id_rule = RST_4;
}

static void try_batch(void)
{
	for (unsigned int round = 0; round < 3; round++) {
		hold = true;
		await(BUS_36, "packets");
		for (unsigned int i = 0; i < 20; i++)
			pump(100);
		hold = false;
		tx_answer(VIF_STATUS_OKAY);
		wire_check_fetched(&tx);
		serve(1, BUS_36);
	}
}

/* ---------------------------------------------------------------- connecting */

static void keys_judge(void)
{
	bool there;
	uint64_t queues = key_number("multi-queue-num-queues", &there);

	if ((there && queues != 1) || key_is_there("queue-0/tx-ring-ref"))
		rule_broken(NET_2, "one queue, its keys not in queue-0", "%" PRIu64 " queues", there ? queues : 1);
	rule_kept(NET_2);
	if (key_is_there("event-channel-tx") || key_is_there("event-channel-rx"))
		rule_broken(NET_1, "event-channel, feature-split-event-channels is not offered", "event-channel-tx or -rx");
	rule_kept(NET_1);
	if (!key_is("request-rx-copy", "1"))
		rule_broken(NET_3, "request-rx-copy = 1", "another value, or none");
	rule_kept(NET_3);
	if (!key_is("feature-rx-notify", "1"))
		rule_broken(NET_4, "feature-rx-notify = 1", "another value, or none");
	rule_kept(NET_4);
	front_sg = key_is("feature-sg", "1");
}

/* The key that the toolstack wrote. */
static void mac_read(void)
{
	char path[192], text[32] = "";
	unsigned int byte[6] = { 0 };

	snprintf(path, sizeof(path), "%s/mac", script.front);
	if (world_read(path, text, sizeof(text)) < 0 ||
	    sscanf(text, "%x:%x:%x:%x:%x:%x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != 6)
		abort();
	for (unsigned int i = 0; i < 6; i++)
		front_mac[i] = (uint8_t)byte[i];
}

static bool connect_front(void)
{
	mac_read();
	if (!front_begin())
		return false;
	wire_map(&tx, "tx", "tx-ring-ref", 1, VIF_TX_SLOT);
	wire_map(&rx, "rx", "rx-ring-ref", 1, VIF_RX_SLOT);
	keys_judge();
	tx.event = rx.event = wire_bind("event-channel");
	back_switch(4);
	ring_back_sleep(&rx.ring);
	rx_await(front_sg ? VIF_PACKET_SLOTS : 1, NET_41);
	rule_kept(NET_41);
	return true;
}

void net_offer(void)
{
	static const char *const offers[] = {
		"feature-rx-copy", "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6", "feature-ipv6-csum-offload", "multi-queue-max-queues",
	};

	/* The first is the least there is. */
	for (size_t i = 0; i < (script.pass > 1 ? 1 : sizeof(offers) / sizeof(offers[0])); i++)
		back_write(offers[i], "1");
	back_write("feature-split-event-channels", "0");
}

static void begin(void)
{
	memset(&tx, 0, sizeof(tx));
	memset(&rx, 0, sizeof(rx));
	tx.decode_request = decode_tx_request;
	tx.decode_response = decode_tx_response;
	rx.decode_request = decode_rx_request;
	rx.decode_response = decode_rx_response;
	unanswered_count = posted_count = 0;
	extra_is_sent = extra_is_answered = false;
	rules_dump_set(dump);
}

static void serve_what_comes(void)
{
	int left = wire_look(&tx);

	while (left > 0)
		tx_take(&left);
	if (unanswered_count)
		tx_answer(VIF_STATUS_OKAY);
}

void net_walk(void)
{
	begin();
	if (!connect_front())
		return;
	serve(8, BUS_35);
	if (script.pass > 1) {
		front_close(serve_what_comes);
		return;
	}
	try_without_asking();
	try_batch();
	try_unpublished();
	try_spurious();
	try_silence();
	try_transmit_errors();
	try_receiving();
	try_receive_errors();
	try_receive_extras();
	serve(4, BUS_35);
	front_keys_check();
	back_keys_check();
	front_close(serve_what_comes);
}

void net_end(void)
{
	wire_unmap(&tx);
	wire_unmap(&rx);
}
