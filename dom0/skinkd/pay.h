/* SPDX-License-Identifier: MIT */
/*
 * Whoever has driver domains, or Domain-0, work for it pays for that with its own share of the CPUs: others lose no more by it than by one
 * that computes. A guest that runs for n while others work d for it has the part n / (n + d) of its manifest's weight; so the two together
 * come to what its weight is worth. It is looked at ten times a second. Of Domain-0's time d is the part that follows from who sent events there: to the
 * store, to consoles, to back-ends of its own.
 *
 * PY1  No less than an eighth of its manifest's weight is ever left to it.
 * PY2  Nobody pays for what others send it.
 * PY3  Nothing but the core's weight changes: manifests, and what `skink info` and `skink sched` say, have the one that was asked for.
 */
#pragma once

#include <stdint.h>

#include <xen/xen.h>

struct domain;
struct skink_domctl_sched;

/* Of a guest: the loop's own. */
struct pay {
	domid_t id;			/* whose all that is; another one's: nothing is known */
	uint32_t weight;		/* the core's */
	uint64_t seen_ns, billed_ns;	/* that it had run, and others for it, at the last look; seen_ns 0: it was not looked at */
	uint64_t dom0_ns;		/* that Domain-0 has worked for it */
	uint64_t events, events_news;	/* that it has sent to Domain-0; since the last look; 0: Domain-0 was not busy */
	uint64_t own_ns, served_ns;	/* lately: half of it goes with each look */
};

void pay_open(void);

/* What the core says of a domain (NULL: none of ours), as it was asked for (PY3). */
void pay_hide(const struct domain *domain, struct skink_domctl_sched *sched);

/* Its manifest's parameters were told to the core. */
void pay_forget(struct domain *domain);
