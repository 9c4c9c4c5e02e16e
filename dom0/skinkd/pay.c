/* SPDX-License-Identifier: MIT */
#include "skinkd/pay.h"

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/share.h"

#define LOOK_MS		100
#define LEAST_PART	8		/* PY1 */
#define TOO_LITTLE_NS	1000000u	/* lately, of both together: nothing follows from it */
#define DOM0_BUSY_NS	5000000u	/* in a look: less of Domain-0's time is nobody's */
#define EVENT_NS	100000u		/* of Domain-0's time, at most: what a request to the store takes */

static uv_timer_t timer;
static uint64_t dom0_seen_ns;

static bool is_guest(const struct domain *domain) { return domain->phase == PHASE_RUNNING && !domain->driver; }

static uint64_t news(uint64_t now, uint64_t *before)
{
	uint64_t more = now > *before ? now - *before : 0;

	*before = now;
	return more;
}

/* What others have worked for it by now. It is less than before when something was detached. */
static uint64_t billed_ns(const struct domain *domain)
{
	uint64_t sum = domain->pay.dom0_ns;

	for (const struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->front_id == domain->id)
			sum += attachment->share.asked_ns;
	return sum;
}

/* ---- Domain-0's time: the store, consoles, back-ends of its own ---- */

/* Those that no driver has taken went to Domain-0. */
static uint64_t events_to_dom0(const struct domain *domain)
{
	struct skink_domctl_account account = { .set = 0 };
	uint64_t sent, taken = 0;

	if (core_account(&host.core, domain->id, &account))
		return 0;
	sent = account.used[SKINK_ACCOUNT_EVENTS_SENT];
	for (const struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (attachment->front_id == domain->id)
			taken += attachment->share.events;
	return sent > taken ? sent - taken : 0;
}

/* Since the last look, at which Domain-0 was busy too: otherwise it is not known since when. */
static void count_events(struct pay *pay, uint64_t events)
{
	bool is_known = pay->events != 0;

	pay->events_news = news(events, &pay->events);
	if (!is_known)
		pay->events_news = 0;
}

/* By what each sent to it, and never more than events can cost: Domain-0 has work of its own. */
static void bill_dom0(void)
{
	struct xen_domctl_getdomaininfo info;
	uint64_t spent_ns, total = 0;
	bool is_busy;

	if (core_domain_info(&host.core, 0, &info))
		return;
	spent_ns = news(info.cpu_time, &dom0_seen_ns);
	is_busy = spent_ns >= DOM0_BUSY_NS;
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		count_events(&domain->pay, is_busy && is_guest(domain) ? events_to_dom0(domain) : 0);
		total += domain->pay.events_news;
	}
	for (struct domain *domain = host.domains; domain && total; domain = domain->next) {
		uint64_t events = domain->pay.events_news, part_ns = (uint64_t)((long double)spent_ns * events / total);

		domain->pay.dom0_ns += part_ns < events * EVENT_NS ? part_ns : events * EVENT_NS;
	}
}

/* ---- weights ---- */

static void begin(struct domain *domain)
{
	struct skink_domctl_sched sched = { .set = 0 };

	if (core_sched(&host.core, domain->id, &sched))
		return;
	domain->pay = (struct pay){ .id = domain->id, .weight = sched.weight };
	domain->pay.billed_ns = billed_ns(domain);
}

static uint32_t weight_left(const struct pay *pay, uint32_t weight)
{
	uint64_t both = pay->own_ns + pay->served_ns, least = weight / LEAST_PART ? weight / LEAST_PART : 1;
	uint64_t left = both < TOO_LITTLE_NS ? weight : (weight * pay->own_ns + both - 1) / both;

	return (uint32_t)(left > least ? left : least);		/* PY1 */
}

static void set_weight(struct domain *domain, uint32_t weight)
{
	struct skink_domctl_sched sched = { .set = 0 };

	if (weight == domain->pay.weight || core_sched(&host.core, domain->id, &sched))
		return;
	sched.set = 1;
	sched.weight = weight;
	if (!core_sched(&host.core, domain->id, &sched))
		domain->pay.weight = weight;
}

/* Of those for whom nobody works the core is not asked. */
static void look_at(struct domain *domain)
{
	struct pay *pay = &domain->pay;
	struct xen_domctl_getdomaininfo info;
	uint64_t served_ns, own_ns;
	bool is_first = !pay->seen_ns;

	served_ns = news(billed_ns(domain), &pay->billed_ns);
	if ((!served_ns && pay->weight == domain->manifest->sched.weight) || core_domain_info(&host.core, domain->id, &info)) {
		pay->seen_ns = pay->own_ns = pay->served_ns = 0;
		return;
	}
	own_ns = news(info.cpu_time, &pay->seen_ns);
	if (is_first)
		return;
	pay->own_ns = pay->own_ns / 2 + own_ns;
	pay->served_ns = pay->served_ns / 2 + served_ns;
	set_weight(domain, weight_left(pay, domain->manifest->sched.weight));
}

static void look(uv_timer_t *handle)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->driver && domain->driver->state == DRIVER_SERVING && domain->driver->monitor->state == MONITOR_SERVING)
			share_look(domain->driver);
	bill_dom0();
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		if (!is_guest(domain))
			continue;
		if (domain->pay.id != domain->id)
			begin(domain);
		else
			look_at(domain);
	}
}

void pay_open(void)
{
	uv_timer_init(host.loop, &timer);
	/* First before anybody asks: a weight that another skinkd has lowered is not what was asked for (PY3). */
	uv_timer_start(&timer, look, 0, LOOK_MS);
}

void pay_hide(const struct domain *domain, struct skink_domctl_sched *sched)
{
	if (domain && domain->pay.id == domain->id && sched->weight == domain->pay.weight)
		sched->weight = domain->manifest->sched.weight;
}

void pay_forget(struct domain *domain)
{
	domain->pay = (struct pay){ .id = 0 };
}
