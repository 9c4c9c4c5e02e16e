/* SPDX-License-Identifier: MIT */
#include "skinkd/watch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/fault.h"
#include "lib/health.h"
#include "lib/line.h"
#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/watch_ring.h"

#define WHOLE_PART	32		/* of the device's time: so often all rings are looked at ... */
#define WHOLE_MIN_NS	5000000UL
#define WHOLE_MAX_NS	250000000UL	/* ... within these bounds */
#define AGAIN_US	20000UL		/* if the core says nothing */

struct watch {
	struct health health;
	bool is_begun, is_doubted;
	domid_t served_id;		/* who has said that it serves; 0: nobody */
	uint32_t generation;		/* of the monitor's, since when `health` looks */
	uint64_t heartbeat, whole_ns;
	uint64_t resetting_ns;		/* since when its device has not acknowledged; 0: it has */
	uint32_t silences;		/* verdicts, since something was answered ... */
	uint64_t silent_answered;	/* ... which was this then */
	bool has_news;			/* for the loop: its device stays silent */
	bool is_to_look;		/* for the loop: the driver is to look at all rings */
	char standing[WATCH_RING_NAME + 16];	/* for the loop: the ring that stands still after a reset too; "": none */
	bool was_looked_at, was_busy;	/* for watch_was_idle() */
	struct watch_ring *rings;	/* WA2 */
	const volatile struct fault_page *page;		/* of who injects into it now; NULL */
	uint32_t steps;			/* of his, as they were last seen */
	bool was_held;			/* he, or a pause, has just ended */
	bool is_paused;			/* not by the monitor: watch_pause() */
};

static uv_async_t news;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- what it may not write: the ledger and the status are its own, so this is proof (WA1) ---- */

static const char *status_fault(const struct driver *driver, struct watch *watch, uint64_t heartbeat)
{
	const volatile struct driver_status *status = driver->status;

	if (status->magic != DRIVER_STATUS_MAGIC || status->version != DRIVER_VERSION || status->state > DRIVER_FAILED)
		return "its status has no header any more";
	if (heartbeat < watch->heartbeat)
		return "its heartbeat runs backwards";
	watch->heartbeat = heartbeat;
	return NULL;
}

/* ---- all rings ---- */

/* A ledger that was damaged in a life before is the successor's to find, and to refuse. */
static bool is_taken(const struct monitor *monitor, const struct watch_ring *ring)
{
	return ring->status->answer == DRIVER_ATTACHED && monitor->driver->status->taken_ns;
}

/* False: a fault was found, and what followed it has been done. */
static bool look_at_rings(struct monitor *monitor, struct health_look *look)
{
	struct watch *watch = monitor->watch;
	const char *fault = status_fault(monitor->driver, watch, look->heartbeat);

	look->is_whole = watch->was_looked_at = true;
	watch->was_busy |= look->is_held || look->is_resetting;
	if (fault)
		monitor_fault(monitor->driver, FAULT_PROTOCOL, "%s", fault);
	for (struct watch_ring *ring = watch->rings; ring && !fault; ring = ring->next) {
		fault = ledger_check(ring->ledger, &ring->place, &ring->seen);
		if (fault && !is_taken(monitor, ring))
			fault = NULL;
		else if (fault)
			monitor_fault(monitor->driver, FAULT_PROTOCOL, "%s, ring %u: %s", ring->name, ring->place.ring, fault);
		look->answered += ring->seen.commit;
		look->waiting += watch_ring_is_limited(ring) ? 0 : watch_ring_waiting(ring);
		watch->was_busy |= watch_ring_waiting(ring) != 0;
	}
	return !fault;
}

/* ---- one look ---- */

static struct health_setting setting_of(const struct monitor *monitor)
{
	const struct driver_table *table = monitor->driver->table;

	return (struct health_setting){ monitor->hang_us * 1000, table->heartbeat_ns, table->device_ns };
}

