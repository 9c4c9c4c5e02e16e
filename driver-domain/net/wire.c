/* SPDX-License-Identifier: MIT */
/* To the card and from it. What goes out is copied into buffers of the pool first: a card reaches nothing else. */
#include "device/pool.h"
#include "net/headers.h"
#include "net/net.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/step.h"
#include "runtime/time.h"
#include "runtime/xen.h"

#define WIRE_BATCH 64u
#define REFILL_BATCH 128u		/* buffers in one round */
#define REFILL_FIRST 8u			/* as long as somebody waits for a successor */
#define FRAME_BYTES_MIN 17u		/* the least that an 82574 pads; nobody sends less */

/* ---- out ---- */

static void drop(struct packet *packet)
{
	const struct packet *origin = packet_origin(packet);

	if (origin->from)
		port_count(origin->from->port, DRIVER_TX_DROPPED, 1);
}

static bool wait(void *to, struct packet *packet)
{
	struct packet *mine = packet->is_flooded ? packet_share(packet) : packet;

	if (!mine)
		return false;
	if (mine == packet)
		packet->references++;
	fifo_put(to, mine);
	return true;
}

void wire_offer(struct packet *packet)
{
	const struct net_device *device = net.device;
	struct abilities abilities = {
		.tso4 = device->does_tso, .tso6 = device->does_tso, .csum4 = device->does_csum, .csum6 = device->does_csum,
		.length_max = device->mtu + ETHERNET_BYTES,
	};
	bool is_taken;

	if (!(net.wire.flags & DRIVER_NET_LINK_UP) || packet->length < FRAME_BYTES_MIN)
		is_taken = false;
	else if (segments_are_ours(packet))
		is_taken = wait(&net.wire_waiting, packet);
	else
		is_taken = offload(packet, &abilities, wait, &net.wire_waiting);
	if (!is_taken)
		drop(packet);
}

static struct packet *child_new(struct packet *packet)
{
	struct packet *child = packet_take(PACKETS_FOR_ARRIVALS + PACKETS_FOR_SEGMENTS);
	uint16_t tag = packet->vlan ? TAG_BYTES : 0;

	if (!child)
		return NULL;
	child->whole = packet;		/* whose reference goes with it */
	child->length = packet->length + tag;
	child->hash = packet->hash;
	child->flags = packet->flags;
	child->csum_start = packet->csum_start + tag;
	child->csum_offset = packet->csum_offset;
	child->gso = packet->gso;
	child->gso_bytes = packet->gso_bytes;
	child->header_bytes = packet->header_bytes + tag;
	return child;
}

_Static_assert(BUFFERS_FOR_COPIES >= BUFFERS_FOR_SEGMENTS + NET_SEGMENTS_MAX, "NB7: there is room for one copy");

/* One that is to be cut is copied without its headers, which will stand before each segment. */
static bool child_fill(struct packet *child, struct packet *packet)
{
	struct target target = { .child = child };

	if (!segments_are_ours(packet))
		return copy_packet(packet, packet->vlan, &target);
	child->is_to_cut = true;
	child->cut_bytes = 0;
	child->header_length = packet->header_length + (packet->vlan ? TAG_BYTES : 0u);
	memcpy(child->header, packet->vlan ? packet_tagged(packet) : packet->header, child->header_length);
	return copy_pieces(packet, &target);
}

static void child_drop(struct packet *child)
{
	child->whole = NULL;
	packet_release(child);
}

/* False: later. */
static bool plan(struct packet *packet)
{
	struct delivery *delivery = &net.delivery[net.delivery_count];
	struct packet *child = child_new(packet);

	if (!child)
		return false;
	doing(packet);
	*delivery = (struct delivery){ .packet = packet, .child = child, .first_copy = net.copy_count };
	if (!child_fill(child, packet)) {
		net.copy_count = delivery->first_copy;
		child_drop(child);
		return false;
	}
	delivery->copy_count = net.copy_count - delivery->first_copy;
	net.delivery_count++;
	return true;
}

bool wire_fill(void)
{
	bool did = false;

	while (net.wire_waiting.first && net.delivery_count < DELIVERIES_MAX && copies_room() >= COPIES_OF_PACKET &&
	       plan(net.wire_waiting.first)) {
		fifo_take(&net.wire_waiting);
		did = true;
	}
	doing_nothing();
	return did;
}

void wire_finish(const struct delivery *delivery, bool is_whole)
{
	if (is_whole) {
		fifo_put(&net.wire_ready, delivery->child);
		departure_note(delivery->child);
		return;
	}
	packet_origin(delivery->packet)->status = VIF_STATUS_ERROR;
	packet_release(delivery->child);
}

