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
	uint8_t header[HEADER_MAX + TAG_BYTES + 4];	/* lengths, checksums and identification are 0 */
	uint32_t header_bytes, l3, l4;
	uint32_t within;		/* payload that stands behind the headers in their copy */
	uint32_t payload, sequence, id;
	uint16_t ip_sum, pseudo_sum;
	uint8_t tcp_flags;
	bool is_4;
	uint32_t cell_bytes, cell;	/* cell: where the next one is in the page */
	uint32_t piece, offset;		/* where the payload goes on behind `within` */
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
	cut->piece = cut->offset = 0;
	at = at > cut->within ? at - cut->within : 0;
	while (at && at >= cut->packet->piece[cut->piece].length)
		at -= cut->packet->piece[cut->piece++].length;
	cut->offset = at;
}

static void cut_begin(struct cut *cut, struct packet *packet)
{
	uint8_t *ip, *tcp;
	bool is_odd = false;

	cut->packet = packet;
	cut->page = NULL;
	cut->header_bytes = packet->header_bytes;
	cut->l3 = get16(packet->header + 12) == ETHER_VLAN ? ETHERNET_BYTES + TAG_BYTES : ETHERNET_BYTES;
	cut->l4 = packet->csum_start;
	cut->within = packet->header_length - cut->header_bytes;
	cut->payload = packet->length - cut->header_bytes;
	cut->cell_bytes = (CELL_ROOM + packet->header_length + 7u) & ~7u;
	cut->is_4 = packet->gso == NET_GSO_TCP4;
	memcpy(cut->header, packet->header, cut->header_bytes);

	ip = cut->header + cut->l3;
	tcp = cut->header + cut->l4;
	cut->sequence = get32(tcp + 4);
	cut->tcp_flags = tcp[13];
	put16(tcp + TCP_SUM, 0);
	if (cut->is_4) {
		cut->id = get16(ip + 4) + packet->cut_bytes / packet->gso_bytes;
		memset(ip + 2, 0, 4);
		put16(ip + 10, 0);
		cut->ip_sum = sum_fold(sum_bytes(0, ip, cut->l4 - cut->l3, &is_odd));
	}
	cut->pseudo_sum = sum_pseudo(ip, cut->is_4, IP_TCP, 0);
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
		cut->page->whole = cut->packet;
		cut->packet->references++;
		cut->cell = 0;
	}
	return cut->page->piece[0].at + cut->cell + CELL_ROOM;
}

static void headers_write(const struct cut *cut, uint8_t *header, uint32_t bytes)
{
	uint8_t *ip = header + cut->l3, *tcp = header + cut->l4;
	uint32_t from = cut->packet->cut_bytes, ip_bytes = cut->header_bytes - cut->l3 + bytes;

	memcpy(header, cut->header, (cut->header_bytes + 7u) & ~7u);
	if (cut->is_4) {
		put16(ip + 2, ip_bytes);
		put16(ip + 4, cut->id);
		put16(ip + 10, (uint16_t)~sum_fold(cut->ip_sum + ip_bytes + (cut->id & 0xffff)));
	} else {
		put16(ip + 4, ip_bytes - 40);
	}
	put32(tcp + 4, cut->sequence + from);
	tcp[13] = cut->tcp_flags;
	if (from + bytes != cut->payload)
		tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	if (from)
		tcp[13] &= (uint8_t)~TCP_CWR;
}

/* What of the payload stands behind the headers' copy goes behind these. Returns how much. */
static uint32_t within_write(const struct cut *cut, uint8_t *header, uint32_t bytes)
{
	uint32_t from = cut->packet->cut_bytes, count = from < cut->within ? cut->within - from : 0;

	if (count > bytes)
		count = bytes;
	if (count)
		memcpy(header + cut->header_bytes, cut->packet->header + cut->header_bytes + from, count);
	return count;
}

/* The rest, where it lies. */
static void pieces_refer(struct cut *cut, struct net_frame *frame, uint32_t bytes, uint64_t *sum, bool *is_odd)
{
	while (bytes) {
		const struct piece *piece = &cut->packet->piece[cut->piece];
		uint32_t left = piece->length - cut->offset, count = left < bytes ? left : bytes;
		uint8_t *at = piece->at + cut->offset;

		if (count) {
			ASSERT(frame->segment_count < NET_SEGMENTS_MAX);
			frame->segment[frame->segment_count++] = (struct net_segment){ at, count };
			*sum = sum_bytes(*sum, at, count, is_odd);
		}
		cut->offset += count;
		bytes -= count;
		if (count == left) {
			cut->piece++;
			cut->offset = 0;
		}
	}
}

static void segment_make(struct cut *cut, uint8_t *header, uint32_t bytes, struct net_frame *frame)
{
	uint32_t within, l4_bytes = cut->header_bytes - cut->l4 + bytes;
	bool is_odd = false;
	uint16_t checksum;
	uint64_t sum;

	headers_write(cut, header, bytes);
	within = within_write(cut, header, bytes);
	frame->segment[0] = (struct net_segment){ header, cut->header_bytes + within };
	frame->segment_count = 1;
	sum = sum_bytes((uint64_t)cut->pseudo_sum + l4_bytes, header + cut->l4, frame->segment[0].length - cut->l4, &is_odd);
	pieces_refer(cut, frame, bytes - within, &sum, &is_odd);
	checksum = (uint16_t)~sum_fold(sum);
	put16(header + cut->l4 + TCP_SUM, checksum ? checksum : 0xffff);
	frame->length = cut->header_bytes + bytes;
	frame->cookie = cut->page;
}

/* False: there is no room for it. */
static bool segment_give(struct cut *cut, unsigned int queue, struct net_frame *frame)
{
	uint32_t left = cut->payload - cut->packet->cut_bytes, bytes = left < cut->packet->gso_bytes ? left : cut->packet->gso_bytes;
	uint8_t *header = cell_take(cut);

	if (!header)
		return false;
	segment_make(cut, header, bytes, frame);
	if (net.device->driver->transmit(net.device, queue, frame))
		return false;
	STEP();
	cut->page->references++;
	cut->cell += cut->cell_bytes;
	cut->id++;
	cut->packet->cut_bytes += bytes;
	net.wire_flying++;
	return true;
}

bool segments_give(struct packet *packet, unsigned int queue)
{
	struct net_frame frame;
	struct cut cut;
	bool has_room = true;

	frame.flags = NET_CSUM_VALID;
	frame.gso = NET_GSO_NONE;
	frame.room = CELL_ROOM;
	cut_begin(&cut, packet);
	while (has_room && packet->cut_bytes < cut.payload)
		has_room = segment_give(&cut, queue, &frame);
	packet_release(cut.page);
	return has_room;
}