/* It waits awake for its device: a successor, or for a card that lost its link. Not longer than a device may take. */
static bool is_resetting(struct monitor *monitor, uint64_t now)
{
	const volatile struct driver_status *status = monitor->driver->status;
	struct watch *watch = monitor->watch;

	if (!status->awaits_device) {
		watch->resetting_ns = 0;
		return false;
	}
	if (!watch->resetting_ns)
		watch->resetting_ns = now;
	return now - watch->resetting_ns < monitor->driver->table->device_ns;
}

/* Now, or since the last look. Asked for behind its CPU time, so that this has none that he took. */
static bool is_held(struct watch *watch)
{
	uint32_t steps = watch->page ? watch->page->steps : 0;
	bool is_held = watch->was_held || watch->is_paused || steps % 2 || steps != watch->steps;

	watch->was_held = false;
	watch->steps = steps;
	return is_held;
}

/* ---- rings that stand still while others go on ---- */

/* WA3. False: the driver is reset. */
static bool ring_stands(struct monitor *monitor, struct watch_ring *ring)
{
	struct watch *watch = monitor->watch;

	ring->stood = ring->stood && ring->stood_at == ring->seen.published ? ring->stood + 1 : 1;
	ring->stood_at = ring->seen.published;
	ring->standstill.is_known = false;
	if (ring->stood == 1) {
		monitor_fault(monitor->driver, FAULT_DEVICE, "%s, ring %u: request 0x%x has no answer after %g s of the clock, and other rings' have",
			      ring->name, ring->place.ring, ring->seen.published, (double)watch->health.setting.device_ns / 1e9);
		watch->is_begun = false;
		return false;
	}
	if (ring->stood == 2) {
		snprintf(watch->standing, sizeof(watch->standing), "%s, ring %u", ring->name, ring->place.ring);
		uv_async_send(&news);
	}
	return true;
}

/* False: one stands still, and what followed has been done. */
static bool judge_rings(struct monitor *monitor, const struct health_look *look)
{
	struct watch *watch = monitor->watch;
	uint32_t changed = monitor->driver->table->changed;

	for (struct watch_ring *ring = watch->rings; ring; ring = ring->next) {
		enum standstill_verdict verdict = watch_ring_judge(ring, &watch->health, look->answered, changed);

		if (verdict == RING_STANDS && !ring_stands(monitor, ring))
			return false;
		if (verdict == RING_ASK) {
			watch->is_to_look = true;
			uv_async_send(&news);
		}
	}
	return true;
}

static bool see(struct monitor *monitor, struct line *line, struct health_look *look)
{
	look->is_close = monitor->watch->is_doubted;
	if (look->is_close && line_pause(line, monitor->id, true))
		look->is_close = false;
	look->heartbeat = __atomic_load_n(&monitor->driver->status->heartbeat, __ATOMIC_RELAXED);
	look->rested = __atomic_load_n(&monitor->driver->status->rested, __ATOMIC_RELAXED);
	look->now_ns = now_ns();
	if (line_vcpu(line, monitor->id, &look->cpu_ns, &look->is_blocked))
		look->now_ns = 0;
	if (look->is_close)
		line_pause(line, monitor->id, false);
	look->is_resetting = is_resetting(monitor, look->now_ns);
	look->is_held = is_held(monitor->watch);
	return look->now_ns;
}

static void begin(struct monitor *monitor, const struct health_look *look)
{
	struct watch *watch = monitor->watch;
	struct health_setting setting = setting_of(monitor);

	health_begin(&watch->health, &setting, look);
	watch->is_begun = true;
	watch->is_doubted = false;
	watch->generation = monitor->generation;
	watch->heartbeat = look->heartbeat;
	for (struct watch_ring *ring = watch->rings; ring; ring = ring->next)
		ring->seen.is_known = ring->standstill.is_known = false;
}

