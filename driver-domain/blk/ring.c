/* SPDX-License-Identifier: MIT */
#include "blk/blk.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/foreign.h"
#include "runtime/lib.h"
#include "runtime/step.h"

#define PORT_BINDING	UINT32_MAX		/* in the status: a port is being bound, and nobody has noted which */

/* ---------------------------------------------------------------- event channels */

static void ring_event(evtchn_port_t port)
{
	uint32_t number = blk.queue_of_port[port];
	struct disk *disk = number ? blk.disk[(number - 1) / BLK_RINGS_MAX] : NULL;

	if (!disk)
		return;
	disk->status->counter[DRIVER_EVENTS_TAKEN]++;
	queue_activate(&disk->queue[(number - 1) % BLK_RINGS_MAX]);
}

static bool port_is_bound(evtchn_port_t port, domid_t front_id, uint32_t theirs)
{
	struct evtchn_status status;

	return port && port < BLK_PORTS && event_status(port, &status) == 0 && status.status == EVTCHNSTAT_interdomain &&
	       status.u.interdomain.dom == front_id && status.u.interdomain.port == theirs;
}

/* A front-end's port can be bound only once: who died before it noted ours has bound it all the same. 0: nobody has. */
static evtchn_port_t port_search(domid_t front_id, uint32_t theirs)
{
	for (evtchn_port_t port = 1; theirs && port < BLK_PORTS; port++)
		if (port_is_bound(port, front_id, theirs))
			return port;
	return 0;
}

evtchn_port_t port_of_predecessor(evtchn_port_t noted, domid_t front_id, uint32_t theirs)
{
	if (noted == PORT_BINDING)
		return port_search(front_id, theirs);
	return port_is_bound(noted, front_id, theirs) ? noted : 0;
}

/* Interdomain ports outlive a reset: a predecessor's is found again. */
static int port_find(struct queue *queue, uint32_t theirs)
{
	uint32_t *noted = &queue->disk->status->port[queue->number][0];
	domid_t front_id = queue->disk->front_id;
	int error;

	queue->port = port_of_predecessor(*noted, front_id, theirs);
	queue->is_adopted = queue->port;
	if (queue->port)
		return 0;
	*noted = PORT_BINDING;
	STEP();
	error = event_bind_interdomain(front_id, theirs, &queue->port);
	if (error)
		queue->port = *noted = 0;
	return error;
}

int queue_bind(struct queue *queue, uint32_t theirs)
{
	int error = port_find(queue, theirs);

	if (error)
		return error;
	ASSERT(queue->port < BLK_PORTS);
	STEP();
	queue->disk->status->port[queue->number][0] = queue->port;
	return 0;
}

/* ---------------------------------------------------------------- rings */

/* ledger.md, section 4. */
static bool queue_take_over(struct queue *queue, const struct driver_queue *record, char *why, size_t room)
{
	struct answers_place place = {
		.pages = queue->pages, .bytes = queue->page_count * RING_PAGE, .slot_size = VBD_SLOT, .ledger = driver_domain.ledger,
		.ledger_bytes = driver_domain.ledger_bytes, .generation = driver_domain.generation,
	};
	bool wake;
	int waiting;

	if (answers_attach(&queue->answers, &place, &record->ledger[0], &wake, why, room)) {
		queue->disk->is_lost = queue->disk->was_attached;
		return false;
	}
	if (queue->answers.republished)
		driver_domain_note_republished();
	waiting = ring_back_look(&queue->answers.ring);
	driver_domain.found += queue->answers.republished + (waiting > 0 ? (uint32_t)waiting : 0);
	if (queue->is_adopted && waiting > 0)
		queue->disk->status->counter[DRIVER_REDONE] += (uint32_t)waiting;
	if (wake)
		event_send(queue->port);
	blk.queue_of_port[queue->port] = (uint16_t)(1 + queue->disk->place * BLK_RINGS_MAX + queue->number);
	event_set_handler(queue->port, ring_event);
	event_unmask(queue->port);
	queue_activate(queue);
	return true;
}

bool queue_map(struct queue *queue, const struct driver_queue *record, char *why, size_t room)
{
	int status;

	queue->page_count = record->ring_pages;
	queue->pages = foreign_map(queue->disk->front_id, record->ring_ref, record->ring_pages, &status);
	if (queue->pages)
		return true;
	snprintf(why, room, "the ring's pages cannot be mapped: grant error %d, first reference %u", status, record->ring_ref[0]);
	return false;
}

