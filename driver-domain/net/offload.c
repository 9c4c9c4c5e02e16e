/* SPDX-License-Identifier: MIT */
/* Checksums and segmentation by software, for who cannot take a packet as it is. */
#include "net/headers.h"
#include "net/net.h"
#include "net/sum.h"
#include "runtime/lib.h"

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u

/* ---- checksums ---- */

/* Of a packet from the wire the headers may still be in the first piece, or behind a tag that was taken off. */
static bool is_ip4(const struct packet *packet)
{
	const uint8_t *type = packet->header + 12;

	if (packet->header_length < ETHERNET_BYTES)
		type = packet->piece[0].at + 12 - packet->header_length;
	return get16(type) == ETHER_IP4;
}

static void checksum_blank(struct packet *packet)
{
	put16(packet->header + packet->csum_start + packet->csum_offset,
	      sum_pseudo(packet->header + ETHERNET_BYTES, packet->gso == NET_GSO_TCP4, IP_TCP, packet->length - packet->csum_start));
}

bool checksum_is_right(struct packet *packet, const uint8_t *frame)
{
	bool is_4 = get16(frame + 12) == ETHER_IP4, is_odd = false;
	uint32_t l4 = packet->csum_start, skip = packet->header_length ? 0 : l4;
	uint64_t sum;

	if (packet->flags & (NET_NEEDS_CSUM | NET_CSUM_VALID))
		return true;
	sum = sum_pseudo(frame + ETHERNET_BYTES, is_4, IP_TCP, packet->length - l4);
	if (packet->header_length)
		sum = sum_bytes(sum, frame + l4, packet->header_length - l4, &is_odd);
	for (unsigned int i = 0; i < packet->piece_count; i++, skip = 0)
		sum = sum_bytes(sum, packet->piece[i].at + skip, packet->piece[i].length - skip, &is_odd);
	if (sum_fold(sum) != 0xffff)
		return false;
	packet->flags |= NET_CSUM_VALID;
	return true;
}

/* All of it is in our pages. The field holds the pseudo header's sum, which is how it gets into the result. */
static bool checksum(struct packet *packet)
{
	uint32_t field = (uint32_t)packet->csum_start + packet->csum_offset;
	bool is_odd = false;
	uint16_t sum;
	uint64_t all;

	if (field + 2 > HEADER_MAX || !packet_pull(packet, field + 2))
		return false;
	all = sum_bytes(0, packet->header + packet->csum_start, packet->header_length - (uint32_t)packet->csum_start, &is_odd);
	for (unsigned int i = 0; i < packet->piece_count; i++)
		all = sum_bytes(all, packet->piece[i].at, packet->piece[i].length, &is_odd);
	sum = (uint16_t)~sum_fold(all);
	put16(packet->header + field, sum ? sum : 0xffff);
	packet->flags = NET_CSUM_VALID;
	packet->is_tagged = false;
	return true;
}

/* Where a blank checksum stands, and how long the headers are that are before each segment. */
bool offload_find(struct packet *packet, const struct headers *headers)
{
	uint16_t type = packet->gso == NET_GSO_TCP4 ? ETHER_IP4 : ETHER_IP6;

	if (packet->gso && (headers->type != type || headers->protocol != IP_TCP || !headers->l4 || headers->is_fragment))
		return false;
	if (!packet->gso && !(packet->flags & NET_NEEDS_CSUM))
		return true;
	if (!headers->l4 || headers->is_fragment || (headers->protocol != IP_TCP && headers->protocol != IP_UDP))
		return false;
	packet->csum_start = headers->l4;
	packet->csum_offset = headers->protocol == IP_TCP ? 16 : 6;
	if (packet->gso) {
		packet->header_bytes = headers->l4 + headers->l4_bytes;
		if (packet->header_bytes >= packet->length || packet->length - packet->header_bytes > GSO_SEGMENTS_MAX * packet->gso_bytes)
			return false;
		if (!(packet->flags & NET_NEEDS_CSUM))
			checksum_blank(packet);
		packet->flags = NET_NEEDS_CSUM;
	}
	return true;
}

/* ---- segmentation ---- */

