/* SPDX-License-Identifier: MIT */
#include "skinkd/monitor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "lib/line.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor_line.h"

#define SECOND_US	1000000UL
#define LOOKS_MAX	8
#define PRIORITY	10		/* of SCHED_FIFO: it works for microseconds, and then sleeps */
#define STACK_ROOM	(64UL << 10)
#define AGAIN_US	1000UL		/* before the next try, when a reset has failed */

struct monitor *monitors;

static pthread_mutex_t lock;
static struct line line;
static xenevtchn_handle *virqs;
static int wake = -1;
static uint64_t chance_state;

static struct {
	uint64_t every_us, due_us;
	monitor_look_fn look;
} looks[LOOKS_MAX];
static size_t look_count;

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

void monitor_wake(void)
{
	const uint64_t one = 1;

	if (wake >= 0 && write(wake, &one, sizeof(one)) < 0)
		return;			/* it is awake already */
}

/* ---- deaths, for the loop ---- */

static void tell(struct monitor *monitor, const struct monitor_death *death)
{
	monitor->last = *death;
	if (monitor->untold_count == MONITOR_DEATHS)
		monitor->untold_lost++;
	else
		monitor->untold[monitor->untold_count++] = *death;
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
	bool may = restart_may_arm(&monitor->policy, &monitor->history, monitor_now_us(), &monitor->arm_us);

	if (may != monitor->is_armed && !line_arm(&line, monitor->id, may))
		monitor->is_armed = may;
}

