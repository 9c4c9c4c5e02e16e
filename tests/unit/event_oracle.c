/* SPDX-License-Identifier: MIT */
#include "event_oracle.h"

#include <stdio.h>

#include "event/channel.h"

static char complaint[160];

static const char *complain(const struct domain *domain, port_t port, const char *what)
{
	snprintf(complaint, sizeof(complaint), "domain %u, port %u: %s", domain->id, port, what);
	return complaint;
}

static bool is_among(const struct domain *one, struct domain *const *domains, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (domains[i] == one)
			return true;
	return false;
}

static const char *check_channel(struct domain *domain, port_t port, struct domain *const *domains, uint32_t count)
{
	const struct channel *channel = channel_find(domain, port), *other;

	if (channel->vcpu >= domain->vcpu_max)
		return complain(domain, port, "tells a vcpu that does not exist");
	if ((channel->state == CHANNEL_FREE) && port < domain->event_free_from)
		return complain(domain, port, "is free and below free_from");
	if (channel->state != CHANNEL_INTERDOMAIN)
		return channel->peer ? complain(domain, port, "has a peer and is not interdomain: E1") : NULL;
	if (!is_among(channel->peer, domains, count))
		return complain(domain, port, "its peer is gone: E1");
	other = channel_find(channel->peer, channel->peer_port);
	if (!other || other->state != CHANNEL_INTERDOMAIN || other->peer != domain || other->peer_port != port)
		return complain(domain, port, "its peer does not name it: E1");
	return NULL;
}

/* Who keeps the port of a VIRQ: its vcpu, or the first one for those of a domain. */
static const char *check_virqs(struct domain *domain)
{
	uint32_t kept = 0, bound = 0;

	for (uint32_t id = 0; id < domain->vcpu_max; id++) {
		for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
			port_t port = domain->vcpu[id]->virq_port[virq];
			const struct channel *channel = channel_find(domain, port);

			if (port == PORT_NONE)
				continue;
			kept++;
			if (!channel || channel->state != CHANNEL_VIRQ || channel->virq != virq)
				return complain(domain, port, "a vcpu keeps it for a VIRQ, and it is none: E3");
		}
	}
	for (port_t port = 1; port < EVENT_PORTS_MAX; port++)
		bound += channel_find(domain, port)->state == CHANNEL_VIRQ;
	return kept == bound ? NULL : complain(domain, 0, "VIRQ channels that no vcpu keeps, or one kept twice: E3");
}

const char *event_oracle_complaint(struct domain *const *domains, uint32_t count)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < count && !wrong; i++) {
		for (port_t port = 1; port < EVENT_PORTS_MAX && !wrong; port++)
			wrong = check_channel(domains[i], port, domains, count);
		if (!wrong)
			wrong = check_virqs(domains[i]);
		if (!wrong && spin_is_locked(&domains[i]->event_lock))
			wrong = complain(domains[i], 0, "event_lock was left locked");
	}
	return wrong;
}
