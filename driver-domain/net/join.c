/* SPDX-License-Identifier: MIT */
/*
 * Segments of one TCP stream that the wire brings one behind the other become one packet for a guest that takes such: its kernel works for one, then, in
 * place of eighteen.
 * J1  Only a frame whose checksum is right, or blank, is joined: who gets the whole checks nothing.
 * J2  What was joined could be cut into the same frames again: their headers differ in lengths, sequence numbers, identification and checksums
 *     alone, and all payloads but the last are of one size.
 * J3  What a predecessor has left goes alone: one of those frames may be what ended it.
 */
#include "net/headers.h"
#include "net/net.h"
#include "runtime/lib.h"

#define IP4_BYTES	20u		/* without options */
#define IP6_BYTES	40u
#define IP4_DONT_FRAGMENT 0x4000u
#define TCP_PSH		0x08u
#define TCP_ACK		0x10u

/* A frame that may be joined has its headers in one piece: all of them were pulled, or none. */
static uint8_t *headers_at(struct packet *packet)
{
	return packet->header_length ? packet->header : packet->piece[0].at;
}

static bool is_ip4(const uint8_t *frame)
{
	return get16(frame + 12) == ETHER_IP4;
}

/* Its lengths are those of the frame, which is no fragment and has nothing else to say than that it has data. */
static bool is_plain(const uint8_t *frame, uint32_t length, uint32_t l4)
{
	const uint8_t *ip = frame + ETHERNET_BYTES;

	if (frame[l4 + 13] != TCP_ACK && frame[l4 + 13] != (TCP_ACK | TCP_PSH))
		return false;
	if (is_ip4(frame))
		return l4 == ETHERNET_BYTES + IP4_BYTES && get16(ip + 2) == length - ETHERNET_BYTES && get16(ip + 6) == IP4_DONT_FRAGMENT;
	return l4 == ETHERNET_BYTES + IP6_BYTES && get16(ip + 4) == length - l4;
}

/* And some of it is behind the headers in the first piece, or all of it is. */
static bool has_payload(const struct packet *packet)
{
	uint32_t pulled = packet->header_length;

	return packet->length > packet->header_bytes && (pulled ? pulled == packet->header_bytes : packet->piece[0].length > packet->header_bytes);
}

void join_look(struct packet *packet, const struct headers *headers)
{
	uint32_t l4 = headers->l4 - (headers->has_tag ? TAG_BYTES : 0u), header_bytes = l4 + headers->l4_bytes;
	const uint8_t *frame;

	if (packet->is_alone || packet->gso || headers->protocol != IP_TCP || !headers->l4 || headers->is_fragment ||
	    (headers->type != ETHER_IP4 && headers->type != ETHER_IP6) || header_bytes > HEADER_MAX)
		return;
	if (packet->header_length && !packet_pull(packet, header_bytes))
		return;
	packet->header_bytes = (uint16_t)header_bytes;
	if (!has_payload(packet))
		return;
	frame = headers_at(packet);
	packet->csum_start = (uint16_t)l4;
	packet->csum_offset = 16;
	if (!is_plain(frame, packet->length, l4) || !checksum_is_right(packet, frame))
		return;
	packet->join_bytes = (uint16_t)(packet->length - header_bytes);
	packet->sequence_next = get32(frame + l4 + 4) + packet->join_bytes;
	packet->is_closed = frame[l4 + 13] & TCP_PSH;
}

/* J2, but lengths and sequence numbers. */
static bool is_same_stream(const uint8_t *a, const uint8_t *b, uint32_t l4, uint32_t header_bytes)
{
	const uint32_t ip = ETHERNET_BYTES;

	if (memcmp(a, b, ip))
		return false;
	if (is_ip4(a) ? memcmp(a + ip, b + ip, 2) || memcmp(a + ip + 6, b + ip + 6, 4) || memcmp(a + ip + 12, b + ip + 12, 8) :
			memcmp(a + ip, b + ip, 4) || memcmp(a + ip + 6, b + ip + 6, IP6_BYTES - 6))
		return false;
	/* Ports; the acknowledged and the header's length; window; urgent pointer and options. */
	return !memcmp(a + l4, b + l4, 4) && !memcmp(a + l4 + 8, b + l4 + 8, 5) && !memcmp(a + l4 + 14, b + l4 + 14, 2) &&
	       !memcmp(a + l4 + 18, b + l4 + 18, header_bytes - l4 - 18);
}

static bool may_join(struct packet *packet, struct packet *next)
{
	if (!packet->join_bytes || packet->is_closed || !next->join_bytes || next->join_bytes > packet->join_bytes)
		return false;
	if (packet->hash != next->hash || packet->vlan != next->vlan || packet->header_bytes != next->header_bytes ||
	    packet->csum_start != next->csum_start || packet->length + next->join_bytes > VIF_PACKET_MAX ||
	    packet->piece_count + next->piece_count > NET_SEGMENTS_MAX)
		return false;
	return packet->sequence_next == get32(headers_at(next) + next->csum_start + 4) &&
	       is_same_stream(headers_at(packet), headers_at(next), packet->csum_start, packet->header_bytes);
}

/* From here on it is a packet to be cut, with headers of our own (NB1). */
static void begin(struct packet *packet)
{
	packet_pull(packet, packet->header_bytes);
	packet->gso = is_ip4(packet->header) ? NET_GSO_TCP4 : NET_GSO_TCP6;
	packet->gso_bytes = packet->join_bytes;
	packet->flags = NET_NEEDS_CSUM;
}

/* The pieces stay those of `next`, which is held as long as `packet`. */
static void append(struct packet *packet, struct packet *next)
{
	uint32_t skip = next->header_length ? 0 : next->header_bytes;

	for (unsigned int i = 0; i < next->piece_count; i++) {
		struct piece *piece = &packet->piece[packet->piece_count++];

		*piece = next->piece[i];
		piece->is_owned = false;
		piece->at += skip;
		piece->length -= (uint16_t)skip;
		skip = 0;
	}
	packet->length += next->join_bytes;
	packet->sequence_next += next->join_bytes;
	packet->is_closed = next->is_closed || next->join_bytes < packet->join_bytes;
	if (next->is_closed)
		packet->header[packet->csum_start + 13] |= TCP_PSH;
	next->references++;
	next->next = packet->joined;
	packet->joined = next;
}

bool join(struct packet *packet, struct packet *next)
{
	if (!packet || !may_join(packet, next))
		return false;
	if (!packet->joined)
		begin(packet);
	append(packet, next);
	return true;
}
