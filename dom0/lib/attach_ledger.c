/* SPDX-License-Identifier: MIT */
/* Where in the driver's ledger each ring has its part: the lowest gap that is large enough. */
#include <string.h>

#include "../../protocols/ledger.h"
#include "../../protocols/vbd.h"
#include "../../protocols/vif.h"
#include "lib/attach.h"

enum { RESPONSE_TX = 4, RESPONSE_RX = 8, RESPONSE_BLK = 16, RING_HEADER = 64, PAGE = 4096 };

/* The offset behind a part that is in the way of [offset, offset + bytes); 0: nobody's is. */
static uint64_t in_the_way(const struct driver_attachment *record, uint64_t offset, uint64_t bytes)
{
	for (uint32_t q = 0; q < record->queue_count && q < DRIVER_QUEUES_MAX; q++)
		for (int ring = 0; ring < 2; ring++) {
			const struct driver_ledger *part = &record->queue[q].ledger[ring];

			if (part->slots && offset < part->offset + ledger_bytes(part->slots) && part->offset < offset + bytes)
				return part->offset + ledger_bytes(part->slots);
		}
	return 0;
}

static bool find(const struct driver_table *table, const struct driver_attachment *mine, size_t room, uint64_t bytes, uint32_t *found)
{
	uint64_t offset = 0, behind;

	do {
		behind = in_the_way(mine, offset, bytes);
		for (uint32_t i = 0; i < table->attachment_count && !behind; i++)
			behind = in_the_way(&table->attachment[i], offset, bytes);
		offset = behind ? (behind + LEDGER_ALIGN - 1) / LEDGER_ALIGN * LEDGER_ALIGN : offset;
	} while (behind && offset + bytes <= room);
	*found = (uint32_t)offset;
	return offset + bytes <= room;
}

static uint16_t slots_of(const struct driver_table *table, const struct driver_queue *queue)
{
	uint16_t slots = 1;

	if (table->role == DRIVER_NET)
		return VIF_RING_SLOTS;
	while (slots * 2u * VBD_SLOT <= queue->ring_pages * PAGE - RING_HEADER)
		slots = (uint16_t)(slots * 2);
	return slots;
}

static void lay_out(uint8_t *at, const struct driver_ledger *part)
{
	struct ledger_ring *ring = (struct ledger_ring *)at;

	memset(at, 0, ledger_bytes(part->slots));
	ring->magic = LEDGER_MAGIC;
	ring->version = LEDGER_VERSION;
	ring->response_size = part->response_size;
	ring->slots = part->slots;
	ring->ring = part->ring;
	ring->commit = ledger_commit_pack(0, 0);
}

bool attach_ledgers(struct driver_table *table, uint8_t *ledger, size_t ledger_room, struct driver_attachment *record)
{
	int rings = table->role == DRIVER_NET ? 2 : 1;

	for (uint32_t q = 0; q < record->queue_count; q++)
		for (int i = 0; i < rings; i++) {
			struct driver_ledger *part = &record->queue[q].ledger[i];
			uint16_t slots = slots_of(table, &record->queue[q]);

			if (!find(table, record, ledger_room, ledger_bytes(slots), &part->offset))
				return false;
			part->slots = slots;
			part->response_size = table->role == DRIVER_BLK ? RESPONSE_BLK : i ? RESPONSE_RX : RESPONSE_TX;
			part->ring = ++table->ring_last;
		}
	for (uint32_t q = 0; q < record->queue_count; q++)
		for (int i = 0; i < rings; i++)
			lay_out(ledger + record->queue[q].ledger[i].offset, &record->queue[q].ledger[i]);
	return true;
}
