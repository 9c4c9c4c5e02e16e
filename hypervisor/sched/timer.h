/* SPDX-License-Identifier: MIT */
/*
 * Deadlines: each CPU keeps a heap of them and programs its timer for the first. A handler runs on the CPU
 * that set the timer, from the exit path, with no lock held; it may set its timer again.
 */
#pragma once

#define TIMER_NEVER UINT64_MAX

struct timer {
	void (*handler)(void *data);	/* set by timer_init */
	void *data;
	uint32_t firing;		/* handlers that run just now; atomic */
	uint64_t deadline_ns;		/* below: the lock of the heap that `cpu` names */
	uint32_t cpu;			/* where it was set last */
	struct timer *left, *right;	/* those below it */
	struct timer **link;		/* what points here: the root, a `left` or a `right`; NULL: not set */
};

void timer_init_cpu(uint32_t cpu);	/* each CPU, before any timer is set there */
void timer_init(struct timer *timer, void (*handler)(void *data), void *data);

static inline bool timer_is_set(const struct timer *timer) { return read_once(&timer->link) != NULL; }

/* Sets or moves the deadline (time_now_ns() scale), for this CPU; one that is past fires at once, TIMER_NEVER not. */
void timer_set(struct timer *timer, uint64_t deadline_ns);

/* After it returns the handler is neither running on another CPU nor will run. */
void timer_stop(struct timer *timer);

/* SOFTIRQ_TIMER: runs what is due on this CPU, programs the next. */
void timer_softirq(void);
