/* SPDX-License-Identifier: MIT */
/*
 * Drivers that die: how skinkd hears of it, what the manifest says of it, and the way back (DESIGN.md 7, 8).
 *
 *    STARTING --ready--> SERVING --death, fault--> at once, the core's or ours: SERVING again
 *                          ^  ^                +-> BACKING_OFF --pause over--> SERVING
 *                          |  |                +-> DEAD: automatic='no'
 *                          |  |                +-> HELD, CLOSED: its restarts are used up (quarantine)
 *                          |  +--- monitor_restart(), monitor_release() ---+
 *                          +-> CHANGING: another image is in it, and has not said ready (monitor_image.c); SERVING when it has
 *
 * The monitor has a thread of its own, which hears VIRQ_ARCH_7, resets and arms. The loop's thread hears of each death after it,
 * and does what takes long: events, state.json, front-ends, whoever else wants to know.
 *
 * MO1  From a fault to the resume nothing is written, nothing allocated and nobody waited for: the disk that Dom0 writes to may
 *      be the one whose driver has died.
 * MO2  Only monitor.c resets and arms.
 * MO3  Each restart is counted once, also one that the core made while there was no skinkd.
 * MO4  A driver that is held or closed does not run, and its devices reach nothing: it has been reset, and not let go.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/core.h"
#include "lib/restart.h"

struct domain;
struct driver;
struct image;
struct line;
struct watch;

enum fault_kind {
	FAULT_CRASH,			/* the core's word */
	FAULT_SHUTDOWN,			/* it has ended itself */
	FAULT_HANG,
	FAULT_HEARTBEAT,
	FAULT_DEVICE,			/* the device is silent */
	FAULT_ABUSE,			/* CPU, events, hypercalls, memory, log */
	FAULT_STORM,			/* DMA or interrupts */
	FAULT_PROTOCOL,			/* what a back-end may never do */
	FAULT_BY_HAND,			/* skink restart; does not count */
	FAULT_KINDS
};

enum monitor_state {
	MONITOR_STARTING,		/* it has not said ready */
	MONITOR_SERVING,
	MONITOR_BACKING_OFF,
	MONITOR_DEAD,
	MONITOR_HELD,
	MONITOR_CLOSED,
	MONITOR_CHANGING,		/* another image is in it, and has not said ready */
	MONITOR_STATES
};

#define MONITOR_TEXT	200
#define MONITOR_FILE	256
#define MONITOR_DEATHS	8		/* that the loop has not been told of yet */

/* One death, as it is told afterwards. */
struct monitor_death {
	enum fault_kind kind;
	enum monitor_state then;	/* what followed */
	bool is_by_core;		/* it was armed */
	bool is_late;			/* it was told before: its pause is over; or no death, but an image's beginning: */
	bool is_change;
	uint64_t pause_us;		/* BACKING_OFF */
	int result;			/* SERVING: 0, or the core's -errno: it could not be reset */
	double time;			/* seconds since 1970 */
	uint64_t noticed_ns;		/* CLOCK_MONOTONIC */
	uint64_t late_us;		/* FAULT_HANG: so long before its deadline had passed */
	struct skink_driver_info info;	/* the core's; of its registers at its death, and of the way back */
	char text[MONITOR_TEXT];	/* one line, in plain words */
	char image[MONITOR_FILE];	/* that ran; empty: its manifest's */
};

