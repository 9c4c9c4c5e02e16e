/* SPDX-License-Identifier: MIT */
/*
 * An Ethernet switch: it learns who is where, per VLAN. The addresses of its guests it knows from Dom0.
 * SW1  A frame leaves by a port that its VLAN reaches, and never by the one that it came from.
 * SW2  Nobody takes over an address that Dom0 gave to a port. What one port teaches is bounded, and forgotten if it is not heard again.
 * SW3  A mirror hears what passes another port, says nothing, and is nobody's destination.
 */
#include "net/headers.h"
#include "net/net.h"
#include "runtime/lib.h"

#define PROBES			8u		/* places that an address may be in */
#define LEARNED_OF_GUEST	32u
#define LEARNED_OF_WIRE		1024u
#define AGE_NS			300000000000ull
#define MIRRORS			8u

static struct port *mirror[MIRRORS];	/* the first mirror_count */
static uint32_t mirror_count;

void switch_init(void)
{
	mirror_count = 0;
}

/* A predecessor's is free. */
static struct address *address_at(uint32_t place)
{
	struct address *one = &net.scratch->address[place % ADDRESSES];

	if (one->generation != net.generation) {
		one->port = NULL;
		one->is_given = false;
		one->generation = net.generation;
	}
	return one;
}

static uint32_t address_place(const uint8_t *mac, uint16_t vlan)
{
	uint32_t hash = (get32(mac) ^ get16(mac + 4) * 0x85ebca6bu ^ vlan) * 0x9e3779b1u;

	return hash >> 16 ^ hash;
}

static struct address *address_find(const uint8_t *mac, uint16_t vlan)
{
	uint32_t place = address_place(mac, vlan);

	for (uint32_t i = 0; i < PROBES; i++) {
		struct address *one = address_at(place + i);

		if (one->port && one->vlan == vlan && !memcmp(one->mac, mac, 6))
			return one;
	}
	return NULL;
}

static bool address_may_go(const struct address *one)
{
	return !one->port || (!one->is_given && net.now_ns - one->seen_ns > AGE_NS);
}

static void address_forget(struct address *one)
{
	if (one->port && !one->is_given)
		one->port->learned--;
	one->port = NULL;
}

/* An address of Dom0's takes the place of a learned one if there is no other. */
static struct address *address_make(const uint8_t *mac, uint16_t vlan, bool is_given)
{
	uint32_t place = address_place(mac, vlan);
	struct address *best = NULL;

	for (uint32_t i = 0; i < PROBES && !best; i++)
		if (address_may_go(address_at(place + i)))
			best = address_at(place + i);
	for (uint32_t i = 0; i < PROBES && !best && is_given; i++)
		if (!address_at(place + i)->is_given)
			best = address_at(place + i);
	if (best) {
		address_forget(best);
		memcpy(best->mac, mac, 6);
		best->vlan = vlan;
		best->is_given = is_given;
	}
	return best;
}

static void address_give(struct port *port, uint16_t vlan)
{
	struct address *one = address_find(port->net.mac, vlan);

	if (one && one->is_given)
		return;		/* two ports with one address: the first keeps it */
	if (one)
		address_forget(one);
	one = address_make(port->net.mac, vlan, true);
	if (one)
		one->port = port;
}

void switch_add(struct port *port)
{
	if (port->flags & DRIVER_NET_MIRROR) {
		if (mirror_count < MIRRORS)
			mirror[mirror_count++] = port;
		return;
	}
	address_give(port, port->vlan);
	if (port->flags & DRIVER_NET_TRUNK)
		for (unsigned int i = 0; i < port->net.vlan_count; i++)
			address_give(port, port->net.vlan[i]);
}

void switch_remove(struct port *port)
{
	for (uint32_t i = 0; i < mirror_count; i++)
		if (mirror[i] == port)
			mirror[i--] = mirror[--mirror_count];
	for (uint32_t i = 0; i < ADDRESSES; i++)
		if (address_at(i)->port == port)
			address_forget(address_at(i));
}

