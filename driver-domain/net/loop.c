/* SPDX-License-Identifier: MIT */
/* One round of work, and how it rests. */
#include "net/net.h"

#include "runtime/driver_domain.h"
#include "runtime/events.h"
#include "runtime/memory.h"
#include "runtime/ready.h"
#include "runtime/time.h"

struct net net;

void net_init(void)
{
	net.scratch = ready_scratch((sizeof(struct net_scratch) + PAGE_SIZE - 1) / PAGE_SIZE);
	net.copy = net.scratch->copy;
	net.delivery = net.scratch->delivery;
	net.collected = net.scratch->collected;
	packets_init();
	switch_init();
	net.wire.place = PLACE_WIRE;
	net.wire_refills = true;
	if (net.device && net.device->driver->link_is_up(net.device))
		net.wire.flags = DRIVER_NET_LINK_UP;
}

/* The order matters: the card is silent before what it has left is read, and that is read before it has anything new. */
void net_again(void)
{
	net.now_ns = time_now_ns();
	successor_begin();
	if (net.device)
		wire_again();
}

void queue_glance(struct queue *queue)
{
	if (queue->is_active)
		return;
	queue->is_active = true;
	queue->next_active = net.active;
	net.active = queue;
}

void queue_activate(struct queue *queue)
{
	busy_note(queue->port, true);
	queue_glance(queue);
}

void net_event(evtchn_port_t event_port)
{
	uint16_t number = event_port < EVENT_PORTS ? net.queue_of_port[event_port] : 0;
	struct port *port;

	if (!number--)
		return;
	port = net.port[number / DRIVER_QUEUES_MAX];
	if (!port || number % DRIVER_QUEUES_MAX >= port->queue_count)
		return;
	port_count(port, DRIVER_EVENTS_TAKEN, 1);
	queue_activate(port->queue[number % DRIVER_QUEUES_MAX]);
}

/* The statuses of the second hypercall, to those who planned it. */
static void deliveries_finish(void)
{
	for (uint32_t i = 0; i < net.delivery_count; i++) {
		const struct delivery *delivery = &net.delivery[i];
		bool is_whole = true;

		for (uint32_t copy = 0; copy < delivery->copy_count; copy++)
			is_whole &= net.copy[delivery->first_copy + copy].status == GNTST_okay;
		if (delivery->queue)
			receive_finish(delivery, is_whole);
		else
			wire_finish(delivery, is_whole);
	}
	net.delivery_count = net.copy_count = 0;
}

static void queue_events(struct queue *queue)
{
	bool both = queue->wake_tx && queue->wake_rx && queue->tx_port == queue->rx_port;

	if (queue->wake_tx)
		event_send(queue->tx_port);
	if (queue->wake_rx && !both)
		event_send(queue->rx_port);
	port_count(queue->port, DRIVER_EVENTS_SENT, (uint64_t)queue->wake_tx + queue->wake_rx - both);
	queue->wake_tx = queue->wake_rx = false;
}

bool queue_publish(struct answers *answers)
{
	bool is_due = answers->added != answers->ring.rsp_prod, wake = answers_publish(answers);

	if (is_due)
		driver_domain_note_answer();
	return wake;
}

/* Who gets packets has them before those who sent them are told so: a death in between sends twice and loses none. */
static void answer(void)
{
	for (struct queue *queue = net.active; queue; queue = queue->next_active)
		if (queue->port->state == PORT_SERVING)
			queue->wake_rx |= queue_publish(&queue->rx);
	for (struct queue *queue = net.active; queue; queue = queue->next_active)
		if (queue->port->state == PORT_SERVING) {
			transmit_answer(queue, queue->wake_rx);
			queue_events(queue);
		}
}

/* What came from the wire can be delivered at once; what is to go out is judged, and copied, before anybody is answered. */
static bool receives_first(void)
{
	bool is_first = net.is_first_round;
	struct queue *queue = net.active;

	net.is_first_round = false;
	while (queue && !queue->waiting.first)
		queue = queue->next_active;
	return is_first && queue;
}

