/* SPDX-License-Identifier: MIT */
/* What a driver that has lost its mind writes where others read: into a front-end's ring, and into its ledger. */
#include "inject/faults.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../../protocols/ledger.h"
#include "../../protocols/ring.h"
#include "lib/ring_view.h"

#define RINGS_MAX	(DRIVER_ATTACHMENTS_MAX * DRIVER_QUEUES_MAX * 2)
#define NOWHERE		0x10000000000UL

/* A ring that is served. */
struct ring {
	domid_t front;
	uint32_t place, queue, side;		/* side: [0] or [1] of struct driver_queue */
	uint32_t gref;				/* of its first page */
	uint64_t ledger;			/* the address of its part */
	struct driver_ledger layout;
};

typedef bool (*ring_fn)(struct victim *victim, const struct ring *ring);

static bool read_attachment(struct victim *victim, uint64_t table, uint32_t place, struct driver_attachment *attachment)
{
	return victim_read(victim, table + sizeof(struct driver_table) + place * sizeof(*attachment), attachment, sizeof(*attachment)) &&
	       attachment->serial && attachment->queue_count <= DRIVER_QUEUES_MAX;
}

static bool take_ring(struct victim *victim, const struct driver_table *table, const struct driver_attachment *attachment,
		      uint32_t place, uint32_t n, struct ring *ring)
{
	const struct driver_queue *queue = &attachment->queue[n / 2];
	uint32_t side = n % 2;

	if (!queue->ledger[side].slots || (side && table->role != DRIVER_NET))
		return false;
	*ring = (struct ring){ attachment->front_id, place, n / 2, side, queue->ring_ref[side], 0, queue->ledger[side] };
	ring->ledger = victim->image.base + table->ledger.pfn * FRAME_BYTES + ring->layout.offset;
	return true;
}

/* One of all for which suits() holds, chosen by `random`, or the first (NULL). */
static bool choose_ring(struct victim *victim, struct random *random, ring_fn suits, struct ring *ring)
{
	struct driver_attachment attachment;
	struct driver_table table;
	struct ring one;
	uint64_t address, count = 0;

	if (!victim_table(victim, &address, &table))
		return false;
	for (uint32_t place = 0; place < table.attachment_count; place++) {
		if (!read_attachment(victim, address, place, &attachment))
			continue;
		for (uint32_t n = 0; n < 2u * attachment.queue_count; n++) {
			if (!take_ring(victim, &table, &attachment, place, n, &one) || (suits && !suits(victim, &one)))
				continue;
			count++;
			if (count == 1 || (random && random_below(random, count) == 0))
				*ring = one;
		}
	}
	return count > 0;
}

static void tell_ring(struct fault *fault, const struct ring *ring, const char *location)
{
	json_object_set_new(fault->record, "location", json_string(location));
	json_object_set_new(fault->record, "front_id", json_integer(ring->front));
	json_object_set_new(fault->record, "place", json_integer(ring->place));
	json_object_set_new(fault->record, "queue", json_integer(ring->queue));
	json_object_set_new(fault->record, "ring", json_integer(ring->layout.ring));
}

/* ---- the front-end's ring ---- */

/* As the driver sends them: by its own port, which stands in its status. */
static enum injected tell_front_end(struct victim *victim, const struct ring *ring, int64_t *result)
{
	struct driver_attachment_status status;
	struct driver_table table;
	struct evtchn_send send;
	uint64_t address, at = below_stack(victim);

	if (!victim_table(victim, &address, &table))
		return VICTIM_GONE;
	address = victim->image.base + table.status.pfn * FRAME_BYTES + sizeof(struct driver_status) + ring->place * sizeof(status);
	if (!victim_read(victim, address, &status, sizeof(status)))
		return VICTIM_GONE;
	send.port = status.port[ring->queue][ring->side] ? status.port[ring->queue][ring->side] : status.port[ring->queue][0];
	if (!victim_write(victim, at, &send, sizeof(send)))
		return VICTIM_GONE;
	return hypercall_as(victim, __HYPERVISOR_event_channel_op, (const uint64_t[4]){ EVTCHNOP_send, at }, result);
}

static bool flip_rsp_prod(struct victim *victim, struct fault *fault, const struct ring *ring)
{
	struct ring_shared *shared;
	uint32_t old, new;
	xen_pfn_t mfn;

	if (ring_view_frame(&victim->core, ring->front, victim->id, ring->gref, &mfn))
		return false;
	shared = core_map(&victim->core, ring->front, PROT_READ | PROT_WRITE, &mfn, 1);
	if (!shared)
		return false;
	old = shared->rsp_prod;
	new = old ^ 1u << random_below(&fault->random, 32);
	shared->rsp_prod = new;
	core_unmap(&victim->core, shared, 1);
	fault_tell(victim, fault, victim->context.user_regs.rip, &old, &new, sizeof(old));
	return true;
}

