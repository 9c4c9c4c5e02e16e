/* SPDX-License-Identifier: MIT */
/* One ring of one front-end, as the detectors see it (watch.h). Made and freed on the loop's thread; all else is for who has monitor_lock(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../protocols/driver.h"
#include "../../protocols/ring.h"
#include "lib/health.h"
#include "lib/ledger_check.h"
#include "lib/standstill.h"

#define WATCH_RING_NAME	96

struct attachment;

struct watch_ring {
	struct watch_ring *next;
	const struct attachment *of;
	char name[WATCH_RING_NAME];	/* "xvda of web" */
	bool is_disk;
	struct driver_ledger place;	/* as Dom0 laid it out */
	const volatile struct driver_attachment *record;
	const volatile struct ledger_ring *ledger;
	const volatile struct ring_shared *shared;	/* NULL: a receive ring, or it could not be mapped */
	const volatile struct driver_attachment_status *status;
	struct ledger_seen seen;
	struct standstill standstill;
	uint32_t stood, stood_at;	/* so often at this `published`, in this life and those before */
};

/* `side`: of an interface 0 is transmit, 1 receive. */
struct watch_ring *watch_ring_new(const struct attachment *attachment, uint32_t queue, int side);
void watch_ring_free(struct watch_ring *ring);

/* HE4: what waits may have to wait. Rates change while they are used. */
bool watch_ring_is_limited(const struct watch_ring *ring);

/* Requests that wait for an answer; of one that is set aside nobody expects any. */
uint32_t watch_ring_waiting(const struct watch_ring *ring);

/* After ledger_check() of this look; `changed` is the table's. */
enum standstill_verdict watch_ring_judge(struct watch_ring *ring, const struct health *health, uint64_t answered, uint32_t changed);
