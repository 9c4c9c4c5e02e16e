/* SPDX-License-Identifier: MIT */
/* The monitor's thread: it sleeps until the core has news or something is due. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor_line.h"

#define SECOND_US	1000000UL
#define PRIORITY	10		/* of SCHED_FIFO: it works for microseconds, and then sleeps */
#define STACK_ROOM	(64UL << 10)

static xenevtchn_handle *virqs;
static int wake = -1;
static bool is_told;			/* by the core, and it has not been acknowledged */

void monitor_wake(void)
{
	const uint64_t one = 1;

	if (wake >= 0 && write(wake, &one, sizeof(one)) < 0)
		return;			/* it is awake already */
}

/* ---- the loop ---- */

/* Returns when the next is. */
static uint64_t do_what_is_due(void)
{
	uint64_t now_us = monitor_now_us(), next_us = UINT64_MAX;

	for (struct monitor *monitor = monitors; monitor; monitor = monitor->next) {
		uint64_t its_us = monitor_do_due(monitor, now_us);

		next_us = its_us < next_us ? its_us : next_us;
	}
	return next_us;
}

/* True: somebody has news. */
static bool sleep_until(uint64_t due_us)
{
	struct pollfd files[] = { { xenevtchn_fd(virqs), POLLIN, 0 }, { wake, POLLIN, 0 } };
	uint64_t now_us = monitor_now_us(), pause_us = due_us > now_us ? due_us - now_us : 0, unused;
	struct timespec pause = { (time_t)(pause_us / SECOND_US), (long)(pause_us % SECOND_US) * 1000 };

	if (ppoll(files, 2, due_us == UINT64_MAX ? NULL : &pause, NULL) <= 0)
		return false;
	if (files[1].revents && read(wake, &unused, sizeof(unused)) < 0)
		return true;
	is_told = files[0].revents;
	return true;
}

/* After the look, so that nobody waits for it: the channel is masked until then, and what came since comes again. */
static void acknowledge(void)
{
	int port = is_told ? xenevtchn_pending(virqs) : -1;

	if (port >= 0)
		xenevtchn_unmask(virqs, (evtchn_port_t)port);
	is_told = false;
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
	bool has_news = true;
	uint64_t due_us;

	touch_stack();
	for (;;) {
		monitor_lock();
		for (struct monitor *monitor = monitors; has_news && monitor; monitor = monitor->next)
			monitor_look_at(monitor);
		due_us = do_what_is_due();
		monitor_unlock();
		acknowledge();
		has_news = sleep_until(due_us);
	}
	return NULL;
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
	int result = monitor_line_open();

	if (result)
		return result;
	virqs = xenevtchn_open(NULL, 0);
	if (!virqs || xenevtchn_bind_virq(virqs, VIRQ_ARCH_7) < 0)
		return -errno;
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0)
		return -errno;
	/* MO1: what is mapped now, the program's text with it; and of what comes later as much as is used. */
	if (mlockall(MCL_CURRENT) || mlockall(MCL_FUTURE | MCL_ONFAULT))
		say("skinkd is not locked in memory: %s: a driver of Domain-0's own disk may not come back", strerror(errno));
	return 0;
}

bool monitor_open(void)
{
	int result = monitor_tell_open() ? open_all() : -ENOMEM;

	if (!result)
		result = start_thread();
	if (result)
		event("failed", NULL, 0, "the monitor cannot run: %s: drivers that die stay dead", strerror(-result));
	return !result;
}
