/* SPDX-License-Identifier: MIT */
/* From Dom0's table to ports of the switch, and back to nothing. */
#include <stdarg.h>

#include "net/net.h"
#include "runtime/console.h"
#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/foreign.h"
#include "runtime/lib.h"
#include "runtime/memory.h"
#include "runtime/step.h"

_Static_assert(sizeof(struct queue) <= PAGE_SIZE, "a queue is a page");

/* ---- what Dom0 reads ---- */

static void say(struct port *port, enum driver_answer answer)
{
	port->status->answer = answer;
	__atomic_store_n(&port->status->serial, port->serial, __ATOMIC_RELEASE);
}

static void say_why(struct port *port, enum driver_answer answer, const char *format, va_list arguments)
{
	vsnprintf(port->status->text, sizeof(port->status->text), format, arguments);
	printf("vif %u of domain %u: %s\n", port->device, port->front_id, port->status->text);
	say(port, answer);
}

void port_drop(struct port *port, const char *format, ...)
{
	va_list arguments;

	if (port->state != PORT_SERVING)
		return;
	va_start(arguments, format);
	say_why(port, DRIVER_REFUSED, format, arguments);
	va_end(arguments);
	port->state = PORT_DROPPED;
	net.has_dropped = true;
	driver_domain_tell();
}

static int refuse(struct port *port, enum driver_answer answer, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct port *port, enum driver_answer answer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_why(port, answer, format, arguments);
	va_end(arguments);
	return RING_EPROTO;
}

/* ---- queues ---- */

/* A predecessor's port is still bound to the front-end's: the status says which it was. */
static bool port_is_ours(evtchn_port_t port, domid_t front_id, uint32_t remote_port)
{
	struct evtchn_status status;

	return port && port < EVENT_PORTS && event_status(port, &status) == 0 && status.status == EVTCHNSTAT_interdomain &&
	       status.u.interdomain.dom == front_id && status.u.interdomain.port == remote_port;
}

/* A predecessor may have died between binding it and writing so. It says nothing of ports that are in use. */
static bool port_find(domid_t front_id, uint32_t remote_port, evtchn_port_t *port)
{
	for (*port = 1; *port < EVENT_PORTS; (*port)++)
		if (!net.queue_of_port[*port] && port_is_ours(*port, front_id, remote_port))
			return true;
	return false;
}

static int event_attach(struct port *port, struct queue *queue, unsigned int which, uint32_t remote_port, evtchn_port_t *local)
{
	evtchn_port_t known = port->status->port[queue->number][which];

	if (!port_is_ours(known, port->front_id, remote_port)) {
		int error = event_bind_interdomain(port->front_id, remote_port, &known);

		/* One that a predecessor has bound is bound only once. */
		if (error && net.generation > 1 && port_find(port->front_id, remote_port, &known))
			error = 0;
		if (error || known >= EVENT_PORTS)
			return refuse(port, DRIVER_REFUSED, "queue %u: event channel %u cannot be bound: %d", queue->number, remote_port, error);
	}
	STEP();
	port->status->port[queue->number][which] = *local = known;
	STEP();
	net.queue_of_port[known] = (uint16_t)(1 + port->place * DRIVER_QUEUES_MAX + queue->number);
	event_set_handler(known, net_event);
	event_unmask(known);
	return 0;
}

static int events_attach(struct port *port, struct queue *queue, const struct driver_queue *wanted)
{
	if (event_attach(port, queue, 0, wanted->port[0], &queue->tx_port))
		return RING_EPROTO;
	if (wanted->port[1] == wanted->port[0]) {
		queue->rx_port = queue->tx_port;
		return 0;
	}
	return event_attach(port, queue, 1, wanted->port[1], &queue->rx_port);
}