/* Bytes [from, from + count) of what is behind the headers, as pieces of another packet. */
static void slice(struct packet *packet, struct packet *part, uint32_t from, uint32_t count)
{
	uint32_t inline_bytes = packet->header_length - (uint32_t)packet->header_bytes;

	for (int i = -1; i < packet->piece_count && count; i++) {
		struct piece piece = i >= 0 ? packet->piece[i] :
			(struct piece){ .at = packet->header + packet->header_bytes, .length = (uint16_t)inline_bytes };
		uint32_t take;

		if (from >= piece.length) {
			from -= piece.length;
			continue;
		}
		take = piece.length - from < count ? piece.length - from : count;
		if (piece.at)
			piece.at += from;
		else
			piece.offset += (uint16_t)from;
		piece.length = (uint16_t)take;
		piece.is_owned = false;
		part->piece[part->piece_count++] = piece;
		count -= take;
		from = 0;
	}
}

static void ip_settle(uint8_t *header, bool is_4, uint32_t length)
{
	uint8_t *ip = header + ETHERNET_BYTES;
	bool is_odd = false;

	if (!is_4) {
		put16(ip + 4, length - ETHERNET_BYTES - 40);
		return;
	}
	put16(ip + 2, length - ETHERNET_BYTES);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~sum_fold(sum_bytes(0, ip, (ip[0] & 15u) * 4, &is_odd)));
}

void headers_settle(struct packet *packet)
{
	ip_settle(packet->header, packet->gso == NET_GSO_TCP4, packet->length);
	checksum_blank(packet);
}

static void segment_headers(const struct packet *packet, struct packet *part, uint32_t from, bool is_last)
{
	uint8_t *header = part->header, *ip = header + ETHERNET_BYTES, *tcp = header + packet->csum_start;
	uint32_t l4_bytes = part->length - packet->csum_start;
	bool is_4 = packet->gso == NET_GSO_TCP4;

	if (is_4)
		put16(ip + 4, get16(ip + 4) + from / packet->gso_bytes);
	ip_settle(header, is_4, part->length);
	put32(tcp + 4, get32(tcp + 4) + from);
	if (!is_last)
		tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (from)
		tcp[13] &= (uint8_t)~TCP_CWR;
	put16(tcp + packet->csum_offset, sum_pseudo(ip, is_4, IP_TCP, l4_bytes));
}

static struct packet *segment(struct packet *packet, uint32_t from, uint32_t bytes, bool is_last)
{
	struct packet *part = packet_part(packet);

	if (!part)
		return NULL;
	memcpy(part->header, packet->header, packet->header_bytes);
	part->header_length = packet->header_bytes;
	part->length = packet->header_bytes + bytes;
	part->hash = packet->hash;
	part->lender = packet->lender;
	part->vlan = packet->vlan;
	part->flags = NET_NEEDS_CSUM;
	part->csum_start = packet->csum_start;
	part->csum_offset = packet->csum_offset;
	slice(packet, part, from, bytes);
	segment_headers(packet, part, from, is_last);
	return part;
}

/* Who takes one segment no more gets none of those behind it: nothing is made only to be dropped. */
static bool cut(struct packet *packet, bool does_csum, bool (*give)(void *, struct packet *), void *to)
{
	uint32_t payload, at = 0;

	if (packet->header_bytes > HEADER_MAX || !packet_pull(packet, packet->header_bytes) ||
	    (!does_csum && !packet_gather(packet)))
		return false;
	payload = packet->length - packet->header_bytes;
	while (at < payload) {
		uint32_t bytes = payload - at < packet->gso_bytes ? payload - at : packet->gso_bytes;
		struct packet *part = segment(packet, at, bytes, at + bytes == payload);
		bool is_taken = part && (does_csum || checksum(part)) && give(to, part);

		packet_release(part);
		if (!is_taken)
			return false;
		at += bytes;
	}
	return true;
}

bool offload(struct packet *packet, const struct abilities *abilities, bool (*give)(void *to, struct packet *packet), void *to)
{
	bool is_4, does_csum, does_tso;

	if (packet_frame_bytes(packet) > abilities->length_max)
		return false;
	if (packet->flags & NET_NEEDS_CSUM) {
		is_4 = packet->gso ? packet->gso == NET_GSO_TCP4 : is_ip4(packet);
		does_csum = is_4 ? abilities->csum4 : abilities->csum6;
		does_tso = does_csum && (is_4 ? abilities->tso4 : abilities->tso6);
		if (packet->gso && !does_tso)
			return cut(packet, does_csum, give, to);
		if (!does_csum && (!packet_gather(packet) || !checksum(packet)))
			return false;
	}
	return give(to, packet);
}
