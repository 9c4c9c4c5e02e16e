/* SPDX-License-Identifier: MIT */
/*
 * For a card that neither cuts nor sums up: the segments of a TCP packet, made one by one as the card takes them. Nothing is kept of one but its headers.
 * C1  All of the packet's payload is in the pool, or in its headers' copy, before the first segment is made: what was summed up is what is sent.
 * C2  Headers stand in a page of the pool, in cells, which the segments in it hold; the page holds the packet.
 * C3  cut_bytes moves when the card has a segment. Who goes on later begins there.
 */
#include "net/headers.h"
#include "net/net.h"
#include "net/sum.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_CWR 0x80u
#define TCP_SUM 16u			/* where the checksum is */
#define CELL_ROOM 16u			/* for what the card's driver puts in front */
#define CELL_MAX (CELL_ROOM + HEADER_MAX + TAG_BYTES)

_Static_assert(BUFFER_BYTES >= CELL_MAX && HEADER_TAGGED >= HEADER_MAX + TAG_BYTES, "a page has one cell at least");

/* What all segments of a packet have alike, and how far they are. */
struct cut {
	struct packet *packet, *page;	/* page: of headers; NULL: there is none */
	uint8_t header[HEADER_MAX + TAG_BYTES + 4];	/* of the next segments; what differs in each is 0: identification, sequence number, checksums */
	uint32_t alike_until;		/* where in the payload the first segment begins that these headers do not fit */
	uint32_t bytes;			/* payload of one */
	uint16_t ip_sum, tcp_sum;	/* of these headers, as they lie; TCP's with the pseudo header */
	uint32_t header_bytes, copy_bytes, l3, l4;
	uint32_t within;		/* payload that stands behind the headers in their copy */
	uint32_t payload, sequence, id;
	uint8_t tcp_flags;
	bool is_4;
	uint32_t cell_bytes, cell;	/* cell: where the next one is in the page */
	const struct piece *piece;	/* where the payload goes on behind `within` */
	uint32_t offset;
	struct net_frame frame;		/* of the next one; all but its segments stays */
};

bool segments_are_ours(struct packet *packet)
{
	const struct net_device *device = net.device;

	return packet->gso && !device->does_csum && packet->header_bytes <= HEADER_MAX &&
	       (uint32_t)packet->header_bytes + packet->gso_bytes <= device->mtu + ETHERNET_BYTES && packet_pull(packet, packet->header_bytes);
}

/* ---- what they have alike ---- */

static void find_place(struct cut *cut, uint32_t at)
{
	cut->piece = cut->packet->piece;
	at = at > cut->within ? at - cut->within : 0;
	while (at && at >= cut->piece->length)
		at -= cut->piece++->length;
	cut->offset = at;
}

/* What differs in each is taken out of the headers. */
static void headers_take(struct cut *cut)
{
	const struct packet *packet = cut->packet;
	uint8_t *ip = cut->header + cut->l3, *tcp = cut->header + cut->l4;

	memcpy(cut->header, packet->header, cut->header_bytes);
	cut->sequence = get32(tcp + 4);
	cut->tcp_flags = tcp[13];
	put32(tcp + 4, 0);
	put16(tcp + TCP_SUM, 0);
	if (!cut->is_4)
		return;
	cut->id = get16(ip + 4) + packet->cut_bytes / packet->gso_bytes;
	put16(ip + 4, 0);
	put16(ip + 10, 0);
}

static inline uint16_t swap16(uint16_t value)
{
	return (uint16_t)(value << 8 | value >> 8);
}

static void headers_sum(struct cut *cut, uint32_t l4_bytes)
{
	const uint8_t *ip = cut->header + cut->l3;

	if (cut->is_4)
		cut->ip_sum = sum_fold(sum_native(0, ip, cut->l4 - cut->l3));
	cut->tcp_sum = sum_fold(sum_native(swap16(sum_pseudo(ip, cut->is_4, IP_TCP, l4_bytes)), cut->header + cut->l4, cut->header_bytes - cut->l4));
}

/* The first segment may have other flags than those in the middle, and the last one other flags and fewer bytes. */
static void headers_fit(struct cut *cut, uint32_t from)
{
	uint32_t gso_bytes = cut->packet->gso_bytes, last = (cut->payload - 1) / gso_bytes * gso_bytes, l4_bytes;
	uint8_t *ip = cut->header + cut->l3, *flags = cut->header + cut->l4 + 13;

	*flags = cut->tcp_flags;
	if (from)
		*flags &= (uint8_t)~TCP_CWR;
	if (from < last)
		*flags &= (uint8_t)~(TCP_FIN | TCP_PSH);
	cut->bytes = from < last ? gso_bytes : cut->payload - from;
	cut->frame.length = cut->header_bytes + cut->bytes;
	cut->alike_until = from == 0 ? gso_bytes : from < last ? last : cut->payload;
	l4_bytes = cut->header_bytes - cut->l4 + cut->bytes;
	if (cut->is_4)
		put16(ip + 2, cut->l4 - cut->l3 + l4_bytes);
	else
		put16(ip + 4, cut->l4 - cut->l3 + l4_bytes - 40);
	headers_sum(cut, l4_bytes);
}