/* NB8. A step of fixed length could keep pace with what comes round otherwise, and pass over the same queues again and again. */
static void queues_turn(void)
{
	struct queue *last = net.active;

	net.is_short = false;
	if (!last)
		return;
	while (last->next_active)
		last = last->next_active;
	last->next_active = net.active;
	net.turn = net.turn * 1664525 + 1013904223;
	for (uint32_t steps = net.turn >> 26; steps; steps--)
		last = last->next_active;
	net.active = last->next_active;
	last->next_active = NULL;
}

bool net_work(void)
{
	bool did = false;

	net.now_ns = time_now_ns();
	net.has_departed = false;
	if (net.device)
		did |= wire_receive();
	if (!receives_first()) {
		did |= transmit_collect();
		copies_run();
		transmit_judge();
		net.copy_count = 0;
	}

	did |= receive_fill();
	if (net.device)
		did |= wire_fill();
	copies_run();
	deliveries_finish();

	if (net.device && !net.has_departed) {
		did |= wire_push();
		did |= wire_reap();
	}
	answer();
	if (net.is_short)
		queues_turn();
	packets_settle();
	attach_settle();
	net.has_worked = did;
	if (did && net.owed && !net.has_left)
		driver_domain_note_rest();		/* NB3 */
	return did;
}

/* False: the queue has nothing to do until an event comes, or its time. */
static bool queue_rest(struct queue *queue)
{
	bool has_news;

	if (queue->port->state != PORT_SERVING)
		return false;
	if (queue->blocked_ns) {
		driver_domain_wake_at(queue->blocked_ns);
		has_news = false;
	} else if (packets_are_out() || (is_one_by_one(queue) && answers_owed(&queue->tx))) {
		has_news = false;	/* until packets come back, by the card's interrupt or a receiver's event */
	} else {
		has_news = ring_back_sleep(&queue->tx.ring) != 0;
	}
	if (queue->waiting.first) {
		int before = ring_back_look(&queue->rx.ring);

		atomic_store_explicit(&queue->rx.ring.shared->req_event, queue->rx.ring.req_seen + 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		has_news |= ring_back_look(&queue->rx.ring) != before;
	}
	return has_news;
}

/* Who waits for time or for buffers stays active: it is looked at in each round. */
bool net_rest(void)
{
	struct queue **link = &net.active;
	bool has_news = net.is_taking_over;

	while (*link) {
		struct queue *queue = *link;
		bool is_news = queue_rest(queue);

		has_news |= is_news;
		if (is_news || queue->waiting.first || queue->blocked_ns || queue->held_ns || queue->is_suspect || packets_are_out()) {
			link = &queue->next_active;
			continue;
		}
		*link = queue->next_active;
		queue->is_active = false;
		if (!answers_owed(&queue->tx))
			busy_note(queue->port, false);
	}
	/* Who sleeps now may wait for the CPU until all that its frames have woken is done. */
	if (!driver_domain.has_answered && net.wire_flying && net.now_ns < net.wire_patient_ns)
		return true;
	if (net.device && !has_news)
		has_news = wire_interrupts(true);
	return has_news;
}

static void link_look(void)
{
	bool was_up = net.wire.flags & DRIVER_NET_LINK_UP, is_up = net.device->driver->link_is_up(net.device);

	net.wire.flags = is_up ? DRIVER_NET_LINK_UP : 0;
	if (was_up && !is_up)
		wire_recall();
}

void net_tick(void)
{
	if (net.device)
		link_look();
	net.status->device_flags &= ~DRIVER_DEVICE_LINK_UP;
	net.status->device_flags |= net.wire.flags & DRIVER_NET_LINK_UP ? DRIVER_DEVICE_LINK_UP : 0;
	switch_age();
}
