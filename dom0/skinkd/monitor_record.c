/* SPDX-License-Identifier: MIT */
/* The records of the monitor: they come with a domain, are shown, and are kept over a restart of skinkd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/life.h"
#include "skinkd/monitor_line.h"
#include "skinkd/watch.h"

/* ---- coming and going ---- */

static void link_in(struct monitor *monitor)
{
	monitor_lock();
	monitor->next = monitors;
	monitors = monitor;
	monitor_unlock();
}

static struct monitor *record_of(struct domain *domain)
{
	struct monitor *monitor = domain->monitor;

	if (monitor)
		return monitor;
	monitor = need_memory(calloc(1, sizeof(*monitor)));
	*monitor = (struct monitor){ .domain = domain, .id = DOMID_INVALID, .last.kind = FAULT_KINDS, .arm_us = UINT64_MAX };
	domain->monitor = monitor;
	monitor_policy(domain);
	watch_add(monitor);
	link_in(monitor);
	return monitor;
}

/* What comes when the restarts are used up; with a fall-back image, when its are too. */
void monitor_policy(struct domain *domain)
{
	struct manifest_restart policy = domain->manifest->driver.restart;

	if (!domain->monitor)
		return;
	if (policy.then == EXHAUSTED_FALLBACK)
		policy.then = domain->manifest->role == ROLE_NET ? EXHAUSTED_QUARANTINE_CLOSE : EXHAUSTED_QUARANTINE_HOLD;
	monitor_lock();
	domain->monitor->policy = policy;
	domain->monitor->hang_us = domain->manifest->driver.health.hang_us;
	domain->monitor->arm_us = 0;
	monitor_unlock();
	monitor_wake();
}

/*
 * One that is paused, and by nobody's hand, is so by a skinkd that was ended before it could say why: it is let go the way that
 * was meant for it.
 */
static bool was_stopped(const struct domain *domain)
{
	struct xen_domctl_getdomaininfo info;

	return !domain->is_paused && !domain->is_new && !core_domain_info(&host.core, domain->id, &info) && info.flags & XEN_DOMINF_paused;
}

static void take_up(struct monitor *monitor)
{
	monitor->is_paused = true;
	if (monitor->state == MONITOR_SERVING) {
		monitor->state = MONITOR_BACKING_OFF;
		monitor->due_us = 0;
	}
}

void monitor_add(struct driver *driver)
{
	struct monitor *monitor = record_of(driver->domain);
	bool is_new = driver->domain->started_ms, is_stopped = !is_new && was_stopped(driver->domain);

	driver->monitor = monitor;
	monitor_lock();
	monitor->id = driver->domain->id;
	monitor->driver = driver;
	monitor->is_paused = false;
	monitor->is_unborn = driver->domain->phase == PHASE_ENDED;
	if (is_new) {
		monitor->state = MONITOR_STARTING;
		monitor->generation = 0;
		monitor->is_armed = false;
	} else if (is_stopped) {
		take_up(monitor);
	}
	monitor_unlock();
	watch_pause(monitor, driver->domain->is_paused);
	monitor_wake();
}

void monitor_remove(struct driver *driver)
{
	struct monitor *monitor = driver->monitor;

	monitor_lock();
	monitor->driver = NULL;
	monitor_images_free(monitor);
	monitor->state = MONITOR_STARTING;
	monitor->is_unborn = false;
	monitor->recovery.is_open = false;
	monitor_unlock();
}

void monitor_free(struct domain *domain)
{
	struct monitor **at = &monitors;

	if (!domain->monitor)
		return;
	monitor_lock();
	while (*at != domain->monitor)
		at = &(*at)->next;
	*at = domain->monitor->next;
	monitor_unlock();
	monitor_images_free(domain->monitor);
	watch_free(domain->monitor);
	free(domain->monitor);
	domain->monitor = NULL;
}

/* ---- what is so ---- */

static enum monitor_state state_of(const struct monitor *monitor)
{
	return __atomic_load_n(&monitor->state, __ATOMIC_RELAXED);
}

bool monitor_has(const struct domain *domain)
{
	return domain->monitor && domain->monitor->driver && state_of(domain->monitor) != MONITOR_STARTING;
}

