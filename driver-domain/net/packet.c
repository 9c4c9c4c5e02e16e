/* SPDX-License-Identifier: MIT */
#include "device/pool.h"
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/grants.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/step.h"

_Static_assert(offsetof(struct net_scratch, header) % HEADER_CELL == 0 && PAGE_SIZE % HEADER_CELL == 0, "a header lies in one page");

void packets_init(void)
{
	net.free_count = PACKETS;
}

struct packet *packet_take(uint32_t kept)
{
	struct packet *packet = net.free;

	if (net.free_count <= kept)
		return NULL;
	net.free_count--;
	if (packet) {
		net.free = packet->next;
	} else {
		packet = &net.scratch->packet[net.packets_used];
		packet->header = net.scratch->header[net.packets_used++];
	}
	packet->whole = packet->joined = NULL;
	packet->from = NULL;
	packet->references = 1;
	packet->since_ns = net.now_ns;
	packet->length = packet->hash = 0;
	packet->vlan = packet->header_length = packet->flags = 0;
	packet->csum_start = packet->csum_offset = packet->gso_bytes = packet->header_bytes = 0;
	packet->arrival = 0;
	packet->status = VIF_STATUS_OKAY;
	packet->gso = NET_GSO_NONE;
	packet->piece_count = 0;
	packet->is_flooded = packet->is_tagged = packet->is_alone = packet->is_closed = packet->is_to_cut = false;
	packet->join_bytes = 0;
	return packet;
}

struct packet *packet_new(void)
{
	return packet_take(packets_kept());
}

struct packet *packet_part(struct packet *whole)
{
	struct packet *part = packet_take(packet_origin(whole)->from ? packets_kept() : PACKETS_FOR_SEGMENTS);

	if (part) {
		part->whole = whole;
		whole->references++;
	}
	return part;
}

struct packet *packet_share(struct packet *packet)
{
	struct packet *part = packet_part(packet);

	if (!part)
		return NULL;
	memcpy(part->header, packet->header, packet->header_length);
	memcpy(part->piece, packet->piece, packet->piece_count * sizeof(packet->piece[0]));
	for (unsigned int i = 0; i < packet->piece_count; i++)
		part->piece[i].is_owned = false;
	part->length = packet->length;
	part->hash = packet->hash;
	part->lender = packet->lender;
	part->vlan = packet->vlan;
	part->header_length = packet->header_length;
	part->flags = packet->flags;
	part->csum_start = packet->csum_start;
	part->csum_offset = packet->csum_offset;
	part->gso = packet->gso;
	part->gso_bytes = packet->gso_bytes;
	part->header_bytes = packet->header_bytes;
	part->piece_count = packet->piece_count;
	part->is_flooded = packet->is_flooded;
	return part;
}

static void packet_free(struct packet *packet)
{
	for (unsigned int i = 0; i < packet->piece_count; i++)
		if (packet->piece[i].is_owned)
			buffer_free(packet->piece[i].at);
	packet->next = net.free;
	net.free = packet;
	net.free_count++;
}

static void joined_release(struct packet *joined)
{
	while (joined) {
		struct packet *next = joined->next;

		packet_release(joined);
		joined = next;
	}
}

void packet_end(struct packet *packet)
{
	do {
		struct packet *whole = packet->whole, *joined = packet->joined;

		if (packet->from)
			transmit_done(packet);
		if (packet->arrival) {
			packet->next = net.delivered;
			net.delivered = packet;
			net.delivered_count++;
		} else {
			packet_free(packet);
		}
		joined_release(joined);
		packet = whole;
	} while (packet && --packet->references == 0);
}

/* NB5: first it is no arrival any more, then its buffers are free. */
void packets_settle(void)
{
	struct packet *packet;

	while ((packet = net.delivered)) {
		net.delivered = packet->next;
		net.delivered_count--;
		STEP();
		net.scratch->is_arrived[packet->arrival - 1] = 0;
		STEP();
		packet_free(packet);
	}
}

