/* SPDX-License-Identifier: MIT */
/*
 * Another image in a driver domain: by hand, or because the old one's restarts are used up (docs/decisions/upgrade.md). All of it has been
 * prepared in memory (upgrade.c); what is done here is a copy, and to wait until it says ready.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/monitor_line.h"

#define READY_US	10000000UL	/* a machine may be busy; an image needs some milliseconds */
#define TRIAL_US	60000000UL
#define HURRY_US	1000000UL
#define HURRY_WARP_US	1000000U

static struct core its_core;	/* the lock's */

int monitor_images_open(void)
{
	return core_open(&its_core);
}

static void drop(struct image **image)
{
	if (*image)
		image_free(*image);
	free(*image);
	*image = NULL;
}

void monitor_images_free(struct monitor *monitor)
{
	drop(&monitor->images.next);
	drop(&monitor->images.back);
	drop(&monitor->images.fallback);
	monitor->images.is_fallback_tried = monitor->images.is_missing = false;
	*monitor->images.file = 0;
}

void monitor_fallback_forget(struct domain *domain)
{
	monitor_lock();
	drop(&domain->monitor->images.fallback);
	domain->monitor->images.is_fallback_tried = false;
	monitor_unlock();
}

/* ---- the steps ---- */

static enum monitor_state after_all(const struct monitor *monitor)
{
	return monitor->policy.then == EXHAUSTED_QUARANTINE_CLOSE ? MONITOR_CLOSED : MONITOR_HELD;
}

/* Its guests wait, and it has much to do before it serves them: for that time it goes before others, Domain-0 too. */
static void hurry(struct monitor *monitor)
{
	struct skink_domctl_sched sched = { 0 };

	if (!monitor->images.hurry_until_us && !core_sched(&its_core, monitor->id, &sched)) {
		monitor->images.sched = sched;
		sched.set = 1;
		sched.weight = UINT16_MAX;
		sched.warp_us = HURRY_WARP_US;
		sched.warp_limit_us = 0;
		(void)core_sched(&its_core, monitor->id, &sched);
	}
	monitor->images.hurry_until_us = monitor_now_us() + HURRY_US;
}

/* When the next look is due for that. */
static uint64_t calm_down(struct monitor *monitor, uint64_t now_us)
{
	struct skink_domctl_sched sched = monitor->images.sched;

	if (!monitor->images.hurry_until_us)
		return UINT64_MAX;
	if (monitor->images.hurry_until_us > now_us)
		return monitor->images.hurry_until_us;
	monitor->images.hurry_until_us = 0;
	sched.set = 1;
	if (sched.weight)
		(void)core_sched(&its_core, monitor->id, &sched);
	return UINT64_MAX;
}

/* If it cannot be loaded it is never ready, and what follows is the same. */
static void load(struct monitor *monitor, struct image **image, const char *why)
{
	struct skink_driver_info info = { 0 };
	int result;

	monitor_pause_it(monitor, true);
	hurry(monitor);
	result = image_load(&its_core, monitor->id, &monitor->driver->shared, *image);
	(void)monitor_ask(monitor, &info);
	monitor->generation = info.generation;
	monitor->is_armed = false;
	monitor->state = MONITOR_CHANGING;
	monitor->images.until_us = result ? 0 : monitor_now_us() + READY_US;
	monitor->images.begun = monitor_death_now(monitor, FAULT_BY_HAND, &info);
	monitor->images.begun.is_late = monitor->images.begun.is_change = true;
	snprintf(monitor->images.begun.text, sizeof(monitor->images.begun.text), "%s", why);
	snprintf(monitor->images.file, sizeof(monitor->images.file), "%s", (*image)->file);
	drop(image);
	if (!result)
		monitor_pause_it(monitor, false);
}

/* MO4: what there is of it does not run, its devices reach nothing; there is nothing to go back to. */
static void give_up(struct monitor *monitor, struct monitor_death *death)
{
	monitor_pause_it(monitor, true);
	(void)core_renew(&its_core, monitor->id);
	monitor->is_unborn = true;
	monitor->state = death->then = after_all(monitor);
}

static void has_failed(struct monitor *monitor, const char *why)
{
	struct skink_driver_info info = { 0 };
	struct monitor_death death = monitor_death_now(monitor, FAULT_CRASH, &info);

	snprintf(death.text, sizeof(death.text), "the image %.100s %s", monitor->images.file, why);
	monitor->deaths_of[FAULT_CRASH]++;
	death.then = MONITOR_CHANGING;
	if (monitor->images.back)
		load(monitor, &monitor->images.back, "the image before it is back");
	else
		give_up(monitor, &death);
	monitor_tell(monitor, &death);
}

