/* SPDX-License-Identifier: MIT */
/*
 * From a guest: requests become packets, are judged, and go to the switch. A packet whose shape is wrong is answered with an error, and
 * the next one is looked at; indices that cannot be and packets that are not whole end the attachment.
 */
#include "net/headers.h"
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"

/* What the slots of one packet say. */
struct chain {
	struct vif_tx_request first;
	struct vif_extra gso;		/* type VIF_EXTRA_NONE: none */
	uint32_t slots;			/* extras too */
	uint32_t others;		/* bytes in all data slots but the first */
	const char *wrong;
};

static void note_slot(struct queue *queue, uint32_t index, uint16_t id, int16_t status)
{
	struct note *note = &queue->note[index % VIF_RING_SLOTS];

	note->id = id;
	note->status = status;
	note->is_done = false;
}

static bool extras_read(struct queue *queue, struct chain *chain, uint32_t waiting)
{
	union {
		struct vif_tx_request slot;	/* so long are they */
		struct vif_extra extra;
	} at = { .extra.flags = VIF_EXTRA_MORE };

	while (at.extra.flags & VIF_EXTRA_MORE) {
		if (chain->slots == waiting)
			return false;
		ring_back_copy(&queue->tx.ring, chain->slots, &at.slot, sizeof(at.slot));
		note_slot(queue, queue->tx.ring.req_cons + chain->slots, 0, VIF_STATUS_NULL);
		chain->slots++;
		if (at.extra.type == VIF_EXTRA_GSO)
			chain->gso = at.extra;
		else if (at.extra.type != VIF_EXTRA_HASH)
			chain->wrong = "an extra of an unknown type";
	}
	return true;
}

static void piece_add(struct chain *chain, struct packet *packet, const struct vif_tx_request *slot, uint16_t length)
{
	if (slot->offset + length > 4096 || packet->piece_count == VIF_PACKET_SLOTS) {
		chain->wrong = "data beyond its page, or too many slots";
		return;
	}
	packet->piece[packet->piece_count++] = (struct piece){
		.gref = slot->gref, .offset = slot->offset, .length = length,
	};
}

/* One packet's slots, each copied once. False: they are not all there. */
static bool chain_read(struct queue *queue, struct chain *chain, struct packet *packet, uint32_t waiting)
{
	const struct ring_back *ring = &queue->tx.ring;
	struct vif_tx_request slot;

	*chain = (struct chain){ .slots = 1 };
	ring_back_copy(ring, 0, &chain->first, sizeof(chain->first));
	slot = chain->first;
	note_slot(queue, ring->req_cons, slot.id, VIF_STATUS_OKAY);
	packet->piece_count = 1;	/* the first one's length is known at the end */
	if (slot.flags & VIF_TX_EXTRA && !extras_read(queue, chain, waiting))
		return false;
	while (slot.flags & VIF_TX_MORE) {
		if (chain->slots == waiting)
			return false;
		ring_back_copy(ring, chain->slots, &slot, sizeof(slot));
		note_slot(queue, ring->req_cons + chain->slots, slot.id, VIF_STATUS_OKAY);
		chain->slots++;
		chain->others += slot.size;
		piece_add(chain, packet, &slot, slot.size);
	}
	return true;
}

/* Sizes and offsets, before a byte is looked at. */
static void chain_check(struct chain *chain, struct packet *packet)
{
	const struct vif_tx_request *first = &chain->first;

	if (first->size < ETHERNET_BYTES)
		chain->wrong = "shorter than an Ethernet header";
	else if (chain->others >= first->size)
		chain->wrong = "slots with more bytes than the packet";
	else if (first->offset + first->size - chain->others > 4096)
		chain->wrong = "data beyond its page";
	else if (chain->gso.type && (chain->gso.gso.type < VIF_GSO_TCPV4 || chain->gso.gso.type > VIF_GSO_TCPV6 ||
				     chain->gso.gso.size < GSO_BYTES_MIN))
		chain->wrong = "segmentation of an unknown type or size";
	if (chain->wrong)
		return;
	packet->piece[0] = (struct piece){
		.gref = first->gref, .offset = first->offset, .length = (uint16_t)(first->size - chain->others),
	};
	packet->length = first->size;
	if (first->flags & VIF_TX_CSUM_BLANK)
		packet->flags = NET_NEEDS_CSUM;
	else if (first->flags & VIF_TX_VALIDATED)
		packet->flags = NET_CSUM_VALID;
	if (chain->gso.type) {
		packet->gso = chain->gso.gso.type == VIF_GSO_TCPV4 ? NET_GSO_TCP4 : NET_GSO_TCP6;
		packet->gso_bytes = chain->gso.gso.size;
	}
}