/* WA3 */
static void is_silent(struct monitor *monitor, uint64_t answered)
{
	struct watch *watch = monitor->watch;

	watch->silences = watch->silent_answered == answered ? watch->silences + 1 : 1;
	watch->silent_answered = answered;
	if (watch->silences == 1)
		monitor_fault(monitor->driver, FAULT_DEVICE, "there were requests, and in %g s of the clock nothing was answered: its device is "
			      "silent", (double)watch->health.setting.device_ns / 1e9);
	else if (watch->silences == 2) {
		watch->has_news = true;
		uv_async_send(&news);
	}
	watch->is_begun = false;
}

static void obey(struct monitor *monitor, enum health_verdict verdict, const struct health_look *look)
{
	const struct health_setting *setting = &monitor->watch->health.setting;

	monitor->watch->is_doubted = verdict == HEALTH_DOUBT;
	monitor->deadline_us = verdict == HEALTH_HANG ? monitor->watch->health.passed_ns / 1000 : monitor->look_us;
	if (verdict == HEALTH_HANG)
		monitor_fault(monitor->driver, FAULT_HANG, "no sign of life in %g ms of its own CPU time", (double)setting->hang_ns / 1e6);
	else if (verdict == HEALTH_LIVELOCK)
		monitor_fault(monitor->driver, FAULT_HANG, "its loop goes round and never rests, and in more than %g ms of its own CPU time it has "
			      "answered none of the requests that wait (%u)", (double)setting->hang_ns / 1e6, look->waiting);
	else if (verdict == HEALTH_MUTE)
		monitor_fault(monitor->driver, FAULT_HEARTBEAT, "it sleeps, and has missed more than two signs of life that it owes every %g ms",
			      (double)setting->heartbeat_ns / 1e6);
	else if (verdict == HEALTH_SILENT)
		is_silent(monitor, look->answered);
}

static uint64_t whole_every_ns(const struct watch *watch)
{
	uint64_t every = watch->health.setting.device_ns / WHOLE_PART;

	return every < WHOLE_MIN_NS ? WHOLE_MIN_NS : every > WHOLE_MAX_NS ? WHOLE_MAX_NS : every;
}

/* Since then it owes what a driver owes, whatever its status says of it. */
static bool has_served(struct monitor *monitor)
{
	if (monitor->driver->state == DRIVER_SERVING)
		monitor->watch->served_id = monitor->id;
	return monitor->watch->served_id == monitor->id;
}

static bool has_other_settings(struct monitor *monitor)
{
	struct health_setting now = setting_of(monitor), *then = &monitor->watch->health.setting;

	return now.hang_ns != then->hang_ns || now.heartbeat_ns != then->heartbeat_ns || now.device_ns != then->device_ns;
}

static uint64_t look_at(struct monitor *monitor, struct line *line, uint64_t now_us)
{
	struct watch *watch = monitor->watch;
	struct health_look look = { 0 };
	enum health_verdict verdict;

	if (!watch || !has_served(monitor) || !see(monitor, line, &look))
		return now_us + AGAIN_US;
	monitor->look_count++;
	if (!watch->is_begun || watch->generation != monitor->generation || has_other_settings(monitor))
		begin(monitor, &look);
	if (look.now_ns >= watch->whole_ns || health_wants_rings(&watch->health, &look)) {
		watch->whole_ns = look.now_ns + whole_every_ns(watch);
		if (!look_at_rings(monitor, &look))
			return now_us;
	}
	verdict = health_judge(&watch->health, &look);
	obey(monitor, verdict, &look);
	if (verdict <= HEALTH_DOUBT && look.is_whole && !judge_rings(monitor, &look))	/* one fault is one reset */
		return now_us;
	return watch->is_begun ? watch->health.next_ns / 1000 : now_us;
}

/* ---- the loop's side ---- */

void watch_add(struct monitor *monitor)
{
	monitor->watch = need_memory(calloc(1, sizeof(*monitor->watch)));
}

