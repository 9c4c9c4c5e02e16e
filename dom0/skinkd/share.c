/* SPDX-License-Identifier: MIT */
#include "skinkd/share.h"

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"

/* A frame, or a request, costs a driver what so many bytes of it do (docs/bench.md: small and large ones on the wire, and on a disk). */
#define REQUEST_BYTES 2048u

static uint64_t requests_of(const volatile uint64_t *counter)
{
	return counter[DRIVER_READS] + counter[DRIVER_WRITES] + counter[DRIVER_FLUSHES] + counter[DRIVER_DISCARDS];
}

/* What it has asked for since it was attached, by the driver's word: a hint. */
static uint64_t asked_of(const struct attachment *attachment)
{
	const volatile uint64_t *counter = attach_status(attachment)->counter;

	if (attachment->kind == ATTACH_VIF)
		return counter[DRIVER_TX_PACKETS] * REQUEST_BYTES + counter[DRIVER_TX_BYTES];
	return requests_of(counter) * REQUEST_BYTES + counter[DRIVER_READ_BYTES] + counter[DRIVER_WRITE_BYTES];
}

static uint64_t sent_to(const struct attachment *attachment)
{
	const volatile uint64_t *counter = attach_status(attachment)->counter;

	return attachment->kind == ATTACH_VIF ? counter[DRIVER_RX_PACKETS] * REQUEST_BYTES + counter[DRIVER_RX_BYTES] : 0;
}

static uint64_t occasions_of(const struct attachment *attachment)
{
	const volatile uint64_t *counter = attach_status(attachment)->counter;

	return attachment->kind == ATTACH_VIF ? counter[DRIVER_TX_PACKETS] + counter[DRIVER_RX_PACKETS] : requests_of(counter);
}

static uint64_t more(uint64_t now, uint64_t *before)
{
	uint64_t news = now > *before ? now - *before : 0;

	*before = now;
	return news;
}

/* Since the last look. A front-end that keeps the protocol has none of them: each of its events tells of a request, or of a page for a packet. */
static uint64_t events_for_nothing(struct attachment *attachment)
{
	struct attachment_share *share = &attachment->share;
	uint64_t events = more(attach_status(attachment)->counter[DRIVER_EVENTS_TAKEN], &share->events);
	uint64_t occasions = more(occasions_of(attachment), &share->occasions);

	return events > occasions ? events - occasions : 0;
}

/* What was done since the last look; its counters begin anew with a new serial. An event for nothing wakes the driver as a request does. */
static uint64_t news_of(struct attachment *attachment)
{
	struct attachment_share *share = &attachment->share;

	if (share->serial != attachment->serial)
		*share = (struct attachment_share){ .serial = attachment->serial };
	share->asked_news = more(asked_of(attachment), &share->asked) + events_for_nothing(attachment) * REQUEST_BYTES;
	share->news = share->asked_news + more(sent_to(attachment), &share->sent);
	return share->news;
}

static uint64_t part(uint64_t spent_ns, uint64_t news, long double total) { return (uint64_t)((long double)spent_ns * news / total); }

static bool is_served(const struct attachment *attachment, const struct driver *driver)
{
	return attachment->driver == driver && attachment->record != RECORD_NONE && attach_answer(attachment) == DRIVER_ATTACHED;
}

void share_look(struct driver *driver)
{
	struct xen_domctl_getdomaininfo info;
	long double total = 0;
	uint64_t spent_ns;

	if (core_domain_info(&host.core, driver->domain->id, &info))
		return;
	spent_ns = info.cpu_time > driver->cpu_ns ? info.cpu_time - driver->cpu_ns : 0;
	driver->cpu_ns = info.cpu_time;
	for (struct attachment *attachment = attachments; attachment; attachment = attachment->next)
		if (is_served(attachment, driver))
			total += news_of(attachment);
	for (struct attachment *attachment = attachments; attachment && total > 0; attachment = attachment->next)
		if (is_served(attachment, driver)) {
			attachment->share.busy_ns += part(spent_ns, attachment->share.news, total);
			attachment->share.asked_ns += part(spent_ns, attachment->share.asked_news, total);
		}
}