/* The headers are mostly in the first slot; one that is shorter than any is followed by parts of the next. */
static void collect(struct packet *packet)
{
	uint32_t first = packet->piece[0].length;

	copy_pull(&net.copy[net.copy_count++], packet, first < HEADER_PULL ? first : HEADER_PULL);
	net.collected[net.collected_count++] = (struct collected){ packet, net.copy_count };
}

static void take(struct queue *queue, struct chain *chain, struct packet *packet)
{
	struct answers *tx = &queue->tx;

	packet->from = queue;
	packet->slot = tx->ring.req_cons;
	packet->lender = queue->port->front_id;
	queue->note[packet->slot % VIF_RING_SLOTS].slots = (uint16_t)chain->slots;
	tx->ring.req_cons += chain->slots;
	chain_check(chain, packet);
	rate_take(&queue->port->from_guest, chain->first.size, net.now_ns);
	if (!chain->wrong) {
		collect(packet);
		return;
	}
	packet->status = VIF_STATUS_ERROR;
	packet->piece_count = 0;
	port_count(queue->port, DRIVER_TX_DROPPED, 1);
	packet_release(packet);
}

static bool is_held_back(struct queue *queue)
{
	uint64_t ready_ns = rate_ready_ns(&queue->port->from_guest, net.now_ns);

	queue->blocked_ns = ready_ns;
	return ready_ns != 0;
}

/* Packets from one ring. A packet that is begun is whole: front-ends move req_prod by packets. */
static bool transmit_take(struct queue *queue)
{
	struct answers *tx = &queue->tx;
	int waiting = ring_back_look(&tx->ring);
	unsigned int taken = 0, most = is_one_by_one(queue) ? !answers_owed(tx) : TRANSMIT_BATCH;

	if (waiting > 0)
		busy_note(queue->port, true);
	while (waiting > 0 && taken < most && !is_held_back(queue)) {
		struct packet *packet = net.collected_count < COLLECTED_MAX && copies_room() ? packet_new() : NULL;
		struct chain chain;

		if (!packet) {
			net.is_short = true;
			break;
		}
		doing_request(queue, tx->ring.req_cons);
		if (!chain_read(queue, &chain, packet, (uint32_t)waiting)) {
			packet->piece_count = 0;
			packet_release(packet);
			port_drop(queue->port, "queue %u: a packet at 0x%x is not whole at req_prod 0x%x", queue->number,
				  tx->ring.req_cons, tx->ring.req_seen);
			return true;
		}
		take(queue, &chain, packet);
		waiting -= (int)chain.slots;
		taken++;
	}
	if (waiting < 0)
		port_drop(queue->port, "queue %u: req_prod jumps to 0x%x while rsp_prod is 0x%x", queue->number, tx->ring.refused,
			  tx->ring.rsp_prod);
	net.has_left |= waiting > 0 && most && !queue->blocked_ns;
	return taken != 0;
}

bool transmit_collect(void)
{
	bool did = false;

	net.collected_count = 0;
	net.has_left = false;
	for (struct queue *queue = net.active; queue; queue = queue->next_active)
		if (queue->port->state == PORT_SERVING)
			did |= transmit_take(queue);
	doing_nothing();
	return did;
}

/* Headers as far as they are needed, pulled again if the first slot had too few. 0 or HEADERS_BAD. */
static int packet_parse(struct packet *packet, struct headers *headers)
{
	int need;

	while ((need = headers_parse(packet->header, packet->header_length, packet->length, headers)) > 0)
		if (!packet_pull(packet, (uint32_t)need))
			return HEADERS_BAD;
	return need;
}

/* SW1: a tag is for who has a trunk; others may send a priority, which is taken off. */
static bool vlan_take(const struct port *port, struct packet *packet, struct headers *headers)
{
	uint16_t vlan = headers->tag & 0xfff;

	packet->vlan = port->vlan;
	if (!headers->has_tag)
		return true;
	if (headers->type == ETHER_VLAN)
		return false;
	if (vlan) {
		bool is_known = false;

		for (unsigned int i = 0; i < port->net.vlan_count; i++)
			is_known |= port->net.vlan[i] == vlan;
		if (!(port->flags & DRIVER_NET_TRUNK) || !is_known)
			return false;
		packet->vlan = vlan;
	}
	memmove(packet->header + 12, packet->header + 16, packet->header_length - 16u);
	packet->header_length -= TAG_BYTES;
	packet->length -= TAG_BYTES;
	headers->l3 -= TAG_BYTES;
	headers->l4 -= headers->l4 ? TAG_BYTES : 0;
	return true;
}