bool monitor_is_stopped(const struct driver *driver)
{
	enum monitor_state state = state_of(driver->monitor);

	return state == MONITOR_HELD || state == MONITOR_CLOSED;
}

bool monitor_waits_for_somebody(const struct domain *domain)
{
	enum monitor_state state = state_of(domain->monitor);

	return state == MONITOR_HELD || state == MONITOR_CLOSED || state == MONITOR_DEAD;
}

bool monitor_is_changing(const struct driver *driver)
{
	return state_of(driver->monitor) == MONITOR_CHANGING;
}

bool monitor_backs_off(const struct driver *driver)
{
	return state_of(driver->monitor) == MONITOR_BACKING_OFF;
}

bool monitor_is_closed(const struct driver *driver)
{
	return state_of(driver->monitor) == MONITOR_CLOSED;
}

const char *monitor_image(const struct domain *domain)
{
	const char *file = domain->monitor ? domain->monitor->images.file : "";

	return *file ? file : driver_image(domain->manifest);
}

/* ---- what is asked ---- */

static int begin_again(struct monitor *monitor, char why[MONITOR_TEXT])
{
	int result = monitor_by_hand(monitor);

	if (result)
		snprintf(why, MONITOR_TEXT, "the core does not reset it: %s: see 'skink dmesg'", strerror(-result));
	return result;
}

int monitor_restart(struct domain *domain, char why[MONITOR_TEXT])
{
	struct monitor *monitor = domain->monitor;

	if (state_of(monitor) == MONITOR_CHANGING) {
		snprintf(why, MONITOR_TEXT, "another image is beginning in it: try again when it serves");
		return -1;
	}
	if (monitor->driver && !monitor->is_unborn && state_of(monitor) != MONITOR_STARTING)
		return begin_again(monitor, why);
	if (monitor->is_unborn) {
		monitor_lock();
		restart_forget(&monitor->history);
		monitor_unlock();
		life_restart(domain);
		return 0;
	}
	snprintf(why, MONITOR_TEXT, domain->phase == PHASE_RUNNING ? "it has not said ready, so there is nothing to go back to: destroy it and "
		 "create it again" : "it is being built or ended: try again when it runs");
	return -1;
}

int monitor_release(struct domain *domain, char why[MONITOR_TEXT])
{
	struct monitor *monitor = domain->monitor;

	if (monitor_waits_for_somebody(domain) || monitor->is_unborn)
		return monitor_restart(domain, why);
	snprintf(why, MONITOR_TEXT, "it is %s, and neither held nor closed nor dead, and has set nothing aside: there is nothing to release",
		 monitor_state_name(state_of(monitor)));
	return -1;
}

/* ---- one that was never ready ---- */

bool monitor_is_to_be_built(const struct monitor *monitor)
{
	return monitor->is_unborn && monitor->state == MONITOR_BACKING_OFF && monitor->due_us == UINT64_MAX;
}

void monitor_unborn(struct domain *domain, const char *text)
{
	domain->phase = PHASE_ENDED;
	monitor_dies_early(domain->monitor, text);
	life_changed();
}

/* ---- what is shown ---- */

/* MO1: who allocates may wait for a disk, so nobody does with the lock held. The loop's; until the next one. */
static const struct monitor *snapshot(const struct monitor *monitor)
{
	static struct monitor copy;

	monitor_lock();
	copy = *monitor;
	monitor_unlock();
	return &copy;
}

static json_t *counts_json(const struct monitor *monitor)
{
	json_t *counts = json_object();

	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++)
		json_object_set_new(counts, fault_name(kind), json_integer(monitor->deaths_of[kind]));
	return counts;
}

static json_int_t since(uint64_t report_ns, uint64_t ns)
{
	return monitor_is_after(report_ns, ns) ? (json_int_t)(ns - report_ns) : 0;
}

/* From the core's report on; 0: it has not come that far. The last three are the successor's own word (DR1). */
static json_t *steps_json(const struct monitor *monitor)
{
	const struct skink_driver_info *info = &monitor->last.info;
	const volatile struct driver_status *status = monitor->driver ? monitor->driver->status : NULL;
	uint64_t from_ns = info->report_ns;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "begun", since(from_ns, info->begin_ns), "fenced", since(from_ns, info->fence_ns), "copied", since(from_ns, info->copy_ns),
			 "resumed", since(from_ns, info->resume_ns), "acknowledged", since(from_ns, status ? status->acknowledged_ns : 0),
			 "taken", since(from_ns, status ? status->taken_ns : 0), "answered", since(from_ns, status ? status->answered_ns : 0));
}

