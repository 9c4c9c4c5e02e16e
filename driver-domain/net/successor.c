/* SPDX-License-Identifier: MIT */
/*
 * What one generation has left to the next (driver.md, sections 6 and 7): who is attached first, and the packet that it died at. What the card had
 * received, and was to send, is harvest.c's.
 */
#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/lib.h"
#include "runtime/suspicion.h"

#define AWAITED_NS 1000000u

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

/* ---- who had work comes first, then who calls, then whose packet may kill; each is served before the next is taken over ---- */

void successor_begin(void)
{
	net.is_taking_over = net.is_first_round = true;
	net.take_over_next = 0;
	net.awaited_ns = net.now_ns + AWAITED_NS;
	net.has_looked = false;
	memcpy(net.was_busy, net.status->busy, sizeof(net.was_busy));
	net.suspect = suspicion_begin();
}

static bool is_waiting(uint32_t place)
{
	return !net.port[place] && __atomic_load_n(&net.table->attachment[place].serial, __ATOMIC_ACQUIRE);
}

/* Most places are nobody's. Who comes later is attached when all of these are taken over. */
static const uint64_t *places_taken(void)
{
	const struct driver_attachment *record = net.table->attachment;

	if (net.has_looked)
		return net.was_taken;
	memset(net.was_taken, 0, sizeof(net.was_taken));
	memset(net.was_open, 0, sizeof(net.was_open));
	for (uint32_t place = 0; place < net.attachment_count; place++, record++) {
		if (!__atomic_load_n(&record->serial, __ATOMIC_ACQUIRE))
			continue;
		net.was_taken[place / 64] |= 1ull << place % 64;
		if (!(record->flags & DRIVER_NET_GUARD_MAC))
			net.was_open[place / 64] |= 1ull << place % 64;
	}
	net.has_looked = true;
	return net.was_taken;
}

/* The next place from that one on which has its bit; as many as there are: none. */
static uint32_t next_place(const uint64_t *bits, uint32_t place)
{
	while (place < net.attachment_count && !(bits[place / 64] >> place % 64))
		place = (place / 64 + 1) * 64;
	if (place < net.attachment_count)
		place += (uint32_t)__builtin_ctzll(bits[place / 64] >> place % 64);
	return place < net.attachment_count ? place : net.attachment_count;
}

/* NB6. Nobody has been answered yet: it looks at each place, of which most are others'. */
void attach_for(const uint8_t *mac, bool is_flooded)
{
	const uint64_t *taken = places_taken(), *wanted = is_flooded && !(mac[0] & 1) ? net.was_open : taken;

	for (uint32_t word = 0; word < DRIVER_ATTACHMENTS_MAX / 64; word++)
		for (uint64_t bits = wanted[word]; bits; bits &= bits - 1) {
			uint32_t place = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if ((is_flooded || !memcmp(net.table->attachment[place].net.mac, mac, 6)) && is_waiting(place))
				place_obey(place);
		}
}

/* Its front-end has sent an event that nobody took, to a port that its predecessor had bound: a hint, which anybody may have written. */
static bool has_called(uint32_t place)
{
	const struct driver_attachment_status *status = &net.status->attachment[place];
	uint32_t count = net.table->attachment[place].queue_count;

	for (uint32_t i = 0; i < 2 * count && i < 2 * DRIVER_QUEUES_MAX; i++) {
		evtchn_port_t port = status->port[i / 2][i % 2];

		if (port && port < EVENT_PORTS && event_is_pending(port))
			return true;
	}
	return false;
}

static bool attach_at(uint32_t place)
{
	return is_waiting(place) && (place_obey(place), true);
}

/* Who was thought to have nothing and has called all the same need not wait for its turn. */
static bool attach_caller(void)
{
	const uint64_t *taken = places_taken();

	for (uint32_t place = next_place(taken, 0); place < net.attachment_count; place = next_place(taken, place + 1))
		if (place + 1 != net.suspect && is_waiting(place) && has_called(place))
			return attach_at(place);
	return false;
}

/*
 * Those who had no work, and most of the card's buffers, can wait for the first answer, and until it was looked at what the card has left; while the
 * card has the packet it is their turn. Not for ever: a wire that brings frames for nobody is work as well.
 */
static bool is_first_awaited(void)
{
	return (net.has_worked || net.is_first_round) && !driver_domain.has_answered && net.now_ns < net.awaited_ns;
}

bool successor_next(void)
{
	uint32_t count = net.attachment_count;

	while (net.take_over_next < 2 * count) {
		uint32_t place, first = net.take_over_next < count ? 0 : count;

		if (first && (is_first_awaited() || attach_caller() || (net.suspect && attach_at(net.suspect - 1))))
			return true;
		place = next_place(first ? places_taken() : net.was_busy, net.take_over_next - first);
		net.take_over_next = first + place + (place < count);
		if (place < count && place + 1 != net.suspect && attach_at(place))
			return true;
	}
	if (is_first_awaited())
		return true;
	net.is_taking_over = false;
	return false;
}
