/* SPDX-License-Identifier: MIT */
/* What is in a frame: Ethernet, one VLAN tag, ARP, IP, its extension headers, TCP, UDP, ICMPv6. Nothing here believes a length. */
#include "net/headers.h"

#include "net/net.h"

#define NEED(bytes)						\
	do {							\
		if ((bytes) > length)				\
			return HEADERS_BAD;				\
		if ((bytes) > have)				\
			return (int)(bytes);			\
	} while (0)

static int parse_transport(const uint8_t *bytes, uint32_t have, uint32_t length, struct headers *headers)
{
	switch (headers->protocol) {
	case IP_TCP:
		NEED(headers->l4 + 20u);
		headers->l4_bytes = (uint8_t)((bytes[headers->l4 + 12] >> 4) * 4);
		if (headers->l4_bytes < 20)
			return HEADERS_BAD;
		NEED(headers->l4 + (uint32_t)headers->l4_bytes);
		return 0;
	case IP_UDP:
		NEED(headers->l4 + 8u);
		return 0;
	case IP_ICMP6:
		/* Neighbour discovery is looked at to its end, as far as a header goes. */
		NEED(headers->l4 + 8u);
		if (icmp6_is_discovery(bytes[headers->l4]))
			NEED(length < HEADER_MAX ? length : HEADER_MAX);
		return 0;
	default:
		return 0;
	}
}

static int parse_ip4(const uint8_t *bytes, uint32_t have, uint32_t length, struct headers *headers)
{
	const uint8_t *ip = bytes + headers->l3;
	uint32_t ip_bytes;

	NEED(headers->l3 + 20u);
	ip_bytes = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || ip_bytes < 20)
		return HEADERS_BAD;
	NEED(headers->l3 + ip_bytes);
	headers->protocol = ip[9];
	headers->is_fragment = get16(ip + 6) & 0x3fff;
	if (get16(ip + 6) & 0x1fff)
		return 0;
	headers->l4 = (uint16_t)(headers->l3 + ip_bytes);
	return parse_transport(bytes, have, length, headers);
}

static bool ip6_is_extension(uint8_t next)
{
	return next == IP6_HOPS || next == IP6_ROUTING || next == IP6_FRAGMENT || next == IP6_OPTIONS || next == IP6_AUTH;
}

static uint32_t ip6_extension_bytes(uint8_t next, uint8_t length)
{
	return next == IP6_FRAGMENT ? 8 : next == IP6_AUTH ? (length + 2u) * 4 : (length + 1u) * 8;
}

static int parse_ip6(const uint8_t *bytes, uint32_t have, uint32_t length, struct headers *headers)
{
	uint32_t at = headers->l3 + 40u;
	uint8_t next;

	NEED(at);
	if (bytes[headers->l3] >> 4 != 6)
		return HEADERS_BAD;
	next = bytes[headers->l3 + 6];
	while (ip6_is_extension(next)) {
		NEED(at + 8);
		if (next == IP6_FRAGMENT) {
			headers->is_fragment = true;
			if (get16(bytes + at + 2) & 0xfff8) {	/* not the first: what follows is no header */
				headers->protocol = bytes[at];
				return 0;
			}
		}
		uint32_t end = at + ip6_extension_bytes(next, bytes[at + 1]);

		if (end > HEADER_MAX - 40) {
			headers->is_strange = true;
			return 0;
		}
		next = bytes[at];
		at = end;
	}
	headers->protocol = next;
	headers->l4 = (uint16_t)at;
	return parse_transport(bytes, have, length, headers);
}

int headers_parse(const uint8_t *bytes, uint32_t have, uint32_t length, struct headers *headers)
{
	*headers = (struct headers){ .l3 = ETHERNET_BYTES };
	NEED(ETHERNET_BYTES);
	headers->type = get16(bytes + 12);
	if (headers->type == ETHER_VLAN) {
		NEED(ETHERNET_BYTES + TAG_BYTES);
		headers->has_tag = true;
		headers->tag = get16(bytes + 14);
		headers->type = get16(bytes + 16);
		headers->l3 += TAG_BYTES;
	}
	switch (headers->type) {
	case ETHER_IP4:
		return parse_ip4(bytes, have, length, headers);
	case ETHER_IP6:
		return parse_ip6(bytes, have, length, headers);
	case ETHER_ARP:
		NEED(headers->l3 + ARP_BYTES);
		return 0;
	default:
		return 0;
	}
}

/* Packets of one flow have the same; fragments go by addresses alone. */
uint32_t headers_hash(const uint8_t *bytes, const struct headers *headers)
{
	uint32_t hash = headers->protocol, from = 0, words = 0;

	if (headers->type == ETHER_IP4)
		from = headers->l3 + 12u, words = 2;
	else if (headers->type == ETHER_IP6)
		from = headers->l3 + 8u, words = 8;
	for (uint32_t i = 0; i < words; i++)
		hash = (hash ^ get32(bytes + from + 4 * i)) * 0x9e3779b1u;
	if (words && headers->l4 && !headers->is_fragment && (headers->protocol == IP_TCP || headers->protocol == IP_UDP))
		hash = (hash ^ get32(bytes + headers->l4)) * 0x9e3779b1u;
	return hash ^ hash >> 16;
}