/* What the successor had to answer when it had taken all rings over; null: it has not come that far, or does not say (DR1). */
static json_t *found_json(const struct monitor *monitor)
{
	const volatile struct driver_status *status = monitor->driver ? monitor->driver->status : NULL;
	uint32_t found = status && since(monitor->last.info.report_ns, status->taken_ns) ? status->found : 0;

	return found ? json_integer(found - 1) : json_null();
}

static json_t *last_json(const struct monitor *monitor)
{
	const struct monitor_death *last = &monitor->last;

	if (last->kind == FAULT_KINDS)
		return json_null();
	return json_pack("{s:s, s:s, s:f, s:b, s:s, s:I, s:I, s:I, s:i, s:o, s:o}", "cause", fault_name(last->kind), "text", last->text, "time", last->time,
			 "by_core", last->is_by_core, "then", monitor_state_name(last->then), "recovered_us",
			 (json_int_t)(monitor->recovery.taken_ns / 1000), "answered_us", (json_int_t)(monitor->recovery.answered_ns / 1000), "late_us",
			 (json_int_t)last->late_us,
			 "frames_copied", (int)last->info.frames_copied, "steps_ns", steps_json(monitor), "found", found_json(monitor));
}

json_t *monitor_json(const struct monitor *monitor)
{
	json_t *json;

	monitor = snapshot(monitor);
	json = json_pack("{s:s, s:b, s:I, s:o, s:o, s:s, s:b}", "state", monitor_state_name(monitor->state), "armed", monitor->is_armed, "restarts",
			 (json_int_t)monitor->restarts, "causes", counts_json(monitor), "last", last_json(monitor), "image", monitor->images.file,
			 "trial", monitor->images.back != NULL);
	return need_memory(json);
}

/* ---- state.json ---- */

static json_t *history_out(const struct restart_history *history)
{
	json_t *list = json_array();

	for (uint32_t i = history->count; i > 0; i--)
		json_array_append_new(list, json_integer((json_int_t)history->at_us[(history->next + RESTARTS_MAX - i) % RESTARTS_MAX]));
	return list;
}

json_t *monitor_out(const struct domain *domain)
{
	const struct monitor *monitor;
	json_t *json;

	if (!domain->monitor)
		return json_null();
	monitor = snapshot(domain->monitor);
	json = json_pack("{s:i, s:I, s:I, s:I, s:o, s:o, s:s}", "state", monitor->state, "generation", (json_int_t)monitor->generation, "restarts",
			 (json_int_t)monitor->restarts, "due", (json_int_t)monitor->due_us, "causes", counts_json(monitor), "history",
			 history_out(&monitor->history), "image", monitor->images.file);
	return need_memory(json);
}

void monitor_in(struct domain *domain, json_t *json)
{
	json_int_t generation, restarts, due;
	json_t *causes, *history, *at;
	struct monitor *monitor;
	int state;
	size_t i;

	if (json_unpack(json, "{s:i, s:I, s:I, s:I, s:o, s:o}", "state", &state, "generation", &generation, "restarts", &restarts, "due",
			&due, "causes", &causes, "history", &history) || state < 0 || state >= MONITOR_STATES)
		return;
	monitor = record_of(domain);
	/* How far its other image has come is for the core to say: monitor_look_at(). */
	monitor->state = state == MONITOR_CHANGING ? MONITOR_SERVING : (enum monitor_state)state;
	monitor->generation = (uint32_t)generation;
	monitor->restarts = (uint32_t)restarts;
	monitor->due_us = (uint64_t)due;
	for (enum fault_kind kind = 0; kind < FAULT_KINDS; kind++)
		monitor->deaths_of[kind] = (uint32_t)json_integer_value(json_object_get(causes, fault_name(kind)));
	if (json_is_string(json_object_get(json, "image")))
		snprintf(monitor->images.file, sizeof(monitor->images.file), "%s", json_string_value(json_object_get(json, "image")));
	json_array_foreach(history, i, at)
		restart_count(&monitor->history, (uint64_t)json_integer_value(at));
}