/* One with its MAC guarded says nothing new. */
static void learn(struct port *from, const uint8_t *mac, uint16_t vlan)
{
	struct address *one;

	if (mac[0] & 1 || from->flags & DRIVER_NET_GUARD_MAC)
		return;
	one = address_find(mac, vlan);
	if (one && (one->is_given || one->port == from)) {
		one->seen_ns = net.now_ns;
		return;
	}
	if (from->learned >= (from == &net.wire ? LEARNED_OF_WIRE : LEARNED_OF_GUEST))
		return;
	if (one)
		address_forget(one);
	else
		one = address_make(mac, vlan, false);
	if (!one)
		return;
	memcpy(one->mac, mac, 6);
	one->vlan = vlan;
	one->is_given = false;
	one->port = from;
	one->seen_ns = net.now_ns;
	from->learned++;
}

void switch_age(void)
{
	static uint32_t next;

	for (uint32_t i = 0; i < ADDRESSES / 64; i++, next++)
		if (address_at(next)->port && address_may_go(address_at(next)))
			address_forget(address_at(next));
}

static bool port_has_vlan(const struct port *port, uint16_t vlan)
{
	if (vlan == port->vlan)
		return true;
	if (port->flags & DRIVER_NET_TRUNK)
		for (unsigned int i = 0; i < port->net.vlan_count; i++)
			if (port->net.vlan[i] == vlan)
				return true;
	return false;
}

static void let_hear(const struct port *passed, struct packet *packet)
{
	for (uint32_t i = 0; i < mirror_count; i++)
		if (!memcmp(mirror[i]->net.mirrored, passed->net.mac, 6))
			receive_offer(mirror[i], packet);
}

static void give(struct port *to, struct packet *packet)
{
	if (mirror_count && (to == &net.wire || port_has_vlan(to, packet->vlan)))
		let_hear(to, packet);
	if (to == &net.wire)
		wire_offer(packet);
	else if (port_has_vlan(to, packet->vlan))
		receive_offer(to, packet);
}

/* Whose address nobody knows: the wire, and guests that may have others than Dom0 gave them. */
static void flood(struct port *from, struct packet *packet, bool is_for_all)
{
	packet->is_flooded = true;
	if (net.is_taking_over)
		attach_for(packet->header_length ? packet->header : packet->piece[0].at, true);
	for (uint32_t i = 0; i < DRIVER_ATTACHMENTS_MAX; i++) {
		struct port *port = net.port[i];

		if (port && port != from && !(port->flags & DRIVER_NET_MIRROR) && (is_for_all || !(port->flags & DRIVER_NET_GUARD_MAC)))
			give(port, packet);
	}
	if (net.device && from != &net.wire)
		give(&net.wire, packet);
}

/* 01:80:c2:00:00:0x stays on its link: spanning tree, pause, LLDP. */
static bool is_link_local(const uint8_t *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x80 && mac[2] == 0xc2 && !mac[3] && !mac[4] && mac[5] < 16;
}

void switch_forward(struct port *from, struct packet *packet)
{
	const uint8_t *frame = packet->header_length ? packet->header : packet->piece[0].at;
	struct address *one;

	if (is_link_local(frame) || from->flags & DRIVER_NET_MIRROR)
		return;
	if (mirror_count) {
		packet->is_flooded = true;	/* it may be for more than one */
		let_hear(from, packet);
	}
	learn(from, frame + 6, packet->vlan);
	if (frame[0] & 1) {
		flood(from, packet, true);
		return;
	}
	one = address_find(frame, packet->vlan);
	if (net.is_taking_over && !(one && one->is_given)) {
		attach_for(frame, false);
		one = address_find(frame, packet->vlan);
	}
	if (!one)
		flood(from, packet, false);
	else if (one->port != from)
		give(one->port, packet);
}