bool queue_open(struct queue *queue, const struct driver_queue *record, char *why, size_t room)
{
	queue->lane = queue->number % blk.device->queues;
	queue->slot = spare_take();
	return queue_map(queue, record, why, room) && queue_take_over(queue, record, why, room);
}

static void done_forget(struct queue *queue)
{
	struct queue **link = &blk.done;

	while (*link && *link != queue)
		link = &(*link)->next_done;
	if (*link)
		*link = queue->next_done;
	queue->is_done = false;
}

/* Nothing points to it afterwards. */
void queue_close(struct queue *queue)
{
	queue_deactivate(queue);
	done_forget(queue);
	if (queue->port) {
		blk.queue_of_port[queue->port] = 0;
		event_set_handler(queue->port, NULL);
		event_close(queue->port);
		queue->disk->status->port[queue->number][0] = 0;	/* whoever dies before this finds it closed */
	}
	queue_unmap(queue);
	if (queue->slot)
		spare_give(queue->slot);
	queue->port = 0;
	queue->slot = NULL;
}

void queue_unmap(struct queue *queue)
{
	if (queue->pages)
		foreign_unmap(queue->pages, queue->page_count);
	queue->pages = NULL;
}

/* The ledger's place for the answer to this request. NULL: the table's ring is another one. */
static struct ledger_entry *entry_at(const struct driver_ledger *want, uint32_t slots, uint32_t index)
{
	if (want->slots != slots || slots > LEDGER_SLOTS_MAX || want->offset % LEDGER_ALIGN || want->offset > driver_domain.ledger_bytes ||
	    ledger_bytes(slots) > driver_domain.ledger_bytes - want->offset)
		return NULL;
	return &((struct ledger_ring *)((char *)driver_domain.ledger + want->offset))->entry[index & (slots - 1)];
}

static bool entry_is_of(const struct ledger_entry *entry, uint32_t ring, uint32_t index)
{
	return entry->index == index && entry->ring == ring && entry->sum == ledger_entry_sum(entry);
}

static void entry_set(struct ledger_entry *entry, uint32_t ring, uint32_t index, const struct vbd_response *response)
{
	*entry = (struct ledger_entry){ .index = index, .generation = driver_domain.generation, .ring = ring };
	memcpy(entry->response, response, sizeof(*response));
	entry->sum = ledger_entry_sum(entry);
	atomic_thread_fence(memory_order_release);
}

/* With what the ledger has for it, or else with an error, which it has then: a successor reads no request where a response stands. */
static void request_give_up(struct ring_shared *shared, const struct driver_ledger *ledger, uint32_t slots, uint32_t index)
{
	struct ledger_entry *entry = entry_at(ledger, slots, index);
	void *at = ring_slot(shared, slots, VBD_SLOT, index);
	struct vbd_response response = { .status = VBD_STATUS_ERROR };
	union vbd_slot slot;

	if (entry && entry_is_of(entry, ledger->ring, index)) {
		memcpy(&response, entry->response, sizeof(response));
	} else {
		ring_copy(&slot, at, sizeof(slot));
		response.id = slot.plain.id;
		response.operation = slot.plain.operation == VBD_OP_INDIRECT ? slot.indirect.inner : slot.plain.operation;
		if (entry)
			entry_set(entry, ledger->ring, index, &response);
	}
	STEP();
	ring_copy(at, &response, sizeof(response));
	STEP();
	atomic_store_explicit(&shared->rsp_prod, index + 1, memory_order_release);
	STEP();
}

/* Each request that the ring still shows has its answer, or an error. Where the ring's indices make no sense, nothing is known of any. */
void queue_give_up(struct queue *queue, const struct driver_ledger *ledger)
{
	uint32_t slots = ring_slots(queue->page_count * RING_PAGE, VBD_SLOT);
	struct ring_shared *shared = queue->pages;
	uint32_t rsp_prod = atomic_load_explicit(&shared->rsp_prod, memory_order_relaxed);
	uint32_t req_prod = atomic_load_explicit(&shared->req_prod, memory_order_acquire);

	if (req_prod - rsp_prod > slots)
		return;
	if (req_prod != rsp_prod)
		printf("disk %u, ring %u: %u requests are answered unserved: it goes\n", queue->disk->serial, queue->number, req_prod - rsp_prod);
	for (uint32_t index = rsp_prod; index != req_prod; index++)
		request_give_up(shared, ledger, slots, index);
	event_send(queue->port);	/* also of what a predecessor had answered when it died */
}