static bool copy_now(struct gnttab_copy *copy, unsigned int count)
{
	if (grant_op(GNTTABOP_copy, copy, count))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (copy[i].status != GNTST_okay)
			return false;
	return true;
}

/* NB1: what is pulled leaves the pieces. */
static void packet_pull_one(struct packet *packet, struct piece *piece, uint32_t bytes)
{
	if (piece->at)
		piece->at += bytes < piece->length ? bytes : 0;	/* of an empty one as well: by it the buffer is freed */
	else
		piece->offset += (uint16_t)bytes;
	piece->length -= (uint16_t)bytes;
	packet->header_length += (uint16_t)bytes;
}

bool packet_pull(struct packet *packet, uint32_t bytes)
{
	for (unsigned int i = 0; i < packet->piece_count && packet->header_length < bytes; i++) {
		struct piece *piece = &packet->piece[i];
		uint32_t want = bytes - packet->header_length, part = want < piece->length ? want : piece->length;

		if (part && piece->at) {
			memcpy(packet->header + packet->header_length, piece->at, part);
		} else if (part) {
			struct gnttab_copy copy = {
				.source = { .u.ref = piece->gref, .domid = packet->lender, .offset = piece->offset },
				.dest = { .u.gmfn = virt_to_mfn(packet->header), .domid = DOMID_SELF },
				.len = (uint16_t)part, .flags = GNTCOPY_source_gref,
			};

			copy.dest.offset = (uint16_t)(((uintptr_t)packet->header + packet->header_length) % PAGE_SIZE);
			if (!copy_now(&copy, 1))
				return false;
		}
		packet_pull_one(packet, piece, part);
	}
	return packet->header_length >= bytes;
}

/* A buffer for each piece. */
bool packet_gather(struct packet *packet)
{
	struct gnttab_copy copy[PIECES_MAX];
	struct piece *to[PIECES_MAX];
	uint8_t *buffer[PIECES_MAX];
	unsigned int count = 0, left = packet->piece_count;

	for (struct piece *piece = packet->piece; left > 0; piece++, left--) {
		if (piece->at)
			continue;
		buffer[count] = buffer_free_count() > BUFFERS_FOR_COPIES ? buffer_alloc() : NULL;
		if (!buffer[count])
			break;
		copy[count] = (struct gnttab_copy){
			.source = { .u.ref = piece->gref, .domid = packet->lender, .offset = piece->offset },
			.dest = { .u.gmfn = virt_to_mfn(buffer[count]), .domid = DOMID_SELF },
			.len = piece->length, .flags = GNTCOPY_source_gref,
		};
		to[count++] = piece;
	}
	if (left || (count && !copy_now(copy, count))) {
		while (count-- > 0)
			buffer_free(buffer[count]);
		return false;
	}
	while (count-- > 0) {
		to[count]->at = buffer[count];
		to[count]->is_owned = true;
	}
	return true;
}

const uint8_t *packet_tagged(struct packet *packet)
{
	uint8_t *tagged = packet->header + HEADER_TAGGED;

	ASSERT(packet->header_length >= 12);
	if (!packet->is_tagged) {
		memcpy(tagged, packet->header, 12);
		put16(tagged + 12, 0x8100);
		put16(tagged + 14, packet->vlan);
		memcpy(tagged + 16, packet->header + 12, packet->header_length - 12u);
		packet->is_tagged = true;
	}
	return tagged;
}

void fifo_put(struct fifo *fifo, struct packet *packet)
{
	packet->next = NULL;
	if (fifo->first)
		fifo->last->next = packet;
	else
		fifo->first = packet;
	fifo->last = packet;
	fifo->count++;
}

struct packet *fifo_take(struct fifo *fifo)
{
	struct packet *packet = fifo->first;

	if (packet) {
		fifo->first = packet->next;
		fifo->count--;
	}
	return packet;
}