void frame_of(const struct packet *packet, struct net_frame *frame)
{
	frame->length = packet->length;
	frame->flags = packet->flags;
	frame->gso = packet->gso;
	frame->segment_count = packet->piece_count;
	frame->csum_start = packet->csum_start;
	frame->csum_offset = packet->csum_offset;
	frame->gso_bytes = packet->gso_bytes;
	frame->header_bytes = packet->header_bytes;
	frame->room = 0;
	frame->cookie = (void *)packet;
	for (unsigned int i = 0; i < packet->piece_count; i++)
		frame->segment[i] = (struct pool_part){ packet->piece[i].at, packet->piece[i].length };
}

/* False: later. What the card's driver cannot take at all does not fly, and holds up nobody. */
static bool hand_over(struct packet *packet, unsigned int queue)
{
	struct net_frame frame;
	int error;

	frame_of(packet, &frame);
	error = net.device->driver->transmit(net.device, queue, &frame);
	if (!error)
		net.wire_flying++;
	else if (error != -XEN_ENOSPC)
		drop(packet);
	return error != -XEN_ENOSPC;
}

bool wire_push(void)
{
	bool is_rung[NET_QUEUES_MAX] = { false }, did = false, has_room = true;

	while (net.wire_ready.first && has_room) {
		struct packet *packet = net.wire_ready.first;
		unsigned int queue = net.device->queues > 1 ? packet->hash % net.device->queues : 0;
		uint32_t before = net.wire_flying;

		doing(packet);
		has_room = packet->is_to_cut ? segments_give(packet, queue) : hand_over(packet, queue);
		is_rung[queue] |= net.wire_flying != before;
		if (has_room)
			fifo_take(&net.wire_ready);
		if (has_room && (packet->is_to_cut || net.wire_flying == before))
			packet_release(packet);		/* its segments hold it, or nobody does */
	}
	for (unsigned int queue = 0; queue < net.device->queues; queue++)
		if (is_rung[queue]) {
			net.device->driver->transmit_push(net.device, queue);
			did = true;
		}
	if (did && !driver_domain.has_answered)
		net.wire_patient_ns = time_now_ns() + FIRST_PATIENCE_NS;
	doing_nothing();
	return did;
}

static bool reap(void (*look)(struct packet *packet))
{
	void *done[WIRE_BATCH];
	bool did = false;

	for (unsigned int queue = 0; queue < net.device->queues && net.wire_flying; queue++) {
		unsigned int count = net.device->driver->reap(net.device, queue, done, WIRE_BATCH);

		for (unsigned int i = 0; i < count; i++) {
			if (look)
				look(done[i]);
			packet_release(done[i]);
		}
		net.wire_flying -= count;
		did |= count != 0;
	}
	return did;
}

bool wire_reap(void)
{
	return reap(NULL);
}

static void drop_all(struct fifo *fifo)
{
	struct packet *packet;

	while ((packet = fifo_take(fifo))) {
		drop(packet);
		packet_release(packet);
	}
}

/* Nobody is kept waiting for a link: rings that stand still would be laid to this driver. */
void wire_recall(void)
{
	const struct net_driver *driver = net.device->driver;

	drop_all(&net.wire_waiting);
	drop_all(&net.wire_ready);
	if (!net.wire_flying || !driver->recall)
		return;
	driver_domain_awaits_device(true);
	if (driver->recall(net.device))
		net.device->failed(net.device, "it does not start again without a link");
	driver_domain_awaits_device(false);
	while (reap(drop))
		;
	net.wire_refills = true;
}

/* ---- in ---- */

/* True: there is more to do. */
static bool refill(void)
{
	uint64_t kept = net.table->pool.pages / 4;	/* for what goes out */
	uint32_t room = net.is_taking_over ? REFILL_FIRST : REFILL_BATCH;

	if (!net.wire_refills)
		return false;
	net.wire_refills = false;
	for (unsigned int queue = 0; queue < net.device->queues; queue++) {
		bool did = false;

		while (buffer_free_count() > kept && room) {
			void *buffer = buffer_alloc();

			if (net.device->driver->receive_give(net.device, queue, buffer)) {
				buffer_free(buffer);
				break;
			}
			did = true;
			room--;
		}
		net.wire_refills |= buffer_free_count() <= kept || !room;
		if (did)
			net.device->driver->receive_push(net.device, queue);
	}
	return !room;
}

