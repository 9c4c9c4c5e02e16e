/* SPDX-License-Identifier: MIT */
/*
 * What one generation has left to the next (driver.md, sections 6 and 7): who is attached first, and the packet that it died at. Frames that the
 * card had received are wire.c's.
 */
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/lib.h"
#include "runtime/suspicion.h"

/* ---- a packet that kills ---- */

bool suspicion_ask(struct port *port)
{
	struct driver_attachment_status *status = port->status;
	uint32_t number = suspicion_queue(port->place);

	if (number == DRIVER_QUEUES_MAX || !suspicion_is_fatal(status))
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
	suspicion_clear(status);
}

/* ---- who had work comes first, and is served before the next is taken over; whose packet may kill comes last ---- */

void successor_begin(void)
{
	net.is_taking_over = net.is_first_round = true;
	net.take_over_next = 0;
	memcpy(net.was_busy, net.status->busy, sizeof(net.was_busy));
	net.suspect = suspicion_begin();
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

		if (net.take_over_next >= count && net.has_worked && !driver_domain.has_answered)
			return true;	/* those who had none can wait for the first answer; while the card has the packet it is their turn */
		net.take_over_next++;
		if (is_turn && place + 1 != net.suspect && attach_at(place))
			return true;
	}
	if (net.suspect && attach_at(net.suspect - 1))
		return true;
	net.is_taking_over = false;
	return false;
}
