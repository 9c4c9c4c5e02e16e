/* SPDX-License-Identifier: MIT */
/*
 * Event channels: one bit of news for one domain. 2-level ABI. All of a domain's channels are under its event_lock; two
 * domains' are taken by spin_lock_two().
 *
 *   free --alloc_unbound--> unbound --bind_interdomain by the named peer--> interdomain (both ends)
 *   interdomain --close of one end--> free; the other end falls back to unbound for the same peer
 *   free --bind_virq, bind_ipi, bind_pirq--> virq, ipi, pirq --close--> free
 *
 * E1  Of two interdomain channels each names the other.
 * E2  A channel that is free or unbound is never made pending.
 * E3  A virq, ipi or pirq belongs to one port at most.
 */
#pragma once

#include <xen/event_channel.h>

MUST_CHECK int event_domain_init(struct domain *domain);	/* -ENOMEM */
/* Closes everything, a bounded piece at a time: -ERESTART while there is more. */
MUST_CHECK int event_close_all(struct domain *domain);
void event_domain_free(struct domain *domain);			/* last; no vcpu, no peer left */

/* VIRQ_TIMER, VIRQ_DEBUG: a vcpu's own. Those of a domain are kept by its first vcpu, whichever is told. No lock held. */
void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq);

/*
 * Reset: ports that are open now are never closed by the domain; and later masked is what was, and nothing else is pending. Not is_first: channels to
 * other domains are what another image has left, and stay as they are.
 */
void event_keep_all(struct domain *domain, bool is_first);
void event_forget(struct domain *domain, const uint64_t *masked);
/* Renewal: virqs, ipis and pirqs are closed. Its vcpus do not run. */
void event_close_own(struct domain *domain);

/* From a driver of the core's: a physical interrupt that a domain has bound; masked or acknowledged by eoi. */
void event_send_pirq(uint32_t pirq);

/* Is the port valid and pending? For SCHEDOP_poll. */
bool event_is_pending(struct domain *domain, port_t port);
bool event_port_is_valid(struct domain *domain, port_t port);

/* Sets upcall pending in the vcpu's info and kicks it. */
void event_upcall(struct vcpu *vcpu);

/* A new vcpu_info was registered: everything pending must be seen there (vcpu is current or paused). */
void event_info_moved(struct vcpu *vcpu);
