/* SPDX-License-Identifier: MIT */
#include "skinkd/wait.h"

#include <stdlib.h>
#include <string.h>

#include "skinkd/monitor.h"

#define LOOK_MS			50
#define ANSWER_MS		10000
#define BALLOON_SLACK_KIB	256

struct wait {
	struct wait *next;
	struct wait_request request;
	uint8_t uuid[16];
	bool is_ours, is_answered;
	uint64_t began_ms, deadline_ms;
	done_fn done;
	void *context;
};

static struct wait *waits;
static uv_timer_t timer;
static bool has_timer;

enum verdict { NOT_YET, HAS_COME, NEVER };

/* The record as it is now: it may have been restarted, or be gone. */
static struct domain *record_of(const struct wait *wait)
{
	return wait->is_ours ? domain_by_uuid(wait->uuid) : NULL;
}

static bool is_down(const struct wait *wait, const struct domain *domain, bool has_info,
		    const struct xen_domctl_getdomaininfo *info)
{
	if (wait->is_ours)
		return !domain || domain->id != wait->request.target.id || domain->phase == PHASE_ENDED;
	return !has_info || info->flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown);
}

/* One that is held, closed or dead waits for somebody. */
static enum verdict judge_recovery(const struct domain *domain)
{
	if (!domain || !domain->monitor || monitor_has_recovered(domain))
		return HAS_COME;
	return monitor_waits_for_somebody(domain) ? NEVER : NOT_YET;
}

static enum verdict judge(const struct wait *wait)
{
	const struct wait_request *request = &wait->request;
	struct domain *domain = record_of(wait);
	struct xen_domctl_getdomaininfo info = { 0 };
	domid_t id = domain ? domain->id : request->target.id;
	bool has_info = id != DOMID_INVALID && !core_domain_info(&host.core, id, &info);
	bool is_there = wait->is_ours ? domain != NULL : has_info;
	uint64_t kib = info.tot_pages << (FRAME_SHIFT - 10);

	bool is_running = (!domain || domain->phase == PHASE_RUNNING) && has_info && !(info.flags & (XEN_DOMINF_paused |
			  XEN_DOMINF_shutdown | XEN_DOMINF_dying));

	switch (request->what) {
	case WAIT_GONE:
		return wait->is_ours ? (!domain || (request->target.has_id && domain->id != request->target.id) ? HAS_COME : NOT_YET) :
		       !has_info || info.flags & XEN_DOMINF_dying ? HAS_COME : NOT_YET;
	case WAIT_DOWN:
		return is_down(wait, domain, has_info, &info) ? HAS_COME : NOT_YET;
	case WAIT_REPLACED:
		return !domain ? NEVER : domain->phase == PHASE_RUNNING && domain->id != request->target.id ? HAS_COME : NOT_YET;
	case WAIT_RUNNING:
		if (!is_there)
			return NEVER;
		return is_running ? HAS_COME : NOT_YET;
	case WAIT_RECOVERED:
		if (!is_there)
			return NEVER;
		return judge_recovery(domain) != HAS_COME ? judge_recovery(domain) : is_running ? HAS_COME : NOT_YET;
	case WAIT_MEMORY:
		return !has_info ? NEVER : kib + BALLOON_SLACK_KIB >= request->value &&
		       kib <= request->value + BALLOON_SLACK_KIB ? HAS_COME : NOT_YET;
	case WAIT_VCPUS:
		return !has_info ? NEVER : info.nr_online_vcpus == request->value ? HAS_COME : NOT_YET;
	}
	return NEVER;
}

/* Has the guest taken back what was written to control/shutdown? */
static bool is_unanswered(struct wait *wait)
{
	char *value;

	if (!wait->request.needs_answer || wait->is_answered)
		return false;
	value = host.store.handle ? store_read(&host.store, wait->request.target.id, "control/shutdown") : NULL;
	wait->is_answered = !value || !*value;
	free(value);
	return !wait->is_answered && uv_now(host.loop) >= wait->began_ms + ANSWER_MS;
}

static const char *const not_yet[] = {
	[WAIT_GONE] = "is still there", [WAIT_DOWN] = "has not shut down", [WAIT_REPLACED] = "has not started again",
	[WAIT_RUNNING] = "does not run", [WAIT_RECOVERED] = "has not recovered", [WAIT_MEMORY] = "does not have that memory", [WAIT_VCPUS] = "does not have those vcpus",
};

/* True: it is over, and *result says how. */
static bool is_over(struct wait *wait, struct outcome *result)
{
	enum verdict verdict = judge(wait);
	const char *name = wait->request.target.name;

	if (verdict == HAS_COME)
		*result = outcome(0, "done");
	else if (verdict == NEVER)
		*result = outcome(CODE_FAILED, record_of(wait) ? "'%s' will not recover by itself: see the events" :
				  "'%s' has ended meanwhile: see the events", name);
	else if (is_unanswered(wait))
		*result = outcome(CODE_FAILED, "'%s' does not answer: its kernel has no driver for it, or hangs: look at its "
				  "console, or destroy it", name);
	else if (uv_now(host.loop) >= wait->deadline_ms)
		*result = outcome(CODE_TIMED_OUT, "'%s' %s after %.0f s; that may still come", name,
				  not_yet[wait->request.what], wait->request.timeout_s);
	else
		return false;
	return true;
}

static void tick(uv_timer_t *unused)
{
	wait_look();
}

void wait_look(void)
{
	struct wait *over = NULL, **at = &waits, *wait;
	struct outcome result;

	uv_update_time(host.loop);
	while ((wait = *at)) {
		if (!is_over(wait, &result)) {
			at = &wait->next;
			continue;
		}
		/* done() may look again: nothing here may be relied on after it. */
		*at = wait->next;
		over = wait;
		over->done(over->context, &result);
		free(over);
		at = &waits;
	}
	if (has_timer && !waits)
		uv_timer_stop(&timer);
}

void wait_start(const struct wait_request *request, done_fn done, void *context)
{
	struct wait *wait = need_memory(calloc(1, sizeof(*wait)));

	wait->request = *request;
	wait->is_ours = request->target.record;
	if (wait->is_ours)
		memcpy(wait->uuid, request->target.record->uuid, sizeof(wait->uuid));
	wait->request.target.record = NULL;
	uv_update_time(host.loop);
	wait->began_ms = uv_now(host.loop);
	wait->deadline_ms = wait->began_ms + (uint64_t)(request->timeout_s * 1000);
	wait->done = done;
	wait->context = context;
	wait->next = waits;
	waits = wait;
	if (!has_timer)
		uv_timer_init(host.loop, &timer);
	has_timer = true;
	uv_timer_start(&timer, tick, 1, LOOK_MS);
}
