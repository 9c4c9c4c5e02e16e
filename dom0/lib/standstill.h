/* SPDX-License-Identifier: MIT */
/*
 * Whether one ring stands still while others of the same driver go on: arithmetic alone, as lib/health.h. Answers of a ring come in order, so
 * a command that the device never ends, or a flag of the driver's that is never cleared, keeps one guest waiting for ever.
 *
 *   nothing published, requests wait --a quarter of the device's time--> RING_ASK --a whole one--> RING_STANDS
 *
 * ST1  A front-end cannot provoke it. What its page says only leads to a question; then the driver has to say what it saw in the ring (ledger.md,
 *      section 8), and unless it saw that nothing waits, or answers, it is the driver, or its device, that owes.
 * ST2  If no ring of the driver's goes on it is for lib/health.h to judge.
 * ST3  Only time that counts against the driver does (health.fair_ns).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum standstill_verdict { RING_GOES_ON, RING_ASK, RING_STANDS };

struct standstill_look {
	uint64_t fair_ns, device_ns;
	uint64_t answered;		/* of all rings: any number that changes with each answer */
	uint32_t published;
	bool has_work;			/* as the front-end's page says */
	uint32_t changed;		/* of the table, now */
	uint32_t looked, seen;		/* of the ledger: the `changed` for which the driver looked at the ring, and the req_prod that it saw */
};

/* Zeros: a ring of which nothing is known. */
struct standstill {
	bool is_known, is_asked;
	uint32_t published;		/* since when: */
	uint64_t since_ns;		/* until it is asked; from then on since it was */
	uint32_t asked;			/* `changed` before that */
	uint64_t answered;
};

/* RING_ASK: the table's `changed` is to move. RING_STANDS is said again at each look until the ring goes on. */
enum standstill_verdict standstill_judge(struct standstill *ring, const struct standstill_look *look);