/* The tag goes to the side, the addresses stay. */
static bool tag_take(struct packet *packet)
{
	struct piece *first = &packet->piece[0];

	packet->vlan = net.wire.vlan;
	if (get16(first->at + 12) != ETHER_VLAN)
		return true;
	if (first->length < ETHERNET_BYTES + TAG_BYTES)
		return false;
	packet->vlan = get16(first->at + 14) & 0xfff;
	memcpy(packet->header, first->at, 12);
	packet->header_length = 12;
	first->at += 16;
	first->length -= 16;
	packet->length -= TAG_BYTES;
	if (packet->flags & NET_NEEDS_CSUM)
		packet->csum_start -= TAG_BYTES;
	if (packet->gso)
		packet->header_bytes -= TAG_BYTES;
	return true;
}

static void frame_drop(const struct net_frame *frame)
{
	for (unsigned int i = 0; i < frame->segment_count; i++)
		buffer_free(frame->segment[i].at);
}

struct packet *packet_of(const struct net_frame *frame)
{
	struct packet *packet = packet_take(PACKETS_FOR_SEGMENTS);

	if (!packet) {
		frame_drop(frame);
		return NULL;
	}
	packet->length = frame->length;
	packet->flags = frame->gso ? NET_NEEDS_CSUM : frame->flags;
	packet->gso = frame->gso;
	packet->gso_bytes = frame->gso_bytes;
	packet->piece_count = frame->segment_count;
	for (unsigned int i = 0; i < frame->segment_count; i++)
		packet->piece[i] = (struct piece){
			.at = frame->segment[i].at, .length = (uint16_t)frame->segment[i].length, .is_owned = true,
		};
	return packet;
}

struct packet *wire_take(int (*give)(struct net_device *, unsigned int, struct net_frame *), unsigned int queue, bool *came)
{
	struct net_scratch *scratch = net.scratch;
	uint32_t place = scratch->arrival_next % ARRIVALS;
	bool is_kept = !scratch->is_arrived[place];
	struct net_frame spare, *frame = is_kept ? &scratch->arrival[place] : &spare;
	struct packet *packet;

	*came = give(net.device, queue, frame) == 0;
	packet = *came ? packet_of(frame) : NULL;
	STEP();
	scratch->arrival_next = place + 1;
	if (packet && is_kept) {
		__atomic_store_n(&scratch->is_arrived[place], 1, __ATOMIC_RELEASE);
		packet->arrival = (uint16_t)(place + 1);
		STEP();
	} else if (*came && give == net.device->driver->receive) {
		net.device->driver->receive_taken(net.device, queue);
		STEP();
	}
	return packet;
}

/* What the card says of checksums and segments is found anew in the headers. */
static void arrive(struct packet *packet)
{
	struct headers headers;
	bool is_good, is_parsed;

	doing(packet);
	STEP();
	is_good = packet->piece_count && packet->piece[0].length >= ETHERNET_BYTES;
	is_parsed = is_good && headers_parse(packet->piece[0].at, packet->piece[0].length, packet->length, &headers) == 0;
	if (is_parsed) {
		packet->hash = headers_hash(packet->piece[0].at, &headers);
		is_good = offload_find(packet, &headers);
	} else if (is_good) {
		is_good = !packet->gso && !(packet->flags & NET_NEEDS_CSUM);
	}
	if (is_good && tag_take(packet)) {
		if (is_parsed)
			join_look(packet, &headers);
		switch_forward(&net.wire, packet);
	}
	packet_release(packet);
}

static bool receive_harvested(void)
{
	uint32_t count = 0;

	for (; count < batch(WIRE_BATCH) && net.wire_harvested.first; count++)
		arrive(fifo_take(&net.wire_harvested));
	return count != 0;
}

bool wire_receive(void)
{
	bool did = receive_harvested();

	for (unsigned int queue = 0; queue < net.device->queues && !net.wire_harvested.first; queue++) {
		bool came = true;

		for (unsigned int i = 0; i < batch(WIRE_BATCH) && came; i++) {
			struct packet *packet = wire_take(net.device->driver->receive, queue, &came);

			net.wire_refills |= came;
			did |= came;
			if (packet)
				arrive(packet);
		}
	}
	doing_nothing();
	return refill() || did;
}

/* Completions matter only to who waits for them: nobody does when nothing is under way. */
bool wire_interrupts(bool on)
{
	bool has_news = false;

	for (unsigned int queue = 0; queue < net.device->queues; queue++)
		has_news |= net.device->driver->interrupts(net.device, queue, on, on && net.wire_flying);
	return has_news;
}
