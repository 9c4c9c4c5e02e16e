/* SPDX-License-Identifier: MIT */
#include "ring_states.h"

#include <string.h>

#include "../../protocols/ledger.h"
#include "../../protocols/ring.h"
#include "inject/victim.h"
#include "lib/ring_view.h"

#define WATCHED 64u

const char *const ring_state_name[RING_STATES] = { "unread", "taken", "decided", "unseen" };

/* A ring is mapped once, for as long as its number is the same: no other ring of this driver ever has it. */
static const volatile struct ring_shared *shared_of(struct victim *victim, domid_t front, uint32_t gref, uint32_t number)
{
	static struct { uint32_t number; const volatile struct ring_shared *at; } watched[WATCHED];

	for (uint32_t i = 0; i < WATCHED; i++) {
		if (watched[i].at && watched[i].number == number)
			return watched[i].at;
		if (watched[i].at)
			continue;
		watched[i].number = number;
		watched[i].at = ring_watch(&victim->core, front, victim->id, gref);
		return watched[i].at;
	}
	return NULL;
}

static void count(struct ring_states *states, bool is_receive, bool is_busy, uint32_t commit, const volatile struct ring_shared *shared)
{
	uint32_t rsp_prod = shared->rsp_prod;

	states->rings++;
	if (!is_receive && shared->req_prod != commit)
		states->count[is_busy ? RING_TAKEN : RING_UNREAD]++;
	states->count[RING_DECIDED] += commit != rsp_prod;
	states->count[RING_UNSEEN] += (int32_t)(rsp_prod - shared->rsp_event) >= 0;
}

static bool look_at_queue(struct victim *victim, const struct driver_table *table, const struct driver_attachment *attachment, uint32_t n, bool is_busy,
			  struct ring_states *states)
{
	const struct driver_queue *queue = &attachment->queue[n];

	for (uint32_t side = 0; side < (table->role == DRIVER_NET ? 2 : 1); side++) {
		const volatile struct ring_shared *shared = shared_of(victim, attachment->front_id, queue->ring_ref[side], queue->ledger[side].ring);
		uint64_t at = victim->image.base + table->ledger.pfn * FRAME_BYTES + queue->ledger[side].offset;
		struct ledger_ring ledger;

		if (!shared || !victim_read(victim, at, &ledger, sizeof(ledger)))
			return false;
		count(states, side == 1, is_busy, ledger_commit_index(ledger.commit), shared);
	}
	return true;
}

bool ring_states_look(struct victim *victim, struct ring_states *states)
{
	struct driver_attachment attachment;
	struct driver_status status;
	struct driver_table table;
	uint64_t address;

	memset(states, 0, sizeof(*states));
	if (!victim_table(victim, &address, &table) ||
	    !victim_read(victim, victim->image.base + table.status.pfn * FRAME_BYTES, &status, sizeof(status)))
		return false;
	for (uint32_t place = 0; place < table.attachment_count; place++) {
		uint64_t at = address + sizeof(table) + place * sizeof(attachment);

		if (!victim_read(victim, at, &attachment.serial, sizeof(attachment.serial)))
			return false;
		if (!attachment.serial)
			continue;
		if (!victim_read(victim, at, &attachment, sizeof(attachment)))
			return false;
		for (uint32_t n = 0; n < attachment.queue_count && n < DRIVER_QUEUES_MAX; n++)
			if (!look_at_queue(victim, &table, &attachment, n, status.busy[place / 64] >> place % 64 & 1, states))
				return false;
	}
	return true;
}
