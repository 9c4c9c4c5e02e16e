/* SPDX-License-Identifier: MIT */
#include "skinkd/monitor.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/line.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/monitor_line.h"
#include "skinkd/text.h"

#define AGAIN_US	1000UL		/* before the next try, when a reset has failed; twice as long each time */
#define AGAIN_MAX_US	4096000UL

struct monitor *monitors;

static pthread_mutex_t lock;
static struct line line;
static uint64_t chance_state;
static monitor_look_fn detectors;

/* ---- clocks and chance ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t monitor_now_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

/* Marsaglia's xorshift: nobody gains by guessing it. */
static uint32_t chance(void)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (uint32_t)(chance_state >> 16);
}

void monitor_lock(void)
{
	pthread_mutex_lock(&lock);
}

void monitor_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* ---- deaths, for the loop ---- */

void monitor_tell(struct monitor *monitor, const struct monitor_death *death)
{
	monitor->last = *death;
	text_make_utf8(monitor->last.text);		/* what was cut to fit may have lost half of a character: a driver's words, a file's name */
	if (monitor->untold_count == MONITOR_DEATHS)
		monitor->untold_lost++;
	else
		monitor->untold[monitor->untold_count++] = monitor->last;
	monitor_tell_later();
}

bool monitor_next_death(struct monitor *monitor, struct monitor_death *death)
{
	if (!monitor->untold_count)
		return false;
	*death = monitor->untold[0];
	memmove(&monitor->untold[0], &monitor->untold[1], --monitor->untold_count * sizeof(*death));
	return true;
}

/* ---- the steps ---- */

static void arm_if_due(struct monitor *monitor)
{
	bool may = restart_may_arm(&monitor->policy, &monitor->history, monitor_now_us(), &monitor->arm_us) && !monitor->images.back;

	if (may != monitor->is_armed && !line_arm(&line, monitor->id, may))
		monitor->is_armed = may;
}

/* Counted by the core: once, whatever else has paused it. -EINVAL: somebody else has taken our pause off, and the next one must count. */
void monitor_pause_it(struct monitor *monitor, bool is_on)
{
	int result = is_on == monitor->is_paused ? 0 : line_pause(&line, monitor->id, is_on);

	if (!result || (!is_on && result == -EINVAL))
		monitor->is_paused = is_on;
}

int monitor_ask(struct monitor *monitor, struct skink_driver_info *info)
{
	return line_info(&line, monitor->id, info);
}

static int reset(struct monitor *monitor, struct skink_driver_info *info)
{
	int result = line_reset(&line, monitor->id);

	if (line_info(&line, monitor->id, info))
		return result;
	if (!result)
		monitor->restarts++;
	monitor->generation = info->generation;
	monitor->is_armed = info->is_armed;
	return result;
}

/* What such a driver was at work on may have been what ended it; of all others it is only where they were (driver.md, section 7). */
static bool may_be_a_request(enum fault_kind kind)
{
	return kind == FAULT_CRASH || kind == FAULT_SHUTDOWN || kind == FAULT_HANG;
}

/* Taken back where it does not hold: the reset that it was given for may have failed. */
static void pardon(struct monitor *monitor, enum fault_kind kind)
{
	bool is_accused = may_be_a_request(kind);
	struct skink_driver_info info;

	if (monitor->driver && (is_accused || !line_info(&line, monitor->id, &info)))
		monitor->driver->table->pardoned = is_accused ? 0 : info.generation + 1;
}

/* It was reset, or cannot be. */
static void go_on(struct monitor *monitor, struct monitor_death *death)
{
	pardon(monitor, death->kind);
	death->result = reset(monitor, &death->info);
	if (death->result == -EAGAIN) {
		monitor_has_no_image(monitor);
		death->then = monitor->state;
		return;
	}
	if (death->result) {
		monitor->state = death->then = MONITOR_BACKING_OFF;
		monitor->again_us = monitor->again_us ? earlier(2 * monitor->again_us, AGAIN_MAX_US) : AGAIN_US;
		monitor->due_us = monitor_now_us() + (death->pause_us = monitor->again_us);
		return;
	}
	monitor->again_us = 0;
	monitor->state = death->then = MONITOR_SERVING;
	monitor_pause_it(monitor, false);
}

/* MO4 */
static void quarantine(struct monitor *monitor, struct monitor_death *death)
{
	monitor->state = death->then = monitor->policy.then == EXHAUSTED_QUARANTINE_CLOSE ? MONITOR_CLOSED : MONITOR_HELD;
	monitor_pause_it(monitor, true);
	pardon(monitor, death->kind);
	death->result = reset(monitor, &death->info);
}