static int ring_attach(struct port *port, struct queue *queue, const char *name, void **page, uint32_t gref, size_t slot_size,
		       const struct driver_ledger *ledger, struct answers *answers, bool *wake)
{
	struct answers_place place = {
		.bytes = RING_PAGE, .slot_size = slot_size, .ledger = net.ledger, .ledger_bytes = net.ledger_bytes,
		.generation = net.generation,
	};
	char why[80];
	int status;

	*page = place.pages = foreign_map(port->front_id, &gref, 1, &status);
	if (!*page)
		return refuse(port, DRIVER_REFUSED, "queue %u: the %s ring's grant %u cannot be mapped: %d", queue->number, name, gref, status);
	STEP();
	if (answers_attach(answers, &place, ledger, wake, why, sizeof(why)))
		return refuse(port, port->was_attached ? DRIVER_LOST : DRIVER_REFUSED, "queue %u, %s: %s", queue->number, name, why);
	driver_domain.found += answers->republished;
	if (answers->republished)
		driver_domain_note_republished();
	return 0;
}

/* What is in its notes and ids is written before it is read. */
static struct queue *queue_new(void)
{
	struct queue *queue = net.queue_free;

	if (queue)
		net.queue_free = queue->next_active;
	else if (net.queues_used < QUEUES_KEPT)
		queue = &net.scratch->queue[net.queues_used++];
	else
		queue = page_alloc();
	memset(queue, 0, offsetof(struct queue, note));
	return queue;
}

static void queue_free(struct queue *queue)
{
	queue->next_active = net.queue_free;
	net.queue_free = queue;
}

/* The events of a take-over are sent last: who is woken finds everything in place. */
static int queue_attach(struct port *port, uint32_t number, const struct driver_queue *wanted)
{
	struct queue *queue = queue_new();
	int waiting;

	queue->port = port;
	queue->number = number;
	port->queue[number] = queue;
	port->queue_count = number + 1;
	if (ring_attach(port, queue, "transmit", &queue->tx_page, wanted->ring_ref[0], VIF_TX_SLOT, &wanted->ledger[0], &queue->tx,
			&queue->wake_tx) ||
	    ring_attach(port, queue, "receive", &queue->rx_page, wanted->ring_ref[1], VIF_RX_SLOT, &wanted->ledger[1], &queue->rx,
			&queue->wake_rx) ||
	    events_attach(port, queue, wanted))
		return RING_EPROTO;
	waiting = ring_back_look(&queue->tx.ring);
	driver_domain.found += waiting > 0 ? (uint32_t)waiting : 0;
	port_count(port, DRIVER_REDONE, waiting > 0 && net.generation > 1 ? (uint32_t)waiting : 0);
	suspicion_watch(queue);
	queue_glance(queue);
	return 0;
}

static void event_detach(evtchn_port_t port)
{
	net.queue_of_port[port] = 0;
	event_set_handler(port, NULL);
	event_close(port);
}

static void queue_detach(struct queue *queue)
{
	if (queue->tx_port)
		event_detach(queue->tx_port);
	if (queue->rx_port && queue->rx_port != queue->tx_port)
		event_detach(queue->rx_port);
	memset(queue->port->status->port[queue->number], 0, sizeof(queue->port->status->port[0]));
	if (queue->tx_page)
		foreign_unmap(queue->tx_page, 1);
	if (queue->rx_page)
		foreign_unmap(queue->rx_page, 1);
	queue_free(queue);
}

/* ---- ports ---- */

static void port_configure(struct port *port, const struct driver_attachment *wanted)
{
	port->flags = wanted->flags;
	port->net = wanted->net;
	if (port->net.vlan_count > DRIVER_VLANS_MAX)
		port->net.vlan_count = DRIVER_VLANS_MAX;
	if (port->net.address_count > DRIVER_ADDRESSES_MAX)
		port->net.address_count = DRIVER_ADDRESSES_MAX;
	port->vlan = port->net.vlan_count && !(port->flags & DRIVER_NET_TRUNK) ? port->net.vlan[0] : port->net.native_vlan;
	rate_set(&port->to_guest, &port->net.to_guest, &port->net.to_guest_peak);
	rate_set(&port->from_guest, &port->net.from_guest, &port->net.from_guest_peak);
}

