/* SPDX-License-Identifier: MIT */
/*
 * What each driver domain does alike: it finds its table and its regions (protocols/driver.h), keeps a log, says that it lives,
 * and works in one loop. A back-end is the functions of struct driver_calls, which that loop calls.
 * H1  Upcalls are masked while the back-end works: handlers of events run between two rounds, never inside one.
 * H2  It sleeps only after rest() has found nothing, and an event that comes after that wakes it.
 * H3  Nothing here waits for Dom0: with its console full or its daemons dead the driver goes on.
 * H4  What is allocated, mapped and bound for the whole life of the domain is there before ready, and is there again after a reset.
 */
#pragma once

#include "ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver.h"

struct driver_domain {
	const struct driver_table *table;	/* Dom0's; NULL: this kernel is no driver domain */
	struct driver_status *status;
	void *ledger;
	uint64_t ledger_bytes;
	uint32_t attachment_count;		/* of the table, checked once */
	uint32_t generation;			/* 1 in a domain's first life */
	bool has_answered;			/* in this life */
	bool is_pardoned;			/* what the last life was at work on did not end it: Dom0's word */
	uint32_t found;				/* requests, decided answers and frames that this life was left with */
};

extern struct driver_domain driver_domain;

struct driver_calls {
	/*
	 * A successor's first: the memory is as it was at ready. It resets the device, waits until that has acknowledged, and sets it up with
	 * what was mapped, bound and taken before ready; what cannot be done ends the domain. NULL: the domain never says ready.
	 */
	void (*again)(void);
	/* The table has changed. True: it is obeyed whole; false: it is called again before the next round of work. */
	bool (*obey)(void);
	/* Does all that can be done now. True: it did something, there may be more. */
	bool (*work)(void);
	/* Lets front-ends and devices send events again. True: something came meanwhile. */
	bool (*rest)(void);
	/* May be NULL: once in each heartbeat, and in each quarter of a device's time, for what is slow (a link's state, ageing). */
	void (*tick)(void);
};

/* Checks the table: ends the domain with what is wrong in the log and in its status. The pool is there on return. */
void driver_domain_init(enum driver_role role);
/* The device works, what the status says of it is filled in: says ready, and serves from here on, in this life and each later one. */
void driver_domain_run(const struct driver_calls *calls) __attribute__((noreturn));
/* It cannot serve, and says why: it lives on, and Dom0 decides. */
void driver_domain_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Answers were published: when the first of a life were, its own or what its predecessor had decided, stands in the status. */
void driver_domain_note_republished(void);
void driver_domain_note_first_answer(void);
static inline void driver_domain_note_answer(void)
{
	if (!driver_domain.has_answered)
		driver_domain_note_first_answer();
}

/* In a round that did something: all that waits for an answer waits for somebody else. The loop itself says so when it finds nothing to do. */
void driver_domain_note_rest(void);

/* The status has news that is not the answer to a change of the table. */
void driver_domain_tell(void);
/* A round of work not later than that, in system time. Holds for the next sleep only: ask again before each. */
void driver_domain_wake_at(uint64_t time_ns);

/*
 * Between true and false it waits, awake, for its device to be reset: as long as a command may take, nobody takes that for a loop. What is called
 * in between returns, or the domain ends.
 */
void driver_domain_awaits_device(bool does);

/* How long a command of the device may take: the table says, 2 s where there is none. */
uint64_t driver_domain_device_ns(void);

/* The runtime's own: the regions are kept from the page allocator; text for the log; the last words. */
void driver_domain_find(void);
void driver_domain_log(const char *text, size_t size);
void driver_domain_last_words(const char *text);

/* What the image says of itself before it runs (driver.md, section 8): once in each, at file scope. */
#define DRIVER_IMAGE(its_role, its_flags, its_queues)							\
	static const struct {										\
		uint32_t name_bytes, note_bytes, type;							\
		char name[8];										\
		struct driver_note note;								\
	} driver_image_note __attribute__((section(".note.Skink"), used, aligned(4))) = {		\
		6, sizeof(struct driver_note), DRIVER_NOTE, "Skink",					\
		{ DRIVER_VERSION, its_role, LEDGER_VERSION, its_flags, its_queues },			\
	}