/* RS2: one that still runs, wrongly, does not until then. */
static void back_off(struct monitor *monitor, struct monitor_death *death)
{
	monitor_pause_it(monitor, true);
	monitor->state = death->then = MONITOR_BACKING_OFF;
	monitor->due_us = monitor_now_us() + death->pause_us;
}

static void obey(struct monitor *monitor, struct monitor_death *death)
{
	uint64_t now_us = monitor_now_us();

	if (monitor_gives_way(monitor, death))
		return;
	switch (restart_judge(&monitor->policy, &monitor->history, now_us, chance(), &death->pause_us)) {
	case RESTART_AFTER:
		restart_count(&monitor->history, now_us);
		(death->pause_us ? back_off : go_on)(monitor, death);
		return;
	case RESTART_EXHAUSTED:
		if (!monitor_falls_back(monitor, death))
			quarantine(monitor, death);
		return;
	case RESTART_BY_HAND:
		monitor_pause_it(monitor, true);
		monitor->state = death->then = MONITOR_DEAD;
		return;
	}
}

struct monitor_death monitor_death_now(const struct monitor *monitor, enum fault_kind kind, const struct skink_driver_info *info)
{
	struct monitor_death death = {
		.kind = kind, .time = (double)clock_ns(CLOCK_REALTIME) / 1e9, .noticed_ns = clock_ns(CLOCK_MONOTONIC), .info = *info,
	};

	memcpy(death.image, monitor->images.file, sizeof(death.image));
	return death;
}

static enum fault_kind kind_of(const struct skink_driver_info *info)
{
	return info->cause == SKINK_CAUSE_SHUTDOWN ? FAULT_SHUTDOWN : info->cause == SKINK_CAUSE_RESET ? FAULT_BY_HAND : FAULT_CRASH;
}

static void note_core_text(struct monitor_death *death)
{
	driver_text(death->info.text, strnlen(death->info.text, sizeof(death->info.text)), death->text, sizeof(death->text));
}

/* MO3: the core has done it all, by what we had armed. */
static void count_by_core(struct monitor *monitor, const struct skink_driver_info *info)
{
	struct monitor_death death = monitor_death_now(monitor, kind_of(info), info);

	monitor->generation = info->generation;
	monitor->restarts++;
	monitor->deaths_of[death.kind]++;
	death.is_by_core = true;
	death.then = MONITOR_SERVING;
	note_core_text(&death);
	restart_count(&monitor->history, monitor_now_us());
	monitor_tell(monitor, &death);
}

static void has_died(struct monitor *monitor, const struct skink_driver_info *info)
{
	struct monitor_death death = monitor_death_now(monitor, kind_of(info), info);

	monitor->deaths_of[death.kind]++;
	note_core_text(&death);
	obey(monitor, &death);
	monitor_tell(monitor, &death);
}

void monitor_look_at(struct monitor *monitor)
{
	struct skink_driver_info info;

	if (!monitor->driver || line_info(&line, monitor->id, &info))
		return;
	if (monitor->state == MONITOR_CHANGING)
		monitor_change_look(monitor, &info);
	else if (monitor->state == MONITOR_SERVING && info.state == SKINK_DRIVER_STARTING)
		monitor_change_found(monitor);
	if (info.state == SKINK_DRIVER_STARTING)
		return;
	monitor->is_armed = info.is_armed;
	if (monitor->state == MONITOR_STARTING) {
		monitor->state = MONITOR_SERVING;
		monitor_tell_later();
	}
	if (monitor->state != MONITOR_SERVING)
		return;
	if (info.generation != monitor->generation && info.state != SKINK_DRIVER_RESETTING)
		count_by_core(monitor, &info);
	if (info.state == SKINK_DRIVER_DEAD)
		has_died(monitor, &info);
	if (monitor->state == MONITOR_SERVING)
		arm_if_due(monitor);
}

/* ---- what is due ---- */

static void back_from_pause(struct monitor *monitor)
{
	struct monitor_death death = monitor->last;

	if (monitor->is_unborn) {
		monitor_tell_later();		/* the loop builds it anew */
		monitor->due_us = UINT64_MAX;
		return;
	}
	death.pause_us = 0;
	death.is_late = true;
	go_on(monitor, &death);
	if (death.then == MONITOR_SERVING)
		arm_if_due(monitor);
	monitor_tell(monitor, &death);
}