/* A new serial begins with new counters; a successor goes on with its predecessor's. */
static struct port *port_new(uint32_t place, const struct driver_attachment *wanted)
{
	struct driver_attachment_status *status = &net.status->attachment[place];
	struct port *port = &net.scratch->port[place];

	memset(port, 0, sizeof(*port));
	port->place = place;
	port->serial = wanted->serial;
	port->front_id = wanted->front_id;
	port->device = wanted->device;
	port->status = status;
	port->was_attached = status->serial == wanted->serial && status->answer == DRIVER_ATTACHED;
	port_configure(port, wanted);
	STEP();
	if (status->serial != wanted->serial) {
		status->serial = status->suspect_deaths = 0;
		memset(status->port, 0, sizeof(status->port));
		memset(status->counter, 0, sizeof(status->counter));
		memset(status->text, 0, sizeof(status->text));
	}
	return port;
}

static int port_attach(struct port *port, const struct driver_attachment *wanted)
{
	if (wanted->queue_count < 1 || wanted->queue_count > DRIVER_QUEUES_MAX)
		return refuse(port, DRIVER_REFUSED, "%u queues: this driver takes 1 to %u", wanted->queue_count, DRIVER_QUEUES_MAX);
	for (uint32_t number = 0; number < wanted->queue_count; number++)
		if (queue_attach(port, number, &wanted->queue[number]))
			return RING_EPROTO;
	return 0;
}

static bool port_is_idle(const struct port *port)
{
	for (uint32_t number = 0; number < port->queue_count; number++)
		if (answers_owed(&port->queue[number]->tx))
			for (uint32_t index = port->queue[number]->tx.added; index != port->queue[number]->tx.ring.req_cons;) {
				const struct note *note = &port->queue[number]->note[index % VIF_RING_SLOTS];

				if (!note->is_done)
					return false;
				index += note->slots;
			}
	return true;
}

static void queue_deactivate(const struct queue *queue)
{
	struct queue **link = &net.active;

	while (*link && *link != queue)
		link = &(*link)->next_active;
	if (*link)
		*link = queue->next_active;
}

/* Nothing of the port's waits any more, for it or for others. */
static void port_forget(struct port *port)
{
	for (uint32_t place = 0; place < DRIVER_ATTACHMENTS_MAX; place++)
		for (uint32_t number = 0; net.port[place] && number < net.port[place]->queue_count; number++)
			receive_forget(net.port[place]->queue[number], net.port[place] == port ? NULL : port);
	fifo_forget(&net.wire_waiting, port);
}

/* NB4. False: the card still has packets of it. */
static bool queues_detach(struct port *port)
{
	port_forget(port);
	if (!port_is_idle(port))
		return false;
	for (uint32_t number = 0; number < port->queue_count; number++) {
		queue_deactivate(port->queue[number]);
		queue_detach(port->queue[number]);
	}
	port->queue_count = 0;
	return true;
}

/* Those that a predecessor had bound, and nobody here has. */
static void ports_bury(struct driver_attachment_status *status, domid_t front_id)
{
	struct evtchn_status found;

	for (uint32_t i = 0; i < DRIVER_QUEUES_MAX * 2; i++) {
		evtchn_port_t port = status->port[i / 2][i % 2];

		if (port && port < EVENT_PORTS && !net.queue_of_port[port] && event_status(port, &found) == 0 &&
		    found.status == EVTCHNSTAT_interdomain && found.u.interdomain.dom == front_id)
			event_close(port);
	}
	memset(status->port, 0, sizeof(status->port));
}

static bool port_leave(struct port *port)
{
	port->state = PORT_LEAVING;
	if (!queues_detach(port))
		return false;
	ports_bury(port->status, port->front_id);
	switch_remove(port);
	net.port[port->place] = NULL;
	say(port, DRIVER_DETACHED);
	return true;
}

