/* SPDX-License-Identifier: MIT */
/* To a guest: packets wait until its front-end has lent enough buffers, are copied there, and are answered for. */
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

static void drop(struct queue *queue, struct packet *packet)
{
	port_count(queue->port, DRIVER_RX_DROPPED, 1);
	packet_release(packet);
}

static uint32_t buffers_of(const struct packet *packet)
{
	uint32_t count = 0;

	for (unsigned int i = 0; i < packet->piece_count; i++)
		count += packet->piece[i].at != NULL;
	return count;
}

static void hold(struct port *port, struct packet *packet)
{
	uint32_t count = buffers_of(packet);

	net.owed += packet_origin(packet)->from != NULL;
	port->held += count;
	net.held += count;
}

static void hold_no_more(struct port *port, struct packet *packet)
{
	uint32_t count = buffers_of(packet);

	net.owed -= packet_origin(packet)->from != NULL;
	port->held -= count;
	net.held -= count;
}

static struct packet *waiting_take(struct queue *queue)
{
	struct packet *packet = fifo_take(&queue->waiting);

	hold_no_more(queue->port, packet);
	return packet;
}

/* NB3 */
static bool is_too_much(const struct port *port)
{
	uint64_t pool = net.table->pool.pages;

	return packets_are_short() || port->held > HELD_BY_ONE(pool) || net.held > HELD_BY_ALL(pool);
}

static bool is_full(const struct queue *queue)
{
	return queue->waiting.count >= RECEIVE_WAITING_MAX;
}

static bool wait(void *to, struct packet *packet)
{
	struct queue *queue = to;
	struct packet *mine = packet;

	if (is_full(queue) || (packet->is_flooded && !(mine = packet_share(packet))))
		return false;
	if (mine == packet)
		packet->references++;
	mine->since_ns = net.now_ns;
	hold(queue->port, mine);
	fifo_put(&queue->waiting, mine);
	queue_activate(queue);
	return true;
}

/* What netfront said that it takes. Without scatter-gather a packet has one page. */
static void abilities_of(const struct port *port, struct abilities *abilities)
{
	bool sg = port->flags & DRIVER_NET_SG;

	*abilities = (struct abilities){
		.tso4 = sg && port->flags & DRIVER_NET_GSO_TCP4, .tso6 = sg && port->flags & DRIVER_NET_GSO_TCP6,
		.csum4 = !(port->flags & DRIVER_NET_NO_CSUM4), .csum6 = port->flags & DRIVER_NET_CSUM6,
		.length_max = sg ? VIF_PACKET_MAX : PAGE_SIZE - TAG_BYTES,
	};
}

void receive_offer(struct port *port, struct packet *packet)
{
	struct abilities abilities;
	struct queue *queue;

	if (port->state != PORT_SERVING)
		return;
	if (!(port->flags & DRIVER_NET_LINK_UP)) {
		port_count(port, DRIVER_RX_DROPPED, 1);
		return;
	}
	queue = port->queue[port->queue_count > 1 ? packet->hash % port->queue_count : 0];
	abilities_of(port, &abilities);
	if (packet->join_bytes && !packet->is_flooded && abilities.tso4 && abilities.tso6 && join(fifo_last(&queue->waiting), packet)) {
		hold(port, packet);
		return;
	}
	if (is_full(queue) || !offload(packet, &abilities, wait, queue))
		port_count(port, DRIVER_RX_DROPPED, 1);
}

/* NB1: the planned copies have the headers as they were judged. */
static void plan(struct queue *queue, struct packet *packet, uint32_t tag_bytes, uint32_t slots)
{
	struct delivery *delivery = &net.delivery[net.delivery_count++];
	struct ring_back *ring = &queue->rx.ring;
	struct target target = { .queue = queue, .slot = ring->req_cons, .has_extra = packet->gso };

	*delivery = (struct delivery){
		.packet = packet, .queue = queue, .first_copy = net.copy_count, .slot = ring->req_cons, .slots = (uint16_t)slots,
		.has_extra = packet->gso, .length = packet->length + tag_bytes,
	};
	copy_packet(packet, tag_bytes, &target);
	delivery->copy_count = net.copy_count - delivery->first_copy;
	ASSERT(target.slot == ring->req_cons + slots);
	ring->req_cons += slots;
}