static bool serves(const struct monitor *monitor)
{
	return monitor->state == MONITOR_SERVING && monitor->driver;
}

uint64_t monitor_do_due(struct monitor *monitor, uint64_t now_us)
{
	uint64_t images_us = monitor_images_due(monitor, now_us);

	if (detectors && serves(monitor) && monitor->look_us <= now_us)
		monitor->look_us = detectors(monitor, &line, now_us);
	if (monitor->state == MONITOR_BACKING_OFF && monitor->due_us <= now_us)
		back_from_pause(monitor);
	if (serves(monitor) && monitor->arm_us <= now_us)
		arm_if_due(monitor);
	if (monitor->state == MONITOR_BACKING_OFF)
		return earlier(monitor->due_us, images_us);
	if (!serves(monitor))
		return images_us;
	return earlier(images_us, detectors ? earlier(monitor->look_us, monitor->arm_us) : monitor->arm_us);
}

void monitor_looks(monitor_look_fn look)
{
	detectors = look;
}

static void open_lock(void)
{
	pthread_mutexattr_t kind;

	pthread_mutexattr_init(&kind);
	pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutexattr_setprotocol(&kind, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&lock, &kind);
	pthread_mutexattr_destroy(&kind);
}

int monitor_line_open(void)
{
	open_lock();
	if (getrandom(&chance_state, sizeof(chance_state), 0) != sizeof(chance_state))
		return -errno;
	chance_state |= 1;
	return line_open(&line) ? : monitor_images_open();
}

/* ---- from other threads ---- */

void monitor_dies_early(struct monitor *monitor, const char *text)
{
	const struct skink_driver_info info = { 0 };
	struct monitor_death death = monitor_death_now(monitor, FAULT_CRASH, &info);
	uint64_t now_us = monitor_now_us();

	monitor_lock();
	monitor->is_unborn = true;
	monitor->deaths_of[FAULT_CRASH]++;
	snprintf(death.text, sizeof(death.text), "before it was ready%s%s", *text ? ": " : "", text);
	switch (restart_judge(&monitor->policy, &monitor->history, now_us, chance(), &death.pause_us)) {
	case RESTART_AFTER:
		restart_count(&monitor->history, now_us);
		death.then = MONITOR_BACKING_OFF;
		monitor->due_us = now_us + death.pause_us;
		break;
	case RESTART_EXHAUSTED:
		death.then = MONITOR_CLOSED;
		break;
	case RESTART_BY_HAND:
		death.then = MONITOR_DEAD;
		break;
	}
	monitor->state = death.then;
	monitor_tell(monitor, &death);
	monitor_unlock();
	monitor_wake();
}

int monitor_by_hand(struct monitor *monitor)
{
	struct skink_driver_info info = { 0 };
	struct monitor_death death;
	bool was_stopped;

	monitor_lock();
	was_stopped = monitor->state != MONITOR_SERVING;
	death = monitor_death_now(monitor, FAULT_BY_HAND, &info);
	snprintf(death.text, sizeof(death.text), was_stopped ? "let go" : "restarted by hand");
	monitor->deaths_of[FAULT_BY_HAND] += !was_stopped;
	if (was_stopped)
		restart_forget(&monitor->history);
	go_on(monitor, &death);
	if (monitor->state == MONITOR_SERVING)
		arm_if_due(monitor);
	monitor_tell(monitor, &death);
	monitor_unlock();
	monitor_wake();
	return death.result;
}

void monitor_fault(struct driver *driver, enum fault_kind kind, const char *format, ...)
{
	struct monitor *monitor = driver->monitor;
	struct skink_driver_info info = { 0 };
	struct monitor_death death;
	va_list arguments;

	monitor_lock();
	if (monitor->driver && monitor->state == MONITOR_SERVING) {
		death = monitor_death_now(monitor, kind, &info);
		va_start(arguments, format);
		vsnprintf(death.text, sizeof(death.text), format, arguments);
		va_end(arguments);
		if (kind == FAULT_HANG && monitor_now_us() > monitor->deadline_us)
			death.late_us = monitor_now_us() - monitor->deadline_us;
		monitor->deaths_of[kind]++;
		obey(monitor, &death);
		if (monitor->state == MONITOR_SERVING)
			arm_if_due(monitor);
		monitor_tell(monitor, &death);
	}
	monitor_unlock();
	monitor_wake();
}