static void is_ready(struct monitor *monitor, const struct skink_driver_info *info)
{
	struct monitor_death *begun = &monitor->images.begun;

	monitor->generation = info->generation;
	monitor->state = begun->then = MONITOR_SERVING;
	monitor->images.until_us = monitor_now_us() + TRIAL_US;
	monitor->arm_us = monitor->look_us = 0;
	monitor->restarts++;
	monitor_tell(monitor, begun);
}

void monitor_change_found(struct monitor *monitor)
{
	struct skink_driver_info info = { 0 };

	monitor->state = MONITOR_CHANGING;
	monitor->images.until_us = monitor_now_us() + READY_US;
	monitor->images.begun = monitor_death_now(monitor, FAULT_BY_HAND, &info);
	monitor->images.begun.is_late = monitor->images.begun.is_change = true;
}

/* The loop prepares the one that was there last: upgrade_look(). */
void monitor_has_no_image(struct monitor *monitor)
{
	monitor->state = MONITOR_CHANGING;
	monitor->images.is_missing = true;
	monitor->images.until_us = UINT64_MAX;
	monitor_tell_later();
}

void monitor_change_look(struct monitor *monitor, const struct skink_driver_info *info)
{
	struct xen_domctl_getdomaininfo domain;

	if (monitor->images.next || monitor->images.is_missing)
		return;
	if (info->state != SKINK_DRIVER_STARTING)
		is_ready(monitor, info);
	else if (!core_domain_info(&its_core, monitor->id, &domain) && domain.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying))
		has_failed(monitor, "has died before it was ready");
}

static uint64_t change_due(struct monitor *monitor, uint64_t now_us)
{
	if (monitor->images.next)
		load(monitor, &monitor->images.next, "another image");
	else if (monitor->state == MONITOR_CHANGING && monitor->images.until_us <= now_us)
		has_failed(monitor, monitor->images.until_us ? "has not said ready within 10 s" : "cannot be loaded: see 'skink dmesg'");
	if (monitor->state == MONITOR_CHANGING)
		return monitor->images.until_us;
	if (!monitor->images.back)
		return UINT64_MAX;
	if (monitor->images.until_us > now_us)
		return monitor->images.until_us;
	drop(&monitor->images.back);		/* it has come to stay */
	monitor->arm_us = 0;
	monitor_tell_later();
	return UINT64_MAX;
}

uint64_t monitor_images_due(struct monitor *monitor, uint64_t now_us)
{
	uint64_t calm_us, change_us;

	if (!monitor->driver)
		return UINT64_MAX;
	calm_us = calm_down(monitor, now_us);
	change_us = change_due(monitor, now_us);
	return change_us < calm_us ? change_us : calm_us;
}

/* ---- a death ---- */

bool monitor_gives_way(struct monitor *monitor, struct monitor_death *death)
{
	if (!monitor->images.back)
		return false;
	load(monitor, &monitor->images.back, "the image before it is back");
	death->then = MONITOR_CHANGING;
	return true;
}

bool monitor_falls_back(struct monitor *monitor, struct monitor_death *death)
{
	char why[MONITOR_TEXT];

	if (!monitor->images.fallback || image_check(&monitor->images.fallback->note, monitor->driver->table, why, sizeof(why)))
		return false;
	restart_forget(&monitor->history);
	load(monitor, &monitor->images.fallback, "its policy's other image");
	death->then = MONITOR_CHANGING;
	return true;
}

/* ---- from the loop ---- */

int monitor_change(struct domain *domain, struct image *next, struct image *back, char why[MONITOR_TEXT])
{
	struct monitor *monitor = domain->monitor;
	bool may;

	monitor_lock();
	may = monitor->driver && (monitor->state == MONITOR_SERVING || monitor->images.is_missing) && !domain->is_paused;
	if (may) {
		drop(&monitor->images.back);
		monitor->images.is_missing = false;
		monitor->images.next = next;
		monitor->images.back = back;
		monitor->images.until_us = UINT64_MAX;
		monitor->state = MONITOR_CHANGING;
	}
	monitor_unlock();
	if (may)
		monitor_wake();
	else
		snprintf(why, MONITOR_TEXT, "it does not serve now: see 'skink info'");
	return may ? 0 : -1;
}

void monitor_gave_up(struct driver *driver, const char *text)
{
	struct monitor *monitor = driver->monitor;
	char why[MONITOR_TEXT];

	monitor_lock();
	if (monitor->driver && monitor->state == MONITOR_CHANGING && !monitor->images.next) {
		snprintf(why, sizeof(why), "gives up: %.120s", text);
		has_failed(monitor, why);
	}
	monitor_unlock();
	monitor_wake();
}