/* NB3. True: there is room now, or the packet was dropped: look at the next. */
static bool receive_one(struct queue *queue)
{
	struct packet *packet = queue->waiting.first;
	uint32_t tag_bytes = packet->vlan != queue->port->vlan ? TAG_BYTES : 0, slots;
	uint64_t ready_ns = rate_ready_ns(&queue->port->to_guest, net.now_ns);
	int room = ring_back_look(&queue->rx.ring);

	if (room < 0) {
		port_drop(queue->port, "queue %u: the receive ring's req_prod jumps to 0x%x while rsp_prod is 0x%x", queue->number,
			  queue->rx.ring.refused, queue->rx.ring.rsp_prod);
		return false;
	}
	if (ready_ns) {
		uint64_t until_ns = packet->since_ns + driver_domain_device_ns() / 2;

		if (net.now_ns < until_ns && !is_too_much(queue->port)) {
			driver_domain_wake_at(ready_ns < until_ns ? ready_ns : until_ns);
			return false;
		}
		drop(queue, waiting_take(queue));
		return true;
	}
	if (tag_bytes && packet->header_length < 12 && !packet_pull(packet, 12)) {
		drop(queue, waiting_take(queue));
		return true;
	}
	slots = (uint32_t)((packet->length + tag_bytes + PAGE_SIZE - 1) / PAGE_SIZE) + (packet->gso != NET_GSO_NONE);
	if ((uint32_t)room < slots) {
		queue->is_stalled |= net.now_ns - packet->since_ns >= RECEIVE_PATIENCE_NS;
		if (!queue->is_stalled && !is_too_much(queue->port)) {
			driver_domain_wake_at(packet->since_ns + RECEIVE_PATIENCE_NS);
			return false;
		}
		drop(queue, waiting_take(queue));
		return true;
	}
	doing(packet);
	waiting_take(queue);
	queue->is_stalled &= queue->waiting.first != NULL;
	if (packet->joined)
		headers_settle(packet);
	rate_take(&queue->port->to_guest, packet->length + tag_bytes, net.now_ns);
	plan(queue, packet, tag_bytes, slots);
	return true;
}

bool receive_fill(void)
{
	uint32_t before = net.delivery_count;

	for (struct queue *queue = net.active; queue; queue = queue->next_active) {
		bool has_room = true;

		while (queue->port->state == PORT_SERVING && queue->waiting.first &&
		       (has_room = net.delivery_count < DELIVERIES_MAX && copies_room() >= COPIES_OF_PACKET) && receive_one(queue))
			;
		net.is_short |= !has_room;
	}
	doing_nothing();
	return net.delivery_count != before;
}

static void answer_slot(struct queue *queue, uint32_t slot, uint16_t flags, int16_t status)
{
	struct vif_rx_response response = { .id = queue->rx_id[slot % VIF_RING_SLOTS], .flags = flags, .status = status };

	answers_add(&queue->rx, &response);
}

static void answer_extra(struct queue *queue, const struct packet *packet)
{
	struct vif_extra extra = {
		.type = VIF_EXTRA_GSO,
		.gso = { .size = packet->gso_bytes, .type = packet->gso == NET_GSO_TCP4 ? VIF_GSO_TCPV4 : VIF_GSO_TCPV6 },
	};

	answers_add(&queue->rx, &extra);
}

static void answer_packet(const struct delivery *delivery)
{
	const struct packet *packet = delivery->packet;
	uint16_t flags = packet->flags & NET_NEEDS_CSUM ? VIF_RX_CSUM_BLANK | VIF_RX_VALIDATED :
			 packet->flags & NET_CSUM_VALID ? VIF_RX_VALIDATED : 0;
	uint32_t slot = delivery->slot, left = delivery->length;

	if (delivery->has_extra)
		flags |= VIF_RX_EXTRA;
	for (;;) {
		uint16_t part = (uint16_t)(left < PAGE_SIZE ? left : PAGE_SIZE);

		left -= part;
		answer_slot(delivery->queue, slot++, left ? flags | VIF_RX_MORE : flags, (int16_t)part);
		if (flags & VIF_RX_EXTRA) {
			answer_extra(delivery->queue, packet);
			slot++;
		}
		if (!left)
			break;
		flags = 0;
	}
}

/* Somebody's grant was not good. Whose? The sender's are looked at once more. */
static void answer_failed(const struct delivery *delivery)
{
	struct packet *packet = delivery->packet;

	for (unsigned int i = 0; i < packet->piece_count; i++)
		if (!packet->piece[i].at && !grant_is_readable(packet->lender, packet->piece[i].gref))
			packet_origin(packet)->status = VIF_STATUS_ERROR;
	for (uint32_t i = 0; i < delivery->slots; i++)
		answer_slot(delivery->queue, delivery->slot + i, 0, VIF_STATUS_ERROR);
}

void receive_finish(const struct delivery *delivery, bool is_whole)
{
	struct port *port = delivery->queue->port;

	if (port->state == PORT_SERVING && is_whole) {
		answer_packet(delivery);
		port_count(port, DRIVER_RX_PACKETS, 1);
		port_count(port, DRIVER_RX_BYTES, delivery->length);
	} else if (port->state == PORT_SERVING) {
		answer_failed(delivery);
		port_count(port, DRIVER_RX_DROPPED, 1);
	}
	packet_release(delivery->packet);
}

static bool is_of(struct packet *packet, const struct port *from)
{
	const struct queue *origin = packet_origin(packet)->from;

	return origin && origin->port == from;
}

void fifo_forget(struct fifo *fifo, const struct port *from)
{
	struct fifo kept = { 0 };
	struct packet *packet;

	while ((packet = fifo_take(fifo)))
		if (from && !is_of(packet, from))
			fifo_put(&kept, packet);
		else
			packet_release(packet);
	*fifo = kept;
}

void receive_forget(struct queue *queue, const struct port *from)
{
	for (struct packet *packet = queue->waiting.first; packet; packet = packet->next)
		hold_no_more(queue->port, packet);
	fifo_forget(&queue->waiting, from);
	for (struct packet *packet = queue->waiting.first; packet; packet = packet->next)
		hold(queue->port, packet);
}
