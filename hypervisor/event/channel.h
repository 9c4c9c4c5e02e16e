/* SPDX-License-Identifier: MIT */
/* A domain's table of channels, for the files of event/ alone; everybody else includes event.h. */
#pragma once

#include <xen/event_channel.h>

#define PORT_NONE 0				/* no channel ever has this port */

enum channel_state {				/* drawn in event.h; numbers as EVTCHNOP_status gives them */
	CHANNEL_FREE = EVTCHNSTAT_closed, CHANNEL_UNBOUND = EVTCHNSTAT_unbound,
	CHANNEL_INTERDOMAIN = EVTCHNSTAT_interdomain, CHANNEL_VIRQ = EVTCHNSTAT_virq,
	CHANNEL_IPI = EVTCHNSTAT_ipi, CHANNEL_PIRQ = EVTCHNSTAT_pirq,
};

struct channel {
	uint8_t state;				/* enum channel_state */
	bool is_kept;				/* of a driver that was ready: it cannot close it (event_keep_all) */
	uint16_t vcpu;				/* who is told; read without the lock */
	union {
		port_t peer_port;		/* interdomain */
		uint32_t virq;
		uint32_t pirq;
		domid_t for_id;			/* unbound: who may bind it */
	};
	struct domain *peer;			/* interdomain */
};
_Static_assert(sizeof(struct channel) * EVENT_PART == PAGE_SIZE, "a domain has a page for as many ports as it needs");

/*
 * Interdomain and pirq channels come and go under this lock (besides the event_locks of their domains), so whoever
 * holds it finds both ends still. Taken before any event_lock.
 */
extern struct spinlock event_connect_lock;

/* The channel of a port, in any state; NULL if there is none. No lock needed. */
struct channel *channel_find(const struct domain *domain, port_t port);

/* A free port becomes what `content` says. -ENOSPC, -ENOMEM, -ESRCH if the domain is dying, -EEXIST if the VIRQ is bound (E3). */
MUST_CHECK int channel_open(struct domain *domain, struct channel content, port_t *port);
MUST_CHECK int channel_connect(struct domain *binder, struct domain *peer, port_t peer_port, port_t *port);
MUST_CHECK int channel_bind_pirq(struct domain *domain, uint32_t pirq, port_t *port);	/* pirq < PIRQ_COUNT */
int channel_close(struct domain *domain, port_t port);		/* -EINVAL: it is not open */

/* For VIRQs that each vcpu has its own of; the others belong to a domain. */
bool virq_is_per_vcpu(uint32_t virq);

/*
 * deliver.c: sets the pending bit of a channel that is bound (E2), and tells its vcpu. The caller holds a lock
 * under which the channel cannot be closed.
 */
void channel_make_pending(struct domain *domain, port_t port, const struct channel *channel);
/* The guest's mask bit goes; what is pending is delivered. */
void channel_unmask(struct domain *domain, port_t port, const struct channel *channel);