/* Counted by the core: once, whatever else has paused it. */
static void pause_it(struct monitor *monitor, bool is_on)
{
	if (is_on != monitor->is_paused && !line_pause(&line, monitor->id, is_on))
		monitor->is_paused = is_on;
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

/* It was reset, or cannot be. */
static void go_on(struct monitor *monitor, struct monitor_death *death)
{
	death->result = reset(monitor, &death->info);
	if (death->result) {
		monitor->state = death->then = MONITOR_BACKING_OFF;
		monitor->due_us = monitor_now_us() + (death->pause_us = AGAIN_US);
		return;
	}
	monitor->state = death->then = MONITOR_SERVING;
	pause_it(monitor, false);
}

/* MO4 */
static void quarantine(struct monitor *monitor, struct monitor_death *death)
{
	monitor->state = death->then = monitor->policy.then == EXHAUSTED_QUARANTINE_CLOSE ? MONITOR_CLOSED : MONITOR_HELD;
	pause_it(monitor, true);
	death->result = reset(monitor, &death->info);
}

/* RS2: one that still runs, wrongly, does not until then. */
static void back_off(struct monitor *monitor, struct monitor_death *death)
{
	pause_it(monitor, true);
	monitor->state = death->then = MONITOR_BACKING_OFF;
	monitor->due_us = monitor_now_us() + death->pause_us;
}

static void obey(struct monitor *monitor, struct monitor_death *death)
{
	uint64_t now_us = monitor_now_us();

	switch (restart_judge(&monitor->policy, &monitor->history, now_us, chance(), &death->pause_us)) {
	case RESTART_AFTER:
		restart_count(&monitor->history, now_us);
		(death->pause_us ? back_off : go_on)(monitor, death);
		return;
	case RESTART_EXHAUSTED:
		quarantine(monitor, death);
		return;
	case RESTART_BY_HAND:
		pause_it(monitor, true);
		monitor->state = death->then = MONITOR_DEAD;
		return;
	}
}

static struct monitor_death death_now(enum fault_kind kind, const struct skink_driver_info *info)
{
	return (struct monitor_death){
		.kind = kind, .time = (double)clock_ns(CLOCK_REALTIME) / 1e9, .noticed_ns = clock_ns(CLOCK_MONOTONIC), .info = *info,
	};
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
	struct monitor_death death = death_now(kind_of(info), info);

	monitor->generation = info->generation;
	monitor->restarts++;
	monitor->deaths_of[death.kind]++;
	death.is_by_core = true;
	death.then = MONITOR_SERVING;
	note_core_text(&death);
	restart_count(&monitor->history, monitor_now_us());
	tell(monitor, &death);
}

static void has_died(struct monitor *monitor, const struct skink_driver_info *info)
{
	struct monitor_death death = death_now(kind_of(info), info);

	monitor->deaths_of[death.kind]++;
	note_core_text(&death);
	obey(monitor, &death);
	tell(monitor, &death);
}

/* Something has changed in some driver: what is it in this one? */
static void look_at(struct monitor *monitor)
{
	struct skink_driver_info info;

	if (!monitor->driver || line_info(&line, monitor->id, &info) || info.state == SKINK_DRIVER_STARTING)
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

/* ---- the thread ---- */

static void back_from_pause(struct monitor *monitor)
{
	struct monitor_death death = monitor->last;

	if (monitor->is_unborn) {
		monitor_tell_later();		/* the loop builds it anew */
		monitor->due_us = UINT64_MAX;
		return;
	}
	death.pause_us = 0;
	go_on(monitor, &death);
	if (death.then == MONITOR_SERVING)
		arm_if_due(monitor);
	tell(monitor, &death);
}

/* When the next of these is due. */
static uint64_t do_what_is_due(void)
{
	uint64_t now_us = monitor_now_us(), next_us = UINT64_MAX;

	for (size_t i = 0; i < look_count; i++) {
		if (looks[i].due_us <= now_us) {
			looks[i].due_us = now_us + looks[i].every_us;
			for (struct monitor *monitor = monitors; monitor; monitor = monitor->next)
				if (monitor->driver && monitor->state == MONITOR_SERVING)
					looks[i].look(monitor, now_us);
		}
		next_us = looks[i].due_us < next_us ? looks[i].due_us : next_us;
	}
	for (struct monitor *monitor = monitors; monitor; monitor = monitor->next) {
		if (monitor->state == MONITOR_BACKING_OFF && monitor->due_us <= now_us)
			back_from_pause(monitor);
		if (monitor->state == MONITOR_SERVING && monitor->driver && monitor->arm_us <= now_us)
			arm_if_due(monitor);
		if (monitor->state == MONITOR_BACKING_OFF && monitor->due_us < next_us)
			next_us = monitor->due_us;
		if (monitor->state == MONITOR_SERVING && monitor->driver && monitor->arm_us < next_us)
			next_us = monitor->arm_us;
	}
	return next_us;
}

static void sleep_until(uint64_t due_us)
{
	struct pollfd files[] = { { xenevtchn_fd(virqs), POLLIN, 0 }, { wake, POLLIN, 0 } };
	uint64_t now_us = monitor_now_us(), pause_us = due_us > now_us ? due_us - now_us : 0, unused;
	struct timespec pause = { (time_t)(pause_us / SECOND_US), (long)(pause_us % SECOND_US) * 1000 };
	int port;

	if (ppoll(files, 2, due_us == UINT64_MAX ? NULL : &pause, NULL) <= 0)
		return;
	if (files[1].revents && read(wake, &unused, sizeof(unused)) < 0)
		return;
	if (files[0].revents) {
		port = xenevtchn_pending(virqs);
		if (port >= 0)
			xenevtchn_unmask(virqs, (evtchn_port_t)port);	/* first: what comes now comes again */
	}
}

/* MO1: the stack's pages are there before they are needed. */
static void touch_stack(void)
{
	volatile char room[STACK_ROOM];

	for (size_t i = 0; i < sizeof(room); i += FRAME_BYTES)
		room[i] = 0;
}

static void *run(void *unused)
{
	uint64_t due_us;

	touch_stack();
	for (;;) {
		monitor_lock();
		for (struct monitor *monitor = monitors; monitor; monitor = monitor->next)
			look_at(monitor);
		due_us = do_what_is_due();
		monitor_unlock();
		sleep_until(due_us);
	}
	return NULL;
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

static int start_thread(void)
{
	const struct sched_param urgent = { .sched_priority = PRIORITY };
	pthread_t thread;
	int result = pthread_create(&thread, NULL, run, NULL);

	if (!result && pthread_setschedparam(thread, SCHED_FIFO, &urgent))
		say("the monitor's thread is not more urgent than others: %s", strerror(errno));
	return -result;
}

static int open_all(void)
{
	int result = line_open(&line);

	if (result)
		return result;
	virqs = xenevtchn_open(NULL, 0);
	if (!virqs || xenevtchn_bind_virq(virqs, VIRQ_ARCH_7) < 0)
		return -errno;
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0 || getrandom(&chance_state, sizeof(chance_state), 0) != sizeof(chance_state))
		return -errno;
	chance_state |= 1;
	/* MO1: what is mapped now, the program's text with it; and of what comes later as much as is used. */
	if (mlockall(MCL_CURRENT) || mlockall(MCL_FUTURE | MCL_ONFAULT))
		say("skinkd is not locked in memory: %s: a driver of Domain-0's own disk may not come back", strerror(errno));
	return 0;
}

bool monitor_open(void)
{
	int result;

	open_lock();
	result = monitor_tell_open() ? open_all() : -ENOMEM;
	if (!result)
		result = start_thread();
	if (result)
		event("failed", NULL, 0, "the monitor cannot run: %s: drivers that die stay dead", strerror(-result));
	return !result;
}

/* ---- from other threads ---- */

void monitor_look_every(uint64_t every_us, monitor_look_fn look)
{
	if (look_count < LOOKS_MAX) {
		looks[look_count].every_us = every_us;
		looks[look_count++].look = look;
	}
}

void monitor_dies_early(struct monitor *monitor, const char *text)
{
	const struct skink_driver_info info = { 0 };
	struct monitor_death death = death_now(FAULT_CRASH, &info);
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
	tell(monitor, &death);
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
	death = death_now(FAULT_BY_HAND, &info);
	snprintf(death.text, sizeof(death.text), was_stopped ? "let go" : "restarted by hand");
	monitor->deaths_of[FAULT_BY_HAND] += !was_stopped;
	if (was_stopped)
		restart_forget(&monitor->history);
	go_on(monitor, &death);
	if (monitor->state == MONITOR_SERVING)
		arm_if_due(monitor);
	tell(monitor, &death);
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
		death = death_now(kind, &info);
		va_start(arguments, format);
		vsnprintf(death.text, sizeof(death.text), format, arguments);
		va_end(arguments);
		monitor->deaths_of[kind]++;
		obey(monitor, &death);
		if (monitor->state == MONITOR_SERVING)
			arm_if_due(monitor);
		tell(monitor, &death);
	}
	monitor_unlock();
	monitor_wake();
}
