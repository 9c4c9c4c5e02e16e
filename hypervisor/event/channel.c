/* SPDX-License-Identifier: MIT */
/*
 * The life of event channels: allocated, bound, closed. event.h has the states and E1 to E3.
 *
 * Locks: event_connect_lock, then the lock of a pirq binding, then event_lock (two: the lower id first). An interdomain
 * channel cannot be closed while the event_lock of either end is held, so a sender needs its own alone.
 */
#include "include/types.h"

#include "event/channel.h"

#include "cpu/cpu.h"
#include "cpu/irq.h"
#include "event/event.h"
#include "include/errno.h"
#include "lib/bits.h"
#include "mem/alloc.h"

#define CLOSES_AT_ONCE 32	/* then look whether something else wants to run */

struct spinlock event_connect_lock = SPINLOCK_FREE;
static struct pirq_binding pirq_bindings[PIRQ_COUNT];

struct channel *channel_find(const struct domain *domain, port_t port)
{
	struct channel *chunk;

	if (port == PORT_NONE || port >= EVENT_PORTS_MAX)
		return NULL;
	chunk = load_acquire(&domain->events->chunk[port / EVENT_CHUNK_PORTS]);
	return chunk ? &chunk[port % EVENT_CHUNK_PORTS] : NULL;
}

static void lock_both(struct domain *a, struct domain *b)
{
	if (a->id <= b->id)
		spin_lock_two(&a->event_lock, &b->event_lock);
	else
		spin_lock_two(&b->event_lock, &a->event_lock);
}

static void unlock_both(struct domain *a, struct domain *b)
{
	spin_unlock_two(&a->event_lock, &b->event_lock);
}

/* ---- ports ---- */