/* A predecessor has refused it, and Dom0 takes it away; or one of its packets kills. */
static bool port_is_to_wait(struct port *port)
{
	bool is_aside = suspicion_ask(port);

	if (is_aside)
		say(port, DRIVER_ASIDE);
	return is_aside || (port->status->serial == port->serial && driver_has_refused(port->status->answer));
}

static void place_attach(uint32_t place, const struct driver_attachment *wanted)
{
	struct port *port = port_new(place, wanted);

	net.port[place] = port;
	if (port_is_to_wait(port)) {
		port->state = PORT_DROPPED;
		switch_add(port);	/* what is for it is nobody else's */
		return;
	}
	if (port_attach(port, wanted)) {
		port->state = PORT_DROPPED;
		net.has_dropped = true;
		return;
	}
	switch_add(port);
	say(port, DRIVER_ATTACHED);
}

static void port_change(struct port *port, const struct driver_attachment *wanted)
{
	if (port->flags == wanted->flags && !memcmp(&port->net, &wanted->net, sizeof(port->net)))
		return;
	switch_remove(port);
	port_configure(port, wanted);
	if (port->state == PORT_SERVING)
		switch_add(port);
}

/* As if its front-end had sent an event to each queue that has requests. */
static void port_look(struct port *port)
{
	uint32_t changed = __atomic_load_n(&net.table->changed, __ATOMIC_ACQUIRE);

	for (uint32_t number = 0; port->state == PORT_SERVING && number < port->queue_count; number++)
		if (answers_tell(&port->queue[number]->tx, changed))
			queue_glance(port->queue[number]);
}

/* A record is copied, and counts if it had the same serial before and after. */
static bool place_read(uint32_t place, struct driver_attachment *copy)
{
	const struct driver_attachment *record = &net.table->attachment[place];
	uint32_t serial = __atomic_load_n(&record->serial, __ATOMIC_ACQUIRE);

	if (!serial)
		return false;
	*copy = *record;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&record->serial, __ATOMIC_RELAXED) == serial;
}

/* What a predecessor had attached, and Dom0 took away before it let go: its rings are unmapped by the reset, its ports are bound still. */
static void place_bury(uint32_t place, uint32_t serial)
{
	struct driver_attachment_status *status = &net.status->attachment[place];

	if (net.generation == 1 || !status->serial || status->serial == serial)
		return;
	ports_bury(status, net.table->attachment[place].front_id);
	if (status->answer == DRIVER_ATTACHED || status->answer == DRIVER_ASIDE)
		status->answer = DRIVER_DETACHED;
}

bool place_obey(uint32_t place)
{
	static struct driver_attachment wanted;
	struct port *port = net.port[place];
	bool is_wanted;

	if (!port && !net.table->attachment[place].serial && !net.status->attachment[place].serial)
		return true;
	is_wanted = place_read(place, &wanted);
	if (port && is_wanted && port->serial == wanted.serial) {
		port_change(port, &wanted);
		port_look(port);
		return true;
	}
	if (port && !port_leave(port))
		return false;
	if (!port)
		place_bury(place, is_wanted ? wanted.serial : 0);
	if (is_wanted)
		place_attach(place, &wanted);
	return true;
}

bool attach_obey(void)
{
	bool is_whole = true;

	if (net.is_taking_over && successor_next())
		return false;
	for (uint32_t place = 0; place < net.attachment_count; place++)
		is_whole &= place_obey(place);
	return is_whole;
}

/* Those that lied: their rings are let go of as soon as nothing needs them. */
void attach_settle(void)
{
	if (!net.has_dropped)
		return;
	net.has_dropped = false;
	for (uint32_t place = 0; place < net.attachment_count; place++)
		if (net.port[place] && net.port[place]->state == PORT_DROPPED && net.port[place]->queue_count)
			net.has_dropped |= !queues_detach(net.port[place]);
}
