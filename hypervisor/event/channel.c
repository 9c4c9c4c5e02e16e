/* SPDX-License-Identifier: MIT */
/*
 * The life of event channels: opened, connected, closed. event.h has the states and E1 to E3.
 * An interdomain channel cannot be closed while the event_lock of either end is held, so a sender needs its own alone.
 */
#include "event/channel.h"

#include "cpu/irq.h"
#include "cpu/speculation.h"
#include "event/event.h"

#define CLOSES_AT_ONCE 32	/* then look whether something else wants to run */

struct spinlock event_connect_lock = SPINLOCK_FREE;

/* Who gets each pirq; event_connect_lock. */
static struct { struct domain *domain; port_t port; } pirq_bound[PIRQ_COUNT];

struct channel *channel_find(const struct domain *domain, port_t port)
{
	static struct channel never_opened;	/* free, and nobody writes to a free one */
	struct channel *part;

	if (port == PORT_NONE || port >= EVENT_PORTS_MAX)
		return NULL;
	port = (port_t)array_index(port, EVENT_PORTS_MAX);
	part = load_acquire(&domain->events[port / EVENT_PART]);
	return likely(part != NULL) ? &part[port % EVENT_PART] : &never_opened;
}

bool virq_is_per_vcpu(uint32_t virq) { return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU; }

/* Where the port of a VIRQ is kept: with its vcpu, or with the first one if it is the domain's. */
static uint32_t *virq_kept(struct domain *domain, const struct channel *channel)
{
	return &domain->vcpu[virq_is_per_vcpu(channel->virq) ? channel->vcpu : 0]->virq_port[channel->virq];
}

/* ---- opening: event_lock is held where it says _locked ---- */

static int open_locked(struct domain *domain, struct channel content, port_t *port)
{
	uint32_t *kept = content.state == CHANNEL_VIRQ ? virq_kept(domain, &content) : NULL;
	port_t *candidate = &domain->event_free_from;
	struct channel *part;

	if (read_once(&domain->is_dying))
		return -ESRCH;
	if (kept && *kept != PORT_NONE)
		return -EEXIST;
	while (*candidate < EVENT_PORTS_MAX && channel_find(domain, *candidate)->state != CHANNEL_FREE)
		++*candidate;
	if (*candidate == EVENT_PORTS_MAX)
		return -ENOSPC;
	part = domain->events[*candidate / EVENT_PART];
	if (!part)
		part = heap_alloc(EVENT_PART * sizeof(*part));
	if (!part)
		return -ENOMEM;
	*port = *candidate;
	part[*port % EVENT_PART] = content;
	store_release(&domain->events[*port / EVENT_PART], part);
	if (kept)
		*kept = *port;
	return 0;
}

int channel_open(struct domain *domain, struct channel content, port_t *port)
{
	int error;

	spin_lock(&domain->event_lock);
	error = open_locked(domain, content, port);
	spin_unlock(&domain->event_lock);
	return error;
}

int channel_connect(struct domain *binder, struct domain *peer, port_t peer_port, port_t *port)
{
	struct channel content = { .state = CHANNEL_INTERDOMAIN, .peer = peer, .peer_port = peer_port };
	struct channel *offer = channel_find(peer, peer_port);
	int error = -EINVAL;

	spin_lock(&event_connect_lock);
	spin_lock_two(&binder->event_lock, &peer->event_lock);
	if (read_once(&peer->is_dying))
		error = -ESRCH;
	else if (offer && offer->state == CHANNEL_UNBOUND && offer->for_id == binder->id)
		error = open_locked(binder, content, port);
	if (!error) {
		offer->state = CHANNEL_INTERDOMAIN;	/* E1 */
		offer->peer = binder;
		offer->peer_port = *port;
		/* What the peer sent before it had a peer is lost: the binder looks once, perhaps for nothing. */
		channel_make_pending(binder, *port, channel_find(binder, *port));
	}
	spin_unlock_two(&binder->event_lock, &peer->event_lock);
	spin_unlock(&event_connect_lock);
	return error;
}

int channel_bind_pirq(struct domain *domain, uint32_t pirq, port_t *port)
{
	int error;

	spin_lock(&event_connect_lock);
	error = pirq_attach(domain, pirq);
	if (!error) {
		error = channel_open(domain, (struct channel){ .state = CHANNEL_PIRQ, .pirq = pirq }, port);
		if (error)
			pirq_detach(pirq);
	}
	if (!error) {
		pirq_bound[pirq].port = *port;
		write_once(&pirq_bound[pirq].domain, domain);
	}
	spin_unlock(&event_connect_lock);
	return error == -EBUSY ? -EEXIST : error;
}

