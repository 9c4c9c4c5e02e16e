/* SPDX-License-Identifier: MIT */
/*
 * A block driver domain on the host: what the runtime and the core would be to it, a disk that completes in any order, and front-ends,
 * honest ones or others. Everything is decided by one random number generator or by who calls. The back-end dies in step().
 * Checked all the time: no io outside of the extents that the table gives (B1), no copy from or to a page that was not lent.
 */
#pragma once

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "blk/blk.h"

#define WORLD_DISKS		4u
#define WORLD_SECTORS		4096u		/* of the device, 512 bytes each */
#define WORLD_GREFS		16384u
#define WORLD_POOL_PAGES	640u
#define WORLD_FLYING		64u

enum lent { LENT_NOT, LENT_READONLY, LENT };

/* One ring of a front-end, from its own side. */
struct world_queue {
	uint8_t *pages;
	struct ring_front ring;
	uint32_t port;				/* the front-end's; the driver's is in `bound` */
	uint32_t bound;				/* 0: not */
	uint32_t ring_ref;
	bool is_kicked;				/* the driver has sent an event that was not looked at */
	uint32_t kicks;
};

struct world_disk {
	struct driver_attachment record;
	struct world_queue queue[BLK_RINGS_MAX];
};

struct world {
	uint64_t random;
	uint64_t now_ns, wake_ns;
	struct driver_table *table;
	struct world_disk disk[WORLD_DISKS];
	struct blk_device device;

	/* Lent pages: gref is the index. */
	uint8_t lent[WORLD_GREFS];
	uint16_t lent_to_disk[WORLD_GREFS];
	uint32_t missed;			/* copies that named what was not lent */

	/* The device. */
	uint8_t media[WORLD_SECTORS * 512];
	struct blk_io *flying[WORLD_FLYING], *landed[WORLD_FLYING];
	uint32_t flying_count, landed_count, depth;
	bool may_interrupt, has_interrupted;
	int result_next;			/* of what completes next; then 0 again */
	uint32_t reads, writes, flushes, discards, doorbells;
	uint32_t out_of_extents;
	bool flush_alone;			/* B5 is looked at: one ring only */

	/* Events to the driver, its ports. */
	bool pending[64];
	void (*handler[64])(evtchn_port_t);
	uint32_t told;

	/* Deaths. */
	bool is_mortal;
	uint64_t steps, steps_left;
	jmp_buf death;
	void (*meanwhile)(void);		/* what others do between two steps */
	void (*meanwhile_yield)(void);		/* ... and when they are let */
	uint32_t yields;
	const char *panic;
	jmp_buf panicked;
	bool panic_is_expected;
};
extern struct world world;

uint64_t world_random(void);
static inline uint32_t world_below(uint32_t limit) { return (uint32_t)(world_random() >> 33) % limit; }
static inline bool world_chance(uint32_t of) { return world_below(of) == 0; }

void world_begin(uint64_t seed);
/* Fills in place `place`; table->changed moves. Extents of `count` sectors each, apart from each other. */
struct world_disk *world_attach(uint32_t place, uint32_t queues, uint32_t ring_pages, uint32_t extents, uint32_t count);
void world_detach(uint32_t place);
void world_serve_again(uint32_t place);		/* who was set aside */
const struct driver_attachment_status *world_status(uint32_t place);
uint64_t world_device_sector(const struct world_disk *disk, uint64_t sector);	/* where a guest's sector is */

void world_start(void);				/* a driver domain's first life, or its next after a death */
bool world_round(void);				/* one round of its loop; false: it sleeps */
void world_settle(void);			/* until nothing moves any more, the device included */

uint8_t *world_page(uint32_t gref);
void world_kick(struct world_queue *queue);	/* the front-end's event */

void world_complete(uint32_t index, int result);	/* flying[index] */
void world_device_reset(void);