static void cut_begin(struct cut *cut, struct packet *packet)
{
	cut->packet = packet;
	cut->page = NULL;
	cut->header_bytes = packet->header_bytes;
	cut->copy_bytes = (cut->header_bytes + 7u) & ~7u;
	cut->l3 = get16(packet->header + 12) == ETHER_VLAN ? ETHERNET_BYTES + TAG_BYTES : ETHERNET_BYTES;
	cut->l4 = packet->csum_start;
	cut->within = packet->header_length - cut->header_bytes;
	cut->payload = packet->length - cut->header_bytes;
	cut->cell_bytes = (CELL_ROOM + packet->header_length + 7u) & ~7u;
	cut->is_4 = packet->gso == NET_GSO_TCP4;
	cut->alike_until = packet->cut_bytes;
	cut->frame.flags = NET_CSUM_VALID;
	cut->frame.gso = NET_GSO_NONE;
	cut->frame.room = CELL_ROOM;
	headers_take(cut);
	find_place(cut, packet->cut_bytes);
}

/* ---- one of them ---- */

/* C2. NULL: the pool is empty. */
static uint8_t *cell_take(struct cut *cut)
{
	uint8_t *buffer;

	if (cut->page && cut->cell + cut->cell_bytes > BUFFER_BYTES) {
		packet_release(cut->page);
		cut->page = NULL;
	}
	if (!cut->page) {
		cut->page = packet_take(0);
		buffer = cut->page ? buffer_alloc() : NULL;
		if (!buffer) {
			packet_release(cut->page);
			cut->page = NULL;
			return NULL;
		}
		cut->page->piece[0] = (struct piece){ .at = buffer, .is_owned = true };
		cut->page->piece_count = 1;
		cut->frame.cookie = cut->page;
		cut->page->whole = cut->packet;
		cut->packet->references++;
		cut->cell = 0;
	}
	return cut->page->piece[0].at + cut->cell + CELL_ROOM;
}

/* A sum as it lies. */
static inline void put_sum(uint8_t *at, uint64_t sum)
{
	uint16_t checksum = (uint16_t)~sum_fold(sum);

	__builtin_memcpy(at, &checksum, sizeof(checksum));
}

/* Returns the sum of TCP's and the pseudo header, as they lie. */
static inline uint64_t headers_write(const struct cut *cut, uint8_t *header)
{
	uint8_t *ip = header + cut->l3, *tcp = header + cut->l4;
	uint32_t sequence = cut->sequence + cut->packet->cut_bytes;
	uint16_t id = (uint16_t)cut->id;

	memcpy(header, cut->header, cut->copy_bytes);
	if (cut->is_4) {
		put16(ip + 4, id);
		put_sum(ip + 10, (uint64_t)cut->ip_sum + swap16(id));
	}
	put32(tcp + 4, sequence);
	return (uint64_t)cut->tcp_sum + __builtin_bswap32(sequence);
}

static inline uint64_t sum_next(uint64_t sum, const uint8_t *bytes, uint32_t count)
{
	sum = sum_native(sum, bytes, count);
	return count % 2 ? sum_turned(sum) : sum;
}

/* What of the payload stands behind the headers' copy goes behind these. Returns how much. */
static uint32_t within_write(const struct cut *cut, uint8_t *header)
{
	uint32_t from = cut->packet->cut_bytes, count = from < cut->within ? cut->within - from : 0;

	if (count > cut->bytes)
		count = cut->bytes;
	memcpy(header + cut->header_bytes, cut->packet->header + cut->header_bytes + from, count);
	return count;
}

/* The rest, where it lies. Returns the sum with it. */
static inline uint64_t pieces_refer(struct cut *cut, uint32_t bytes, uint64_t sum)
{
	struct net_frame *frame = &cut->frame;
	struct pool_part *segment = &frame->segment[1];

	while (bytes) {
		uint32_t left = cut->piece->length - cut->offset, count = left < bytes ? left : bytes;
		uint8_t *at = cut->piece->at + cut->offset;

		if (count) {
			ASSERT(segment < &frame->segment[NET_SEGMENTS_MAX]);
			*segment++ = (struct pool_part){ at, count };
			sum = sum_next(sum, at, count);
		}
		cut->offset += count;
		bytes -= count;
		if (count == left) {
			cut->piece++;
			cut->offset = 0;
		}
	}
	frame->segment_count = (uint8_t)(segment - frame->segment);
	return sum;
}

static void segment_make(struct cut *cut, uint8_t *header)
{
	uint64_t sum = headers_write(cut, header);
	uint32_t within = 0;

	if (cut->packet->cut_bytes < cut->within) {
		within = within_write(cut, header);
		sum = sum_next(sum, header + cut->header_bytes, within);
	}
	cut->frame.segment[0] = (struct pool_part){ header, cut->header_bytes + within };
	sum = pieces_refer(cut, cut->bytes - within, sum);
	put_sum(header + cut->l4 + TCP_SUM, cut->bytes % 2 ? sum_turned(sum) : sum);
}

/* False: there is no room for it. */
static bool segment_give(struct cut *cut, unsigned int queue)
{
	uint8_t *header = cell_take(cut);

	if (!header)
		return false;
	if (cut->packet->cut_bytes == cut->alike_until)
		headers_fit(cut, cut->packet->cut_bytes);
	segment_make(cut, header);
	if (net.device->driver->transmit(net.device, queue, &cut->frame))
		return false;
	STEP();
	cut->page->references++;
	cut->cell += cut->cell_bytes;
	cut->id++;
	cut->packet->cut_bytes += cut->bytes;
	net.wire_flying++;
	return true;
}

bool segments_give(struct packet *packet, unsigned int queue)
{
	struct cut cut;
	bool has_room = true;

	cut_begin(&cut, packet);
	while (has_room && packet->cut_bytes < cut.payload)
		has_room = segment_give(&cut, queue);
	packet_release(cut.page);
	return has_room;
}
