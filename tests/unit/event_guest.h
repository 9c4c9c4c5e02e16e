/* SPDX-License-Identifier: MIT */
/* Event channels as a guest uses them: one function for each operation, for the tests of event/. */
#ifndef SKINK_EVENT_GUEST_H
#define SKINK_EVENT_GUEST_H

#include "include/types.h"

#include <string.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/physdev.h>

#include "unit.h"

#include "cpu/irq.h"
#include "domain/hypercall.h"
#include "event/channel.h"
#include "event/event.h"
#include "event_oracle.h"
#include "include/errno.h"
#include "lib/bits.h"

#define NOWHERE 0x10ULL			/* an address that no guest has */

static inline long call(struct domain *domain, uint32_t command, void *operation)
{
	fake_run(domain->vcpu[0]);
	return do_event_channel_op(command, guest_address(operation));
}

static inline long send(struct domain *domain, port_t port)
{
	return call(domain, EVTCHNOP_send, GUEST_COPY(struct evtchn_send, .port = port));
}

static inline long close_port(struct domain *domain, port_t port)
{
	return call(domain, EVTCHNOP_close, GUEST_COPY(struct evtchn_close, .port = port));
}

static inline long unmask(struct domain *domain, port_t port)
{
	return call(domain, EVTCHNOP_unmask, GUEST_COPY(struct evtchn_unmask, .port = port));
}

static inline long move(struct domain *domain, port_t port, uint32_t vcpu)
{
	return call(domain, EVTCHNOP_bind_vcpu, GUEST_COPY(struct evtchn_bind_vcpu, .port = port, .vcpu = vcpu));
}

static inline long offer_for(struct domain *caller, domid_t domain, domid_t peer, port_t *port)
{
	struct evtchn_alloc_unbound *op = GUEST_COPY(struct evtchn_alloc_unbound, .dom = domain, .remote_dom = peer);
	long error = call(caller, EVTCHNOP_alloc_unbound, op);

	*port = op->port;
	return error;
}

static inline long bind(struct domain *domain, domid_t peer, port_t peer_port, port_t *port)
{
	struct evtchn_bind_interdomain *op = GUEST_COPY(struct evtchn_bind_interdomain, .remote_dom = peer,
							.remote_port = peer_port);
	long error = call(domain, EVTCHNOP_bind_interdomain, op);

	*port = op->local_port;
	return error;
}

static inline long bind_virq(struct domain *domain, uint32_t virq, uint32_t vcpu, port_t *port)
{
	struct evtchn_bind_virq *op = GUEST_COPY(struct evtchn_bind_virq, .virq = virq, .vcpu = vcpu);
	long error = call(domain, EVTCHNOP_bind_virq, op);

	*port = op->port;
	return error;
}

static inline long bind_ipi(struct domain *domain, uint32_t vcpu, port_t *port)
{
	struct evtchn_bind_ipi *op = GUEST_COPY(struct evtchn_bind_ipi, .vcpu = vcpu);
	long error = call(domain, EVTCHNOP_bind_ipi, op);

	*port = op->port;
	return error;
}

static inline long bind_pirq(struct domain *domain, uint32_t pirq, port_t *port)
{
	struct evtchn_bind_pirq *op = GUEST_COPY(struct evtchn_bind_pirq, .pirq = pirq);
	long error = call(domain, EVTCHNOP_bind_pirq, op);

	*port = op->port;
	return error;
}

static inline struct evtchn_status status_of(struct domain *caller, domid_t domain, port_t port)
{
	struct evtchn_status *op = GUEST_COPY(struct evtchn_status, .dom = domain, .port = port);

	CU_ASSERT_EQUAL(call(caller, EVTCHNOP_status, op), 0);
	return *op;
}

static inline uint32_t state_of(struct domain *domain, port_t port)
{
	return status_of(domain, DOMID_SELF, port).status;
}

static inline port_t given_offer(struct domain *domain, struct domain *peer)
{
	port_t port;

	CU_ASSERT_EQUAL(offer_for(domain, DOMID_SELF, peer->id, &port), 0);
	return port;
}

struct pair { struct domain *a, *b; port_t a_port, b_port; };

/* b has bound what a offered; the news of the binding itself is taken. */
static inline struct pair given_pair(void)
{
	struct pair pair = { .a = given_domain(), .b = given_domain_with(7, 2, false) };

	pair.a_port = given_offer(pair.a, pair.b);
	CU_ASSERT_EQUAL(bind(pair.b, pair.a->id, pair.a_port, &pair.b_port), 0);
	memset(pair.b->shared_info, 0, sizeof(*pair.b->shared_info));
	fake.kicks = 0;
	return pair;
}

static inline bool is_pending(struct domain *domain, port_t port) { return bit_test(domain->shared_info->evtchn_pending, port); }
static inline void mask(struct domain *domain, port_t port) { bit_test_and_set(domain->shared_info->evtchn_mask, port); }
static inline bool is_upcalled(struct vcpu *vcpu) { return vcpu->info->evtchn_upcall_pending; }

static inline void all_is_consistent(void)
{
	struct domain *all[8];
	const char *wrong = event_oracle_complaint(all, fake_domains(all, ARRAY_SIZE(all)));

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

#endif