static int grow_to(struct event_table *table, port_t port)
{
	struct channel **chunk = &table->chunk[port / EVENT_CHUNK_PORTS];
	struct channel *page;

	if (*chunk)
		return 0;
	page = heap_alloc(PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	store_release(chunk, page);
	return 0;
}

int channel_find_free(struct domain *domain, port_t *port)
{
	struct event_table *table = domain->events;
	port_t candidate = table->free_from;
	int error;

	if (read_once(&domain->is_dying))
		return -ESRCH;
	while (candidate < EVENT_PORTS_MAX) {
		error = grow_to(table, candidate);
		if (error)
			return error;
		if (channel_find(domain, candidate)->state == CHANNEL_FREE)
			break;
		candidate++;
	}
	table->free_from = candidate;
	*port = candidate;
	return candidate < EVENT_PORTS_MAX ? 0 : -ENOSPC;
}

void channel_use(struct domain *domain, port_t port, struct channel content)
{
	struct channel *channel = channel_find(domain, port);

	ASSERT(channel->state == CHANNEL_FREE, "E3");
	*channel = content;
}

/* The pending bit goes along: whoever gets the port next starts without news. */
static void channel_release(struct domain *domain, port_t port)
{
	*channel_find(domain, port) = (struct channel){ .state = CHANNEL_FREE };
	domain->events->free_from = MIN(domain->events->free_from, port);
	bit_test_and_clear(domain->shared_info->evtchn_pending, port);
}

/* ---- binding ---- */

int event_alloc_unbound(struct domain *domain, domid_t peer, port_t *port)
{
	int error;

	spin_lock(&domain->event_lock);
	error = channel_find_free(domain, port);
	if (!error)
		channel_use(domain, *port, (struct channel){ .state = CHANNEL_UNBOUND, .for_id = peer });
	spin_unlock(&domain->event_lock);
	return error;
}

static int connect_locked(struct domain *binder, struct domain *peer, port_t peer_port, port_t *port)
{
	struct channel *offer = channel_find(peer, peer_port);
	int error = channel_find_free(binder, port);

	if (error)
		return error;
	if (read_once(&peer->is_dying))
		return -ESRCH;
	if (!offer || offer->state != CHANNEL_UNBOUND || offer->for_id != binder->id)
		return -EINVAL;

	/* E1 */
	offer->state = CHANNEL_INTERDOMAIN;
	offer->peer = binder;
	offer->peer_port = *port;
	channel_use(binder, *port, (struct channel){ .state = CHANNEL_INTERDOMAIN, .peer = peer,
						     .peer_port = peer_port });
	/* What the peer sent before it had a peer is lost: the binder looks once for nothing. */
	channel_make_pending(binder, *port, channel_find(binder, *port));
	return 0;
}

int channel_connect(struct domain *binder, struct domain *peer, port_t peer_port, port_t *port)
{
	int error;

	spin_lock(&event_connect_lock);
	lock_both(binder, peer);
	error = connect_locked(binder, peer, peer_port, port);
	unlock_both(binder, peer);
	spin_unlock(&event_connect_lock);
	return error;
}

bool virq_is_per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

int channel_bind_virq(struct vcpu *vcpu, uint32_t virq, port_t *port)
{
	struct domain *domain = vcpu->domain;
	int error = -EEXIST;

	spin_lock(&domain->event_lock);
	if (vcpu->virq_port[virq] == PORT_NONE)
		error = channel_find_free(domain, port);
	if (!error) {
		channel_use(domain, *port, (struct channel){ .state = CHANNEL_VIRQ, .vcpu = vcpu->id, .virq = virq });
		vcpu->virq_port[virq] = *port;
	}
	spin_unlock(&domain->event_lock);
	return error;
}

int channel_bind_ipi(struct vcpu *vcpu, port_t *port)
{
	struct domain *domain = vcpu->domain;
	int error;

	spin_lock(&domain->event_lock);
	error = channel_find_free(domain, port);
	if (!error)
		channel_use(domain, *port, (struct channel){ .state = CHANNEL_IPI, .vcpu = vcpu->id });
	spin_unlock(&domain->event_lock);
	return error;
}

static int bind_pirq_locked(struct domain *domain, uint32_t pirq, port_t *port)
{
	int error = channel_find_free(domain, port);

	if (!error)
		error = pirq_attach(domain, pirq);
	if (error)
		return error == -EBUSY ? -EEXIST : error;

	channel_use(domain, *port, (struct channel){ .state = CHANNEL_PIRQ, .pirq = pirq });
	pirq_bindings[pirq].domain = domain;
	pirq_bindings[pirq].port = *port;
	return 0;
}

int channel_bind_pirq(struct domain *domain, uint32_t pirq, port_t *port)
{
	struct pirq_binding *binding = &pirq_bindings[pirq];
	int error;

	spin_lock(&event_connect_lock);
	spin_lock(&binding->lock);
	spin_lock(&domain->event_lock);
	error = bind_pirq_locked(domain, pirq, port);
	spin_unlock(&domain->event_lock);
	spin_unlock(&binding->lock);
	spin_unlock(&event_connect_lock);
	if (!error)
		pirq_unmask(pirq);
	return error;
}

bool pirq_is_bound_to(uint32_t pirq, const struct domain *domain)
{
	return pirq < PIRQ_COUNT && read_once(&pirq_bindings[pirq].domain) == domain;
}

void event_send_pirq(uint32_t pirq)
{
	struct pirq_binding *binding = &pirq_bindings[pirq];

	spin_lock(&binding->lock);
	if (binding->domain)
		channel_make_pending(binding->domain, binding->port, channel_find(binding->domain, binding->port));
	spin_unlock(&binding->lock);
}

/* ---- closing ---- */

/* The other end falls back to unbound: only the same domain can bind it again. */
static void close_interdomain(struct domain *domain, port_t port, const struct channel *channel)
{
	struct domain *peer = channel->peer;
	port_t peer_port = channel->peer_port;
	struct channel *other = channel_find(peer, peer_port);

	lock_both(domain, peer);
	ASSERT(other->peer == domain && other->peer_port == port, "E1");
	other->peer = NULL;
	other->for_id = domain->id;
	other->state = CHANNEL_UNBOUND;
	channel_release(domain, port);
	unlock_both(domain, peer);
}

static void close_pirq(struct domain *domain, port_t port, uint32_t pirq)
{
	struct pirq_binding *binding = &pirq_bindings[pirq];

	spin_lock(&binding->lock);
	spin_lock(&domain->event_lock);
	pirq_detach(pirq);
	binding->domain = NULL;
	channel_release(domain, port);
	spin_unlock(&domain->event_lock);
	spin_unlock(&binding->lock);
}

static int close_other(struct domain *domain, port_t port, const struct channel *channel)
{
	int error = 0;

	spin_lock(&domain->event_lock);
	if (channel->state == CHANNEL_FREE)
		error = -EINVAL;
	if (channel->state == CHANNEL_VIRQ)
		domain->vcpu[virq_is_per_vcpu(channel->virq) ? channel->vcpu : 0]->virq_port[channel->virq] = PORT_NONE;
	if (!error)
		channel_release(domain, port);
	spin_unlock(&domain->event_lock);
	return error;
}

int channel_close(struct domain *domain, port_t port)
{
	struct channel *channel = channel_find(domain, port);
	int error = 0;

	if (!channel)
		return -EINVAL;
	spin_lock(&event_connect_lock);
	/* Held, so neither of these two states can come or go. */
	if (read_once(&channel->state) == CHANNEL_INTERDOMAIN)
		close_interdomain(domain, port, channel);
	else if (read_once(&channel->state) == CHANNEL_PIRQ)
		close_pirq(domain, port, channel->pirq);
	else
		error = close_other(domain, port, channel);
	spin_unlock(&event_connect_lock);
	return error;
}

int channel_close_all(struct domain *domain)
{
	uint32_t closed = 0;

	for (port_t port = 1; port < EVENT_PORTS_MAX; port++) {
		struct channel *channel = channel_find(domain, port);

		if (!channel)
			break;
		if (read_once(&channel->state) == CHANNEL_FREE || channel_close(domain, port))
			continue;
		if (++closed % CLOSES_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
	}
	return 0;
}

/* ---- domains ---- */

int event_domain_init(struct domain *domain)
{
	struct event_table *table = heap_alloc(sizeof(*table));

	if (!table)
		return -ENOMEM;
	if (grow_to(table, 0)) {
		heap_free(table);
		return -ENOMEM;
	}
	table->free_from = 1;
	domain->events = table;
	return 0;
}

int event_domain_destroy(struct domain *domain)
{
	ASSERT(read_once(&domain->is_dying), "D2");
	return domain->events ? channel_close_all(domain) : 0;
}

void event_domain_free(struct domain *domain)
{
	if (!domain->events)
		return;
	for (uint32_t i = 0; i < EVENT_CHUNKS; i++)
		heap_free(domain->events->chunk[i]);
	heap_free(domain->events);
	domain->events = NULL;
}
