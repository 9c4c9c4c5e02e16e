/* SPDX-License-Identifier: MIT */
#include "decode.h"

#include "../../protocols/vbd.h"
#include "../../protocols/vif.h"

#if __STDC_HOSTED__
#include <stdio.h>
#else
#include "runtime/console.h"
#endif

/* ---------------------------------------------------------------- disk */

static const char *operation_name(uint8_t operation)
{
	static const char *const names[] = { "read", "write", "barrier", "flush", "operation 4", "discard", "indirect" };

	return operation < sizeof(names) / sizeof(names[0]) ? names[operation] : "unknown operation";
}

static void segments_tell(char *to, size_t size, const struct vbd_request *request)
{
	for (unsigned int i = 0; i < request->segments && i < VBD_SEGMENTS; i++) {
		const struct vbd_segment *segment = &request->segment[i];
		size_t length = (size_t)snprintf(to, size, " [gref %u, %u-%u]", segment->gref, segment->first_sector, segment->last_sector);

		if (length >= size)
			return;
		to += length;
		size -= length;
	}
}

void decode_vbd_request(char *to, size_t size, const void *slot)
{
	const union vbd_slot *vbd = slot;
	uint8_t operation = vbd->plain.operation;
	size_t length = (size_t)snprintf(to, size, "%s (%u) id %lu sector %lu", operation_name(operation), operation, vbd->plain.id, vbd->plain.sector);

	if (length >= size)
		return;
	if (operation == VBD_OP_INDIRECT)
		snprintf(to + length, size - length, " inner %s (%u), %u segments in gref %u", operation_name(vbd->indirect.inner), vbd->indirect.inner,
			 vbd->indirect.segments, vbd->indirect.gref[0]);
	else if (operation == VBD_OP_DISCARD)
		snprintf(to + length, size - length, " %lu sectors", vbd->discard.sectors);
	else
		segments_tell(to + length, size - length, &vbd->plain);
}

void decode_vbd_response(char *to, size_t size, const void *slot)
{
	const struct vbd_response *response = slot;

	snprintf(to, size, "%s (%u) id %lu status %d", operation_name(response->operation), response->operation, response->id, response->status);
}

/* ---------------------------------------------------------------- interface */

static bool extra_is_next;

void decode_tx_begin(void) { extra_is_next = false; }

void decode_tx_request(char *to, size_t size, const void *slot)
{
	const struct vif_tx_request *request = slot;
	const struct vif_extra *extra = slot;

	if (extra_is_next) {
		snprintf(to, size, "extra type %u flags 0x%x, 16-bit words %u %u %u", extra->type, extra->flags, extra->word[0], extra->word[1],
			 extra->word[2]);
		extra_is_next = extra->flags & VIF_EXTRA_MORE;
		return;
	}
	snprintf(to, size, "id %u gref %u offset %u size %u flags 0x%x", request->id, request->gref, request->offset, request->size, request->flags);
	extra_is_next = request->flags & VIF_TX_EXTRA;
}

void decode_tx_response(char *to, size_t size, const void *slot)
{
	const struct vif_tx_response *response = slot;

	snprintf(to, size, "id %u status %d", response->id, response->status);
}

void decode_rx_request(char *to, size_t size, const void *slot)
{
	const struct vif_rx_request *request = slot;

	snprintf(to, size, "id %u gref %u", request->id, request->gref);
}

void decode_rx_response(char *to, size_t size, const void *slot)
{
	const struct vif_rx_response *response = slot;

	snprintf(to, size, "id %u offset %u flags 0x%x status %d", response->id, response->offset, response->flags, response->status);
}