enum injected fault_ring_index(struct victim *victim, struct fault *fault)
{
	struct ring ring;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	int64_t error;

	if (result != INJECTED)
		return result;
	if (!choose_ring(victim, &fault->random, NULL, &ring) || !flip_rsp_prod(victim, fault, &ring))
		return NOT_INJECTED;
	tell_ring(fault, &ring, "rsp_prod");
	result = tell_front_end(victim, &ring, &error);
	if (result == INJECTED)
		fault_activated(fault, error == 0, error ? "the front-end could not be told" : "the front-end was told to look");
	return result;
}

/* ---- an answer ---- */

/* The entry behind the last one that is committed, if it is whole: it will be committed next. */
static bool read_next_entry(struct victim *victim, const struct ring *ring, uint64_t *at, struct ledger_entry *entry)
{
	struct ledger_ring header;
	uint32_t index;

	if (!victim_read(victim, ring->ledger, &header, sizeof(header)) || !ring->layout.slots)
		return false;
	index = ledger_commit_index(header.commit);
	*at = ring->ledger + sizeof(header) + (index & (ring->layout.slots - 1u)) * sizeof(*entry);
	return victim_read(victim, *at, entry, sizeof(*entry)) && entry->sum == ledger_entry_sum(entry) && entry->index == index &&
	       entry->ring == ring->layout.ring;
}

static bool has_answer(struct victim *victim, const struct ring *ring)
{
	struct ledger_entry entry;
	uint64_t at;

	return read_next_entry(victim, ring, &at, &entry);
}

static bool has_any_answer(struct victim *victim, const struct found *found)
{
	struct ring ring;

	return choose_ring(victim, NULL, has_answer, &ring);
}

enum injected fault_ring_response(struct victim *victim, struct fault *fault)
{
	struct ledger_entry entry;
	struct ring ring;
	struct found found;
	enum injected result = reach_function(victim, fault, "answers_publish", has_any_answer, &found);
	uint64_t at, bit;

	if (result != INJECTED)
		return result;
	if (!choose_ring(victim, &fault->random, has_answer, &ring) || !read_next_entry(victim, &ring, &at, &entry))
		return NOT_INJECTED;
	bit = random_below(&fault->random, ring.layout.response_size * 8u);
	entry.response[bit / 8] ^= (uint8_t)(1u << bit % 8);
	result = fault_write(victim, fault, at + bit / 8, &entry.response[bit / 8], 1);
	tell_ring(fault, &ring, "response");
	if (result == INJECTED)
		fault_activated(fault, true, "it is published next");
	return result;
}

/* ---- the ledger ---- */

/* What a successor looks at before all else, and a crash that makes one. */
enum injected fault_ledger(struct victim *victim, struct fault *fault)
{
	static const struct { const char *name; uint32_t at, bytes; } fields[] = {
		{ "magic", offsetof(struct ledger_ring, magic), 4 }, { "response_size", offsetof(struct ledger_ring, response_size), 2 },
		{ "slots", offsetof(struct ledger_ring, slots), 4 }, { "ring", offsetof(struct ledger_ring, ring), 4 },
		{ "commit", offsetof(struct ledger_ring, commit), 8 }, { "published", offsetof(struct ledger_ring, published), 4 },
	};
	struct ring ring;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	uint64_t field, bit, at, entry;
	uint8_t byte;

	if (result != INJECTED)
		return result;
	if (!choose_ring(victim, &fault->random, NULL, &ring) || victim_frame(victim, NOWHERE, &entry))
		return NOT_INJECTED;
	field = random_below(&fault->random, sizeof(fields) / sizeof(fields[0]));
	bit = random_below(&fault->random, fields[field].bytes * 8u);
	at = ring.ledger + fields[field].at + bit / 8;
	if (!victim_read(victim, at, &byte, 1))
		return NOT_INJECTED;
	byte ^= (uint8_t)(1u << bit % 8);
	result = fault_write(victim, fault, at, &byte, 1);
	tell_ring(fault, &ring, fields[field].name);
	victim->context.user_regs.rip = NOWHERE;
	if (result != INJECTED || victim_set(victim))
		return VICTIM_GONE;
	fault_activated(fault, true, "it crashes, and its successor reads it");
	return INJECTED;
}