void event_send_pirq(uint32_t pirq)
{
	struct domain *domain;

	spin_lock(&event_connect_lock);
	domain = pirq_bound[pirq].domain;
	if (domain)
		channel_make_pending(domain, pirq_bound[pirq].port, channel_find(domain, pirq_bound[pirq].port));
	spin_unlock(&event_connect_lock);
}

/* ---- closing ---- */

/* event_lock is held. The pending bit goes along: whoever gets the port next starts without news. */
static int close_locked(struct domain *domain, port_t port, struct channel *channel)
{
	if (channel->state == CHANNEL_FREE)
		return -EINVAL;
	if (channel->state == CHANNEL_VIRQ)
		*virq_kept(domain, channel) = PORT_NONE;
	*channel = (struct channel){ .state = CHANNEL_FREE };
	domain->event_free_from = MIN(domain->event_free_from, port);
	bit_test_and_clear(domain->shared_info->evtchn_pending, port);
	return 0;
}

/* The other end falls back to unbound: only the same domain can bind it again. Both event_locks are held. */
static void disconnect_locked(struct domain *domain, port_t port, const struct channel *channel)
{
	struct channel *other = channel_find(channel->peer, channel->peer_port);

	ASSERT(other->peer == domain && other->peer_port == port, "E1");
	*other = (struct channel){ .state = CHANNEL_UNBOUND, .is_kept = other->is_kept, .vcpu = other->vcpu,
				   .for_id = domain->id };
}

int channel_close(struct domain *domain, port_t port)
{
	struct channel *channel = channel_find(domain, port);
	struct domain *peer = domain;
	int error;

	if (!channel)
		return -EINVAL;
	spin_lock(&event_connect_lock);
	/* Held, so what is interdomain or a pirq stays so, and nothing becomes so. */
	if (read_once(&channel->state) == CHANNEL_INTERDOMAIN)
		peer = channel->peer;
	spin_lock_two(&domain->event_lock, &peer->event_lock);
	if (channel->state == CHANNEL_INTERDOMAIN)
		disconnect_locked(domain, port, channel);
	if (channel->state == CHANNEL_PIRQ) {
		pirq_detach(channel->pirq);
		write_once(&pirq_bound[channel->pirq].domain, NULL);
	}
	error = close_locked(domain, port, channel);
	spin_unlock_two(&domain->event_lock, &peer->event_lock);
	spin_unlock(&event_connect_lock);
	return error;
}

int event_close_all(struct domain *domain)
{
	uint32_t closed = 0;

	for (port_t port = 1; port < EVENT_PORTS_MAX; port++) {
		bool is_there = domain->events[port / EVENT_PART];

		if (!is_there)
			port |= EVENT_PART - 1;
		if (!is_there || read_once(&channel_find(domain, port)->state) == CHANNEL_FREE || channel_close(domain, port))
			continue;
		if (++closed % CLOSES_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
	}
	return 0;
}

void event_keep_all(struct domain *domain, bool is_first)
{
	uint8_t kept_from = is_first ? CHANNEL_UNBOUND : CHANNEL_INTERDOMAIN + 1;

	spin_lock(&domain->event_lock);
	for (port_t port = 1; port < EVENT_PORTS_MAX; port++)
		if (channel_find(domain, port)->state >= kept_from)
			channel_find(domain, port)->is_kept = true;
	spin_unlock(&domain->event_lock);
}

void event_close_own(struct domain *domain)
{
	for (port_t port = 1; port < EVENT_PORTS_MAX; port++)
		if (read_once(&channel_find(domain, port)->state) > CHANNEL_INTERDOMAIN)
			(void)channel_close(domain, port);
}

/* ---- domains ---- */

int event_domain_init(struct domain *domain)
{
	domain->events[0] = heap_alloc(EVENT_PART * sizeof(struct channel));
	domain->event_free_from = 1;
	return domain->events[0] ? 0 : -ENOMEM;
}

void event_domain_free(struct domain *domain)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(domain->events); i++) {
		heap_free(domain->events[i]);
		domain->events[i] = NULL;
	}
}