void watch_take(struct attachment *attachment)
{
	const struct driver_attachment *record = &attachment->driver->table->attachment[attachment->slot];
	struct watch *watch = attachment->driver->monitor->watch;
	int sides = attachment->kind == ATTACH_VIF ? 2 : 1;

	if (attachment->watched == attachment->serial)
		return;
	watch_drop(attachment);
	for (uint32_t i = 0; i < record->queue_count && i < DRIVER_QUEUES_MAX; i++)
		for (int side = 0; side < sides; side++) {
			struct watch_ring *ring = watch_ring_new(attachment, i, side);

			monitor_lock();
			ring->next = watch->rings;
			watch->rings = ring;
			monitor_unlock();
		}
	attachment->watched = attachment->serial;
}

void watch_drop(struct attachment *attachment)
{
	struct watch *watch = attachment->watched ? attachment->driver->monitor->watch : NULL;
	struct watch_ring **at = watch ? &watch->rings : NULL, *ring;

	while (at && (ring = *at)) {
		if (ring->of != attachment) {
			at = &ring->next;
			continue;
		}
		monitor_lock();
		*at = ring->next;
		monitor_unlock();
		watch_ring_free(ring);
	}
	attachment->watched = 0;
}

void watch_free(struct monitor *monitor)
{
	free(monitor->watch);
	monitor->watch = NULL;
}

void watch_held_by(struct monitor *monitor, const volatile struct fault_page *page)
{
	monitor_lock();
	monitor->watch->page = page;
	monitor->watch->steps = page->steps;
	monitor_unlock();
}

void watch_held_end(struct monitor *monitor, const volatile struct fault_page *page)
{
	monitor_lock();
	if (monitor->watch->page == page) {
		monitor->watch->page = NULL;
		monitor->watch->steps = 0;
		monitor->watch->was_held = true;
	}
	monitor_unlock();
}

void watch_pause(struct monitor *monitor, bool is_on)
{
	monitor_lock();
	monitor->watch->was_held |= monitor->watch->is_paused && !is_on;
	monitor->watch->is_paused = is_on;
	monitor_unlock();
}

uint64_t watch_answered(struct monitor *monitor)
{
	uint64_t answered;

	monitor_lock();
	answered = monitor->watch->health.answered;
	monitor_unlock();
	return answered;
}

bool watch_was_idle(struct monitor *monitor)
{
	struct watch *watch = monitor->watch;
	bool was_idle;

	monitor_lock();
	was_idle = watch->was_looked_at && !watch->was_busy;
	watch->was_looked_at = watch->was_busy = false;
	monitor_unlock();
	return was_idle;
}

static void tell_silence(const struct domain *domain, const char *what)
{
	event("silent", domain->manifest->name, domain->id, "%s, and a reset did not mend it: the driver is left alone. Look at the device ('skink info'), "
	      "or write 'skink restart %s'", what, domain->manifest->name);
}

static void tell(struct domain *domain, struct watch *watch)
{
	char what[sizeof(watch->standing) + 32] = "";
	bool is_silent, is_to_look;

	monitor_lock();
	is_silent = watch->has_news;
	is_to_look = watch->is_to_look;
	if (watch->standing[0])
		snprintf(what, sizeof(what), "%s gets no answer any more", watch->standing);
	watch->has_news = watch->is_to_look = false;
	watch->standing[0] = '\0';
	monitor_unlock();
	if (is_to_look && domain->driver)
		driver_tell(domain->driver);
	if (is_silent)
		tell_silence(domain, "its device answers nothing");
	if (what[0])
		tell_silence(domain, what);
}

static void tell_all(uv_async_t *async)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->monitor && domain->monitor->watch)
			tell(domain, domain->monitor->watch);
}

void watch_open(void)
{
	uv_async_init(host.loop, &news, tell_all);
	monitor_looks(look_at);
}
