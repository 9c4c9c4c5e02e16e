/* SPDX-License-Identifier: MIT */
/* The loop's side of the monitor: what is told, kept and shown of deaths, after they are over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/metrics.h"
#include "skinkd/monitor_line.h"
#include "skinkd/state.h"
#include "skinkd/upgrade.h"
#include "skinkd/wait.h"

#define TELL_MAX	8
#define SENSIBLE_NS	3600000000000UL	/* a driver that says it took longer says nonsense */

static uv_async_t news;
static monitor_died_fn died[TELL_MAX];
static size_t died_count;

static const char *name_of(const struct monitor *monitor)
{
	return monitor->domain->manifest->name;
}

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[FAULT_KINDS] = {
		[FAULT_CRASH] = "crash", [FAULT_SHUTDOWN] = "shutdown", [FAULT_HANG] = "hang", [FAULT_HEARTBEAT] = "heartbeat",
		[FAULT_DEVICE] = "device", [FAULT_ABUSE] = "abuse", [FAULT_STORM] = "storm", [FAULT_PROTOCOL] = "protocol",
		[FAULT_BY_HAND] = "by-hand",
	};

	return kind < FAULT_KINDS ? names[kind] : "none";
}

const char *monitor_state_name(enum monitor_state state)
{
	static const char *const names[MONITOR_STATES] = {
		[MONITOR_STARTING] = "starting", [MONITOR_SERVING] = "serving", [MONITOR_BACKING_OFF] = "backing-off",
		[MONITOR_DEAD] = "dead", [MONITOR_HELD] = "held", [MONITOR_CLOSED] = "closed", [MONITOR_CHANGING] = "changing",
	};

	return names[state];
}

void monitor_died(monitor_died_fn tell)
{
	if (died_count < TELL_MAX)
		died[died_count++] = tell;
}

/* ---- a death, told ---- */

static void say_stopped(const struct monitor *monitor, const struct monitor_death *death)
{
	const struct manifest_restart *policy = &monitor->policy;
	const char *name = name_of(monitor);

	if (death->then == MONITOR_CHANGING)
		event("changed", name, monitor->id, "the image %s takes its place", monitor->images.file);
	else if (monitor->is_unborn)
		event(monitor_state_name(death->then), name, monitor->id, "there is no image left that serves: 'skink release %s' builds it anew", name);
	else if (death->then == MONITOR_DEAD)
		event("dead", name, monitor->id, "its manifest says automatic='no': its guests wait for 'skink restart %s'", name);
	else
		event(monitor_state_name(death->then), name, monitor->id, "%u restarts within %g s are used up: %s 'skink release %s'",
		      policy->limit, (double)policy->within_us / 1e6, death->then == MONITOR_HELD ? "its guests wait for" :
		      "its guests' devices are closed until", name);
}

static void say_death(const struct monitor *monitor, const struct monitor_death *death)
{
	const char *name = name_of(monitor);
	char words[DRIVER_TEXT_BYTES + 1] = "";

	/* Its panic is a shutdown, and writes them anew. */
	if (death->kind == FAULT_SHUTDOWN && monitor->driver)
		driver_text(monitor->driver->status->text, DRIVER_TEXT_BYTES, words, sizeof(words));
	if (death->is_change)
		event("changed", name, monitor->id, "it runs %s", monitor->images.file);
	if (death->kind != FAULT_BY_HAND && !death->is_late)
		event("died", name, monitor->id, "%s: %s%s%s", fault_name(death->kind), *words ? "it said: " : death->text, words,
		      death->is_by_core ? "; the core has reset it" : "");
	if (death->result)
		event("failed", name, monitor->id, "it cannot be reset: %s", strerror(-death->result));
	if (death->then == MONITOR_BACKING_OFF && death->pause_us)
		event("waiting", name, monitor->id, "it is restarted in %g ms", (double)death->pause_us / 1e3);
	else if (death->then != MONITOR_SERVING && death->then != MONITOR_BACKING_OFF)
		say_stopped(monitor, death);
}

static void open_recovery(struct monitor *monitor, const struct monitor_death *death)
{
	monitor->recovery.is_open = death->then == MONITOR_SERVING && !death->result;
	monitor->recovery.death = *death;
	monitor->recovery.taken_ns = monitor->recovery.answered_ns = 0;
	if (monitor->recovery.is_open && monitor->driver)
		monitor_heard(monitor->driver);
}

static void tell_deaths(struct monitor *monitor)
{
	struct monitor_death death;
	bool is_there = true;

	while (is_there) {
		monitor_lock();
		is_there = monitor_next_death(monitor, &death);
		monitor_unlock();
		if (!is_there)
			break;
		say_death(monitor, &death);
		open_recovery(monitor, &death);
		for (size_t i = 0; monitor->driver && !death.is_late && i < died_count; i++)
			died[i](monitor->driver, &death);
	}
	if (monitor->untold_lost)
		event("died", name_of(monitor), monitor->id, "%u more times, faster than could be told", monitor->untold_lost);
	monitor->untold_lost = 0;
}

static void tell_all(uv_async_t *async)
{
	struct domain *next;

	for (struct domain *domain = host.domains; domain; domain = next) {
		next = domain->next;
		if (domain->monitor)
			tell_deaths(domain->monitor);
		if (domain->monitor && monitor_is_to_be_built(domain->monitor))
			life_restart(domain);
	}
	attach_look();
	upgrade_look();
	life_changed();
}

void monitor_tell_later(void)
{
	uv_async_send(&news);
}

bool monitor_tell_open(void)
{
	return !uv_async_init(host.loop, &news, tell_all);
}

/* ---- a recovery ---- */

bool monitor_is_after(uint64_t report_ns, uint64_t ns)
{
	return ns > report_ns && ns - report_ns < SENSIBLE_NS;
}

static uint64_t since(uint64_t report_ns, uint64_t ns)
{
	return monitor_is_after(report_ns, ns) ? ns - report_ns : 0;
}

/* DR1: times of the driver's own, in its status: of this life only if they are after the report of the death. */
void monitor_heard(struct driver *driver)
{
	struct monitor *monitor = driver->monitor;
	const volatile struct driver_status *status = driver->status;
	uint64_t report_ns = monitor->recovery.death.info.report_ns, taken_ns = status->taken_ns, answered_ns = status->answered_ns;

	if (!monitor->recovery.is_open || !monitor_is_after(report_ns, taken_ns))
		return;
	monitor->recovery.is_open = false;
	monitor->recovery.taken_ns = since(report_ns, taken_ns);
	monitor->recovery.answered_ns = since(report_ns, answered_ns);
	metrics_recovered(name_of(monitor), (double)monitor->recovery.taken_ns / 1e9);
	event("recovered", name_of(monitor), monitor->id, "%s: it ran again after %lu us and had all its rings after %lu us",
	      fault_name(monitor->recovery.death.kind), since(report_ns, monitor->recovery.death.info.resume_ns) / 1000,
	      monitor->recovery.taken_ns / 1000);
	wait_look();
}

bool monitor_has_recovered(const struct domain *domain)
{
	const struct monitor *monitor = domain->monitor;

	return !monitor || (monitor->driver && monitor->state == MONITOR_SERVING && !monitor->untold_count && !monitor->recovery.is_open);
}
