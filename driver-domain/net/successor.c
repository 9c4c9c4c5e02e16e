/* SPDX-License-Identifier: MIT */
/*
 * What one generation has left to the next (driver.md, sections 6 and 7): who is attached first, and the packet that it died at. Frames that the
 * card had received are wire.c's.
 */
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/step.h"

#define DEATHS_MAX	2u			/* at one packet, and its port is set aside */

/* ---- a packet that kills ---- */

/* A request of this ring that was neither answered nor is the answer to it decided. */
static bool is_unanswered(const struct driver_ledger *ledger, uint32_t index)
{
	const struct ledger_ring *ring = (const void *)((const char *)net.ledger + ledger->offset);
	uint64_t commit;

	if (ledger->offset > net.ledger_bytes - sizeof(*ring) || ledger->offset % LEDGER_ALIGN)
		return false;
	commit = __atomic_load_n(&ring->commit, __ATOMIC_RELAXED);
	return ledger_commit_is_whole(commit) && index - ledger_commit_index(commit) < VIF_RING_SLOTS;
}

/* The queue of this attachment to which the request belongs; DRIVER_QUEUES_MAX: none. */
static uint32_t queue_of_request(uint32_t place, uint32_t ring, uint32_t index)
{
	const struct driver_attachment *record = &net.table->attachment[place];
	uint32_t count = record->queue_count <= DRIVER_QUEUES_MAX ? record->queue_count : 0;

	for (uint32_t number = 0; number < count; number++)
		if (record->queue[number].ledger[0].ring == ring && is_unanswered(&record->queue[number].ledger[0], index))
			return number;
	return DRIVER_QUEUES_MAX;
}

/* A death that comes in here may not be counted: one more will be. */
static void suspicion_note(uint32_t place, uint32_t ring, uint32_t index)
{
	struct driver_attachment_status *status = &net.status->attachment[place];

	if (status->suspect_ring != ring || status->suspect_index != index)
		status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = ring;
	status->suspect_index = index;
	STEP();
	status->suspect_deaths++;
}

static void suspicion_begin(void)
{
	uint32_t place = net.status->doing - 1, ring = net.status->doing_ring, index = net.status->doing_index;

	net.status->doing = 0;
	STEP();
	if (place >= net.attachment_count || queue_of_request(place, ring, index) == DRIVER_QUEUES_MAX)
		return;
	suspicion_note(place, ring, index);
	net.suspect = place + 1;
}

bool suspicion_ask(struct port *port, const struct driver_attachment *wanted)
{
	struct driver_attachment_status *status = port->status;
	uint32_t number;

	if (!status->suspect_deaths || wanted->queue_count > DRIVER_QUEUES_MAX)
		return false;
	number = queue_of_request(port->place, status->suspect_ring, status->suspect_index);
	if (number == DRIVER_QUEUES_MAX || status->suspect_deaths < DEATHS_MAX)
		return false;
	snprintf(status->text, sizeof(status->text), "queue %u, ring %u: the packet at 0x%x has ended %u drivers: set aside", number,
		 status->suspect_ring, status->suspect_index, status->suspect_deaths);
	printf("vif %u of domain %u: %s\n", port->device, port->front_id, status->text);
	return true;
}

void suspicion_watch(struct queue *queue)
{
	const struct driver_attachment_status *status = queue->port->status;

	queue->is_suspect = status->suspect_deaths && status->suspect_ring == queue->tx.number &&
			    status->suspect_index - queue->tx.ring.req_cons < VIF_RING_SLOTS;
}

void suspicion_settle(struct queue *queue)
{
	struct driver_attachment_status *status = queue->port->status;

	if ((int32_t)(queue->tx.added - status->suspect_index) <= 0)
		return;
	queue->is_suspect = false;
	status->suspect_deaths = 0;
	STEP();
	status->suspect_ring = status->suspect_index = 0;
}

/* ---- who had work comes first, and is served before the next is taken over; whose packet may kill comes last ---- */

void successor_begin(void)
{
	net.is_taking_over = true;
	net.take_over_next = 0;
	memcpy(net.was_busy, net.status->busy, sizeof(net.was_busy));
	suspicion_begin();
}

static bool is_waiting(uint32_t place)
{
	return !net.port[place] && __atomic_load_n(&net.table->attachment[place].serial, __ATOMIC_ACQUIRE);
}

/* NB6 */
void attach_for(const uint8_t *mac, bool is_flooded)
{
	for (uint32_t place = 0; place < net.attachment_count; place++) {
		const struct driver_attachment *record = &net.table->attachment[place];

		if (is_waiting(place) && (is_flooded ? mac[0] & 1 || !(record->flags & DRIVER_NET_GUARD_MAC) : !memcmp(record->net.mac, mac, 6)))
			place_obey(place);
	}
}

static bool attach_at(uint32_t place)
{
	return is_waiting(place) && (place_obey(place), true);
}

bool successor_next(void)
{
	uint32_t count = net.attachment_count;

	while (net.take_over_next < 2 * count) {
		uint32_t place = net.take_over_next % count;
		bool is_turn = net.take_over_next >= count || (net.was_busy[place / 64] >> place % 64 & 1);

		net.take_over_next++;
		if (is_turn && place + 1 != net.suspect && attach_at(place))
			return true;
	}
	if (net.suspect && attach_at(net.suspect - 1))
		return true;
	net.is_taking_over = false;
	return false;
}
