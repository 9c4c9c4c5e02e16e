/* SPDX-License-Identifier: MIT */
/*
 * The driver domain that a fault is injected into, seen from Dom0: its registers, its memory by its own page tables, where it
 * is. All of it by what the core offers Dom0 anyway: pause, registers of a vcpu, mapping of frames.
 *
 * V1  Registers and memory are changed while the domain is paused, and only then.
 * V2  What was put in its way to find out when it comes by (victim_reach()) is taken away again before it goes on.
 * V3  A driver that was reset meanwhile is another one: what was planned for its predecessor is not done to it.
 * V4  Whoever watches over it knows when it is not free to go on, so that nobody takes that for a hang of its own (lib/fault.h, FP1).
 */
#pragma once

#include "inject/decode.h"
#include "inject/image.h"
#include "inject/random.h"
#include "lib/core.h"
#include "lib/driver.h"
#include "lib/fault.h"

/* Instructions of the image that a mutation fits. */
struct candidates {
	enum mutation mutation;
	uint64_t *address;
	size_t count, room;
};

struct window { uint64_t mfn; uint8_t *at; bool is_writable; };	/* a frame of it that is mapped */

#define WINDOWS 256u
#define PLACES 1024u		/* of pages whose frames are known */

struct victim {
	struct core core;
	domid_t id;
	struct image image;
	volatile struct fault_page *page;	/* skinkd's (V4) */
	bool is_paused;
	bool is_obstructed;			/* something stands in its way */
	uint32_t generation;			/* resets so far when the fault began (V3) */
	uint32_t kick_port;			/* of Dom0, to the driver's control port; 0: not known */
	uint32_t driver_port;			/* that one */
	vcpu_guest_context_t context;		/* as victim_look() found it */
	struct window window[WINDOWS];
	struct { uint64_t page, mfn; } place[PLACES];	/* of its own frames, whose addresses stay as they are; page 0: none */
	uint32_t windows;
	struct candidates candidates;		/* those that were looked for last: the image stays as it is */
};

enum reached { REACHED, NOT_REACHED, GONE };	/* GONE: it died, was reset, or is no more */

int victim_open(struct victim *victim, domid_t id, const char *image, volatile struct fault_page *page);
void victim_close(struct victim *victim);

/* -EAGAIN: it has not said ready, or is dead; -ENODEV: no driver domain. */
int victim_begin(struct victim *victim);
/* It serves, and no reset has been since victim_begin(). */
bool victim_is_the_same(struct victim *victim);

int victim_pause(struct victim *victim);	/* and looks */
int victim_go(struct victim *victim);
void victim_leave(struct victim *victim);	/* lets go of its memory, and lets it go on */
/* It cannot go on as it would, although it is not paused (V4). */
void victim_obstruct(struct victim *victim, bool is_on);
int victim_look(struct victim *victim);
int victim_set(struct victim *victim);		/* registers, as they stand in context */

/* The frame behind an address of its kernel, and the entry that maps it; false: there is none. */
bool victim_frame(struct victim *victim, uint64_t address, uint64_t *entry);
/* Entry `index` of the page table in frame `table`; false: it is not present, or that is no frame of its. */
bool victim_entry(struct victim *victim, uint64_t table, uint64_t index, uint64_t *entry);
/* By a clock that nobody sets. */
uint64_t now_ms(void);

/* Its own frames alone; false: not all of it is mapped, or is its own. */
bool victim_read(struct victim *victim, uint64_t address, void *to, size_t bytes);
bool victim_write(struct victim *victim, uint64_t address, const void *from, size_t bytes);

/* The page that it shares with the core: pending and masked events. There until victim_leave(). NULL. */
struct shared_info *shared_info_of(struct victim *victim);

/* What its kernel calls struct start_info, and Dom0's table. */
bool victim_start_info(struct victim *victim, start_info_t *info);
bool victim_table(struct victim *victim, uint64_t *address, struct driver_table *table);

/*
 * Until it is about to execute the instruction at `address`, whose second byte nobody jumps to, or so many milliseconds have passed. It stands in
 * its place meanwhile, as a jump to itself. An idle driver is woken, by an event like those of skinkd. REACHED: it is paused there.
 * NOT_REACHED: it runs.
 */
enum reached victim_reach(struct victim *victim, uint64_t address, uint32_t limit_ms);
