/* SPDX-License-Identifier: MIT */
/*
 * The answers to one ring's requests, in the ring's order, through its ledger: protocols/ledger.md, sections 3, 4 and 6, for all back-ends.
 * W1  Nothing is written over a request before the answer to it is committed (L2).
 * W2  What is published at once is committed at once: whole packets if the caller adds whole packets (L6, L7).
 *
 *      rsp_prod = commit            added               req_cons         req_prod
 *   ----------|-----------------------|--------------------|----------------|---
 *             | entries, not decided  | under way          | waiting        |
 */
#pragma once

#include "driver.h"
#include "ring.h"

struct answers {
	struct ring_back ring;		/* requests are taken here */
	struct ledger_ring *ledger;
	uint32_t number;		/* struct driver_ledger's `ring` */
	uint32_t generation;
	uint32_t response_size;
	uint32_t added;			/* the index of the next answer */
	uint32_t republished;		/* answers that a predecessor had decided and not published: they are now */
};

struct answers_place {
	void *pages;			/* the ring's, mapped */
	size_t bytes;
	size_t slot_size;
	void *ledger;			/* the whole region */
	size_t ledger_bytes;
	uint32_t generation;
};

/*
 * Attaches to a ring, new or of a predecessor: checks all, publishes what was committed. 0: serve from ring.req_cons, and *wake says
 * whether an event is due. RING_EPROTO: nothing was written, `why` says what was found.
 */
int answers_attach(struct answers *answers, const struct answers_place *place, const struct driver_ledger *ledger,
		   bool *wake, char *why, size_t room);

/* The answer to the next request, whose work is done. */
void answers_add(struct answers *answers, const void *response);

/* Decides what was added: a successor publishes it, if nobody did. */
void answers_commit(struct answers *answers);

/* Decides and publishes what was added. True: send the event. */
bool answers_publish(struct answers *answers);

/*
 * Dom0 has had the table change, to `changed`, and hears what is seen in this ring now (ledger.md, section 8): ring_back_look()'s result. It is
 * the one look by which requests are taken, so a front-end cannot take back what Dom0 was told of without being found out.
 */
static inline int answers_tell(struct answers *answers, uint32_t changed)
{
	int waiting = ring_back_look(&answers->ring);

	answers->ledger->seen = answers->ring.req_seen;
	__atomic_store_n(&answers->ledger->looked, changed, __ATOMIC_RELEASE);
	return waiting;
}

/* How many requests were taken and have no answer yet. */
static inline uint32_t answers_owed(const struct answers *answers)
{
	return answers->ring.req_cons - answers->added;
}