static int16_t judge(struct packet *packet, bool is_copied)
{
	struct port *port = packet->from->port;
	struct headers headers;

	if (!is_copied || packet_parse(packet, &headers) || !vlan_take(port, packet, &headers) || !offload_find(packet, &headers) ||
	    packet_frame_bytes(packet) > port->net.mtu + ETHERNET_BYTES) {
		port_count(port, DRIVER_TX_DROPPED, 1);
		return VIF_STATUS_ERROR;
	}
	if (!guard_allows(port, packet->header, packet->header_length, &headers)) {
		port_count(port, DRIVER_TX_SPOOFED, 1);
		return VIF_STATUS_DROPPED;
	}
	if (!(port->flags & DRIVER_NET_LINK_UP)) {
		port_count(port, DRIVER_TX_DROPPED, 1);
		return VIF_STATUS_OKAY;
	}
	port_count(port, DRIVER_TX_PACKETS, 1);
	port_count(port, DRIVER_TX_BYTES, packet->length);
	packet->hash = headers_hash(packet->header, &headers);
	switch_forward(port, packet);
	return VIF_STATUS_OKAY;
}

void transmit_judge(void)
{
	uint32_t copy = 0;

	for (uint32_t i = 0; i < net.collected_count; i++) {
		struct packet *packet = net.collected[i].packet;
		bool is_copied = true;

		doing(packet);
		for (; copy < net.collected[i].copies_end; copy++)
			is_copied &= net.copy[copy].status == GNTST_okay;
		if (packet->from->port->state == PORT_SERVING)
			packet->status = judge(packet, is_copied);
		packet_release(packet);
	}
	doing_nothing();
}

void transmit_done(const struct packet *packet)
{
	struct note *note = &packet->from->note[packet->slot % VIF_RING_SLOTS];

	for (uint32_t i = 0; i < note->slots; i++) {
		struct note *one = &packet->from->note[(packet->slot + i) % VIF_RING_SLOTS];

		if (one->status != VIF_STATUS_NULL)
			one->status = packet->status;
	}
	note->is_done = true;
	packet->from->held_bytes += packet->length;
	if (!packet->from->held_ns)
		packet->from->held_ns = net.now_ns;
	queue_activate(packet->from);
}

/*
 * An event costs the guest more than the answer that it is for, and a sender mostly gets a packet back soon, with an event. So answers wait for one, but
 * not for long, and not if a sender could run out of slots, or of what it may have under way.
 */
static bool answers_wait(struct queue *queue)
{
	uint64_t until_ns = queue->held_ns + HOLD_NS;

	if (queue->is_suspect || !driver_domain.has_answered || queue->held_bytes >= HOLD_BYTES || queue->tx.ring.req_cons - queue->tx.ring.rsp_prod >= HOLD_SLOTS || net.now_ns >= until_ns)
		return false;
	driver_domain_wake_at(until_ns);
	return true;
}

/* In the ring's order, up to the first that is under way. What is decided and waits is a successor's to publish, and not to send again. */
static void answers_decide(struct queue *queue)
{
	struct answers *tx = &queue->tx;
	uint32_t before = tx->added;

	while (answers_owed(tx)) {
		const struct note *note = &queue->note[tx->added % VIF_RING_SLOTS];

		if (!note->is_done)
			break;
		for (uint32_t left = note->slots; left > 0; left--) {
			const struct note *one = &queue->note[tx->added % VIF_RING_SLOTS];
			struct vif_tx_response response = { one->id, one->status };

			answers_add(tx, &response);
		}
	}
	if (tx->added != before)
		answers_commit(tx);
}

void transmit_answer(struct queue *queue, bool is_awake)
{
	if (!queue->held_ns)
		return;
	answers_decide(queue);
	if (!is_awake && answers_wait(queue))
		return;
	queue->held_ns = queue->held_bytes = 0;
	queue->wake_tx |= queue_publish(&queue->tx);
	if (queue->is_suspect)
		suspicion_settle(queue);
}
