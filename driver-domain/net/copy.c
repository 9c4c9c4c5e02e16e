/* SPDX-License-Identifier: MIT */
/*
 * All copies of a round are planned here and made by one hypercall, but those from our pages to our pages. Pages are filled to the brim: a piece that ends in the middle of one is two copies,
 * but the core keeps what the one before has looked up, so that they cost no more than one, and full pages are cheaper for who gets them.
 */
#include "device/pool.h"
#include "net/net.h"
#include "runtime/grants.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

/* A piece that is not referred to may be in two buffers. */
#define REFERRED_MAX 8u
_Static_assert(2 * REFERRED_MAX + 1 <= NET_SEGMENTS_MAX, "headers and pieces are a frame's segments");

void copies_run(void)
{
	if (!net.copy_count)
		return;
	if (grant_op(GNTTABOP_copy, net.copy, net.copy_count))
		for (uint32_t i = 0; i < net.copy_count; i++)
			net.copy[i].status = GNTST_general_error;
}

static uint16_t page_offset(const void *at)
{
	return (uint16_t)((uintptr_t)at % PAGE_SIZE);
}

void copy_pull(struct gnttab_copy *copy, struct packet *packet, uint32_t bytes)
{
	struct piece *piece = &packet->piece[0];
	uint8_t *to = packet->header + packet->header_length;

	copy->source.u.ref = piece->gref;
	copy->source.domid = packet->lender;
	copy->source.offset = piece->offset;
	copy->dest.u.gmfn = virt_to_mfn(to);
	copy->dest.domid = DOMID_SELF;
	copy->dest.offset = page_offset(to);
	copy->len = (uint16_t)bytes;
	copy->flags = GNTCOPY_source_gref;
	piece->offset += (uint16_t)bytes;
	piece->length -= (uint16_t)bytes;
	packet->header_length += (uint16_t)bytes;
}

static uint32_t target_request(struct target *target)
{
	const struct ring_back *ring = &target->queue->rx.ring;
	struct vif_rx_request request;

	ring_back_copy(ring, target->slot - ring->req_cons, &request, sizeof(request));
	target->queue->rx_id[target->slot % VIF_RING_SLOTS] = request.id;
	target->slot++;
	return request.gref;
}

static bool target_buffer(struct target *target)
{
	uint8_t *buffer;

	if (target->child->piece_count == NET_SEGMENTS_MAX || buffer_free_count() <= BUFFERS_FOR_SEGMENTS)
		return false;
	buffer = buffer_alloc();
	target->child->piece[target->child->piece_count++] = (struct piece){ .at = buffer, .is_owned = true };
	target->copy.dest.u.gmfn = virt_to_mfn(buffer);
	target->copy.dest.domid = DOMID_SELF;
	return true;
}

static bool target_next(struct target *target)
{
	if (target->queue) {
		target->copy.dest.u.ref = target_request(target);
		target->copy.dest.domid = target->queue->port->front_id;
		target->copy.flags = GNTCOPY_dest_gref;
		if (target->has_extra)
			target_request(target);
		target->has_extra = false;
	} else if (!target_buffer(target)) {
		return false;
	}
	target->copy.dest.offset = 0;
	target->room = PAGE_SIZE;
	return true;
}

/* `from` has a source, and its flag. */
static bool target_put(struct target *target, struct gnttab_copy *from, uint32_t length)
{
	uint16_t source_flag = from->flags;

	while (length) {
		struct gnttab_copy *copy = &net.copy[net.copy_count];
		uint16_t part;

		if (!target->room && !target_next(target))
			return false;
		part = (uint16_t)(length < target->room ? length : target->room);
		copy->source = from->source;
		copy->dest = target->copy.dest;
		copy->flags = source_flag | target->copy.flags;
		copy->len = part;
		net.copy_count++;
		from->source.offset += part;
		target->copy.dest.offset += part;
		target->room -= part;
		length -= part;
		if (!target->queue)
			target->child->piece[target->child->piece_count - 1].length += part;
	}
	return true;
}

/* What is in our pages goes to the card's buffers without the core. */
static bool target_write(struct target *target, const uint8_t *bytes, uint32_t length)
{
	while (length) {
		struct piece *piece;
		uint16_t part;

		if (!target->room && !target_next(target))
			return false;
		piece = &target->child->piece[target->child->piece_count - 1];
		part = (uint16_t)(length < target->room ? length : target->room);
		memcpy(piece->at + piece->length, bytes, part);
		piece->length += part;
		target->copy.dest.offset += part;
		target->room -= part;
		bytes += part;
		length -= part;
	}
	return true;
}

static bool target_put_own(struct target *target, const uint8_t *bytes, uint32_t length)
{
	struct gnttab_copy from = { .source = { .u.gmfn = virt_to_mfn(bytes), .domid = DOMID_SELF, .offset = page_offset(bytes) } };

	return target->queue ? target_put(target, &from, length) : target_write(target, bytes, length);
}

/* The card reads it where it is: the packet is held until it has been sent. What comes behind it begins a new buffer. */
static void target_refer(struct target *target, const struct piece *piece)
{
	struct piece *mine = &target->child->piece[target->child->piece_count++];

	*mine = *piece;
	mine->is_owned = false;
	target->room = 0;
}

bool copy_pieces(const struct packet *packet, struct target *target)
{
	bool may_refer = !target->queue && packet->piece_count <= REFERRED_MAX;

	for (unsigned int i = 0; i < packet->piece_count; i++) {
		const struct piece *piece = &packet->piece[i];
		struct gnttab_copy from = {
			.source = { .u.ref = piece->gref, .domid = packet->lender, .offset = piece->offset }, .flags = GNTCOPY_source_gref,
		};

		if (!piece->length)	/* it was all headers */
			continue;
		if (may_refer && piece->at && pool_has(piece->at, piece->length))
			target_refer(target, piece);
		else if (!(piece->at ? target_put_own(target, piece->at, piece->length) : target_put(target, &from, piece->length)))
			return false;
	}
	return true;
}

bool copy_packet(struct packet *packet, bool is_tagged, struct target *target)
{
	const uint8_t *header = is_tagged ? packet_tagged(packet) : packet->header;
	uint32_t header_length = packet->header_length + (is_tagged ? TAG_BYTES : 0);

	return (!header_length || target_put_own(target, header, header_length)) && copy_pieces(packet, target);
}

/* A copy of nothing: it only looks the grant up. */
bool grant_is_readable(domid_t lender, uint32_t gref)
{
	struct gnttab_copy copy = {
		.source = { .u.ref = gref, .domid = lender },
		.dest = { .u.gmfn = virt_to_mfn(&net), .domid = DOMID_SELF },
		.flags = GNTCOPY_source_gref,
	};

	return grant_op(GNTTABOP_copy, &copy, 1) == 0 && copy.status == GNTST_okay;
}
