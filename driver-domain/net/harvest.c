/* SPDX-License-Identifier: MIT */
/* What a driver leaves to its successor of what the card has received (NB5), and of what it is to send (NB9). */
#include "device/pool.h"
#include "net/headers.h"
#include "net/net.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/step.h"

/* Its record may be anything. */
static bool frame_is_sound(const struct net_frame *frame)
{
	uint32_t length = 0;

	if (!frame->segment_count || frame->segment_count > NET_SEGMENTS_MAX || frame->gso > NET_GSO_TCP6 || (frame->gso && !frame->gso_bytes))
		return false;
	for (unsigned int i = 0; i < frame->segment_count; i++) {
		const struct pool_part *segment = &frame->segment[i];

		if (!segment->length || segment->length > BUFFER_BYTES - (uintptr_t)segment->at % BUFFER_BYTES)
			return false;
		length += segment->length;
	}
	return length == frame->length;
}

/* NULL: there is none, or it cannot be, or it has killed too often. */
static struct packet *record_take(uint32_t place)
{
	struct net_scratch *scratch = net.scratch;
	const struct net_frame *frame = &scratch->arrival[place];
	struct packet *packet = NULL;

	if (scratch->is_arrived[place] <= ARRIVAL_DEATHS_MAX)
		scratch->is_arrived[place] += scratch->arrival_doing == place + 1 && !driver_domain.is_pardoned;
	if (scratch->is_arrived[place] > ARRIVAL_DEATHS_MAX)
		scratch->arrivals_blamed++;
	else if (frame_is_sound(frame) && net_frame_claim(frame))
		packet = packet_of(frame);
	if (packet)
		packet->arrival = (uint16_t)(place + 1);
	else
		scratch->is_arrived[place] = 0;
	return packet;
}

static void harvest_record(uint32_t place)
{
	struct packet *packet = record_take(place);

	if (!packet)
		return;
	packet->is_alone = true;
	fifo_put(&net.wire_harvested, packet);
}

static bool are_free(uint32_t place, uint32_t count)
{
	const uint8_t *at = &net.scratch->is_arrived[place], *end = at + count;
	uint64_t all = 0, eight;

	for (; at < end; at += sizeof(eight)) {
		memcpy(&eight, at, sizeof(eight));
		all |= eight;
	}
	return !all;
}

/* Many places are looked at together: most are free. */
static uint32_t places_together(uint32_t place, uint32_t left)
{
	if (place % 64 == 0 && left >= 64 && are_free(place, 64))
		return 64;
	return place % 8 == 0 && left >= 8 && are_free(place, 8) ? 8 : 1;
}

/* In the order in which they came. */
static void harvest_records(void)
{
	uint32_t place = net.scratch->arrival_next % ARRIVALS;

	for (uint32_t left = ARRIVALS; left > 0;) {
		uint32_t step = places_together(place, left);

		if (step == 1 && net.scratch->is_arrived[place])
			harvest_record(place);
		place = (place + step) % ARRIVALS;
		left -= step;
	}
}

/* What nobody had taken from the card: its records are made now, since its rings will not be there for another successor. */
static void harvest_card(void)
{
	for (unsigned int queue = 0; queue < net.device->queues; queue++) {
		bool came = true;

		while (came) {
			struct packet *packet = wire_take(net.device->driver->left, queue, &came);

			if (packet) {
				packet->is_alone = true;
				fifo_put(&net.wire_harvested, packet);
			}
		}
	}
}

/* ---- NB9 ---- */

static bool is_in_the_pool(const struct packet *child)
{
	bool is_ours = child->piece_count;

	for (unsigned int i = 0; i < child->piece_count; i++)
		is_ours &= child->piece[i].is_owned;
	return is_ours;
}

static bool is_for_nobody_else(const struct packet *child)
{
	const struct packet *packet = child->whole;

	while (packet && packet->references == 1)
		packet = packet->whole;
	return !packet;
}

/* One that may kill keeps its slots: by them it is found out. */
static bool may_depart(struct packet *child)
{
	const struct queue *from = packet_origin(child)->from;

	return !driver_domain.has_answered && !net.scratch->is_arrived[DEPARTURE] && from && !from->is_suspect && (child->is_to_cut || !child->whole->vlan) &&
	       is_for_nobody_else(child) && is_in_the_pool(child);
}

void departure_note(struct packet *child)
{
	struct packet *packet = child->whole;
	struct net_scratch *scratch = net.scratch;
	struct net_frame *frame = &scratch->arrival[DEPARTURE];

	if (!may_depart(child))
		return;
	frame_of(child, frame);
	frame->length -= child->header_length;
	scratch->departure.lives = 0;
	scratch->departure.vlan = packet->vlan;
	scratch->departure.header_length = child->is_to_cut ? packet->header_length : 0;
	memcpy(scratch->departure.header, packet->header, scratch->departure.header_length);
	STEP();
	__atomic_store_n(&scratch->is_arrived[DEPARTURE], 1, __ATOMIC_RELEASE);
	STEP();
	child->arrival = DEPARTURE + 1;
	child->whole = NULL;
	packet_release(packet);
	net.has_departed = true;
}

/* Headers are beside those, and only those, that were to be cut; without them nothing is tagged. */
static bool departure_is_sound(const struct packet *packet)
{
	const struct departure *departure = &net.scratch->departure;

	if (departure->header_length)
		return departure->header_length <= HEADER_MAX;
	return !departure->vlan && (!packet->gso || net.device->does_tso);
}

/* As a frame that the card has received, or with its headers beside it. One that brings every successor's card to an end goes with the last of them. */
static struct packet *departure_take(void)
{
	struct departure *departure = &net.scratch->departure;
	uint16_t length = departure->header_length;
	struct packet *packet = net.scratch->is_arrived[DEPARTURE] ? record_take(DEPARTURE) : NULL;

	if (!packet)
		return NULL;
	if (!departure_is_sound(packet) || ++departure->lives > DEPARTURE_LIVES_MAX) {
		net.scratch->arrivals_blamed++;
		packet_release(packet);
		return NULL;
	}
	memcpy(packet->header, departure->header, length);
	packet->header_length = length;
	packet->length += length;
	packet->vlan = departure->vlan;
	return packet;
}

/* Its predecessor judged it, but what it wrote may be anything. */
static void depart_again(struct packet *packet)
{
	bool is_beside = packet->header_length;
	const uint8_t *header = is_beside ? packet->header : packet->piece[0].at;
	uint32_t length = is_beside ? packet->header_length : packet->piece[0].length;
	struct headers headers;

	doing(packet);
	STEP();
	if (length >= ETHERNET_BYTES && headers_parse(header, length, packet->length, &headers) == 0 && offload_find(packet, &headers))
		wire_offer(packet);
	doing_nothing();
	packet_release(packet);
}

void wire_again(void)
{
	struct packet *departed;
	int error;

	if (!net.device->driver->stop(net.device))
		net.device->failed(net.device, "it does not acknowledge its reset");
	departed = departure_take();
	harvest_records();
	net.scratch->arrival_doing = 0;
	harvest_card();
	driver_domain.found += net.wire_harvested.count;
	error = net.device->driver->restart(net.device);
	if (error)
		net.device->failed(net.device, "it does not start again");
	net.wire_refills = true;
	net.wire.flags = DRIVER_NET_LINK_UP;	/* what is known of it is as old as ready: the next tick looks */
	if (departed)
		depart_again(departed);
}