/* What is known of one driver domain, as long as its record is there (struct domain): it outlives a build. */
struct monitor {
	struct monitor *next;
	struct domain *domain;
	struct driver *driver;		/* NULL: it is not built, or somebody is destroying it */
	domid_t id;
	struct manifest_restart policy;
	uint64_t hang_us;		/* of its health */
	/* Below: under monitor_lock(). */
	enum monitor_state state;
	bool is_armed, is_paused;	/* the core's; is_paused: by us */
	uint32_t generation;		/* of the core, up to which all is counted */
	uint32_t deaths_of[FAULT_KINDS];	/* deaths by cause, since the record was made */
	uint32_t restarts;		/* resets that were made, all causes */
	bool is_unborn;			/* it died before it was ready: there is nothing to go back to, and it is built anew */
	uint64_t due_us;		/* BACKING_OFF: CLOCK_MONOTONIC */
	uint64_t again_us;		/* the last pause after a reset that failed; 0: it did not */
	uint64_t arm_us;		/* when arming is worth another look */
	uint64_t look_us;		/* when the detectors want to look again */
	uint64_t deadline_us;		/* when it passed, for FAULT_HANG: of the detectors, before they say so */
	uint64_t look_count;
	struct watch *watch;		/* the detectors' own (watch.h) */
	struct restart_history history;
	struct {
		char file[MONITOR_FILE];	/* of the image that is in it; empty: its manifest's */
		struct image *next;		/* to be loaded now */
		struct image *back;		/* what was in it before, as long as it comes back when the new one dies */
		struct image *fallback;		/* of its policy */
		bool is_missing;		/* there is none in it: a skinkd before this one was ended while it loaded one */
		bool is_fallback_tried;
		uint64_t hurry_until_us;	/* it runs before others; 0: no more than its manifest says */
		struct skink_domctl_sched sched;	/* that */
		bool is_busy;			/* the loop's own: one is being prepared */
		uint64_t until_us;		/* CHANGING: when it must be ready; SERVING: as long as there is `back` */
		struct monitor_death begun;	/* told when it is ready */
	} images;
	struct monitor_death last;	/* kind FAULT_KINDS: it has not died yet */
	struct monitor_death untold[MONITOR_DEATHS];
	uint32_t untold_count, untold_lost;
	/* The loop's own. */
	struct {
		bool is_open;		/* a successor is taking over, and has not said that it is done */
		struct monitor_death death;
		uint64_t taken_ns, answered_ns;	/* since the core's report of the death; 0: not known */
	} recovery;
};

/* ---- for detectors: from any thread ---- */

/*
 * The driver is at fault: what its manifest says follows, and is done when this returns. Once it is not serving, nothing happens.
 * Say what was seen, in plain words and in one line: it is shown as it is.
 */
void monitor_fault(struct driver *driver, enum fault_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Looks at each driver that serves, on the monitor's thread and under its lock; the answer is when to look again (CLOCK_MONOTONIC). MO1
 * holds in there. To be called before monitor_open().
 */
typedef uint64_t (*monitor_look_fn)(struct monitor *monitor, struct line *line, uint64_t now_us);
void monitor_looks(monitor_look_fn look);

/* A driver of which a detector keeps a pointer is there as long as this is held. Recursive. */
void monitor_lock(void);
void monitor_unlock(void);

/* ---- for those who write of it ---- */

/* After each death (is_late is not told here), on the loop's thread, when the driver is back or waits: post-mortems, hooks. May write, allocate, take its time. */
typedef void (*monitor_died_fn)(struct driver *driver, const struct monitor_death *death);
void monitor_died(monitor_died_fn tell);

/* The file of the image that is in it. */
const char *monitor_image(const struct domain *domain);
const char *fault_name(enum fault_kind kind);		/* "crash" */
const char *monitor_state_name(enum monitor_state state);	/* "backing-off" */
json_t *monitor_json(const struct monitor *monitor);	/* `restart` of a driver domain in list and info */

/* ---- for skinkd ---- */

bool monitor_open(void);		/* the thread; false: said why not, and drivers are only reset by hand */

/* A driver that has been built, or was there when skinkd was started. Its record gets one if it has none. */
void monitor_add(struct driver *driver);
void monitor_remove(struct driver *driver);	/* before its pages go */
void monitor_free(struct domain *domain);	/* with its record */
void monitor_policy(struct domain *domain);	/* its manifest has changed */
void monitor_fallback_forget(struct domain *domain);

/* A driver has said something: has it taken over? */
void monitor_heard(struct driver *driver);

/* 0, or *why it cannot be done. */
int monitor_restart(struct domain *domain, char why[MONITOR_TEXT]);
int monitor_release(struct domain *domain, char why[MONITOR_TEXT]);

/*
 * Another image, at once; `back` comes back if it dies within a minute. Takes both. 0, or *why it cannot be done: nothing has been taken.
 */
int monitor_change(struct domain *domain, struct image *next, struct image *back, char why[MONITOR_TEXT]);
void monitor_gave_up(struct driver *driver, const char *text);	/* it says itself that it will not serve */
bool monitor_is_changing(const struct driver *driver);

/* It is the monitor that says what follows its death: it was ready. */
bool monitor_has(const struct domain *domain);
/* A driver domain has died before. It is built anew, or stays as it is. */
void monitor_unborn(struct domain *domain, const char *text);
bool monitor_is_stopped(const struct driver *driver);	/* MO4: held or closed */
bool monitor_is_closed(const struct driver *driver);
bool monitor_backs_off(const struct driver *driver);
bool monitor_waits_for_somebody(const struct domain *domain);	/* held, closed or dead */
bool monitor_has_recovered(const struct domain *domain);	/* its last successor has taken over all rings */

/* state.json */
json_t *monitor_out(const struct domain *domain);
void monitor_in(struct domain *domain, json_t *json);
