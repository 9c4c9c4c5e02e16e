/* SPDX-License-Identifier: MIT */
/*
 * The reference front-end of a virtual disk: one ring of one page, zero copy. docs/front-ends.md says how to build it in.
 *   blk_open()            when the store has device/vbd/N
 *   blk_back_changed()    whenever the state of the back-end may have changed (a watch on <backend>/state)
 *   blk_event()           whenever the event channel blk->port fires
 * F1  A request's slot, grants and pages are left alone until its response is published (RST-1 to RST-4).
 * F2  A response is copied once and judged; a back-end that breaks the rules is not spoken to again (blk->broken).
 */
#pragma once

#include "../ring.h"
#include "../vbd.h"
#include "bus.h"

#define BLK_SLOTS	32u		/* of one page */

struct blk_segment {
	void *page;			/* the beginning of a page; all of it is lent */
	uint8_t first_sector;		/* 0 to 7: what of it is meant */
	uint8_t last_sector;
};

/* The caller's, until done() is called. */
struct blk_io {
	uint8_t operation;		/* VBD_OP_READ, _WRITE, _FLUSH, _BARRIER or _DISCARD */
	uint8_t segments;		/* read, write: 1 to VBD_SEGMENTS */
	uint64_t sector;		/* of 512 bytes */
	uint64_t sectors;		/* to discard */
	struct blk_segment segment[VBD_SEGMENTS];
	void (*done)(struct blk_io *io, int status);	/* VBD_STATUS_* */
	uint32_t gref[VBD_SEGMENTS];	/* the front-end's */
};

struct blk {
	struct front_bus bus;
	struct ring_front ring;
	uint32_t port;
	uint32_t ring_gref;
	void *ring_page;
	struct blk_io *io[BLK_SLOTS];	/* by id; NULL: free */
	const char *broken;		/* what the back-end did, or NULL */
	/* Set when it is connected. */
	uint64_t sectors;		/* of 512 bytes */
	uint32_t sector_bytes;
	bool readonly, flush, barrier, discard;
};

int blk_open(struct blk *blk, const struct front_os *os, const char *own);
void blk_back_changed(struct blk *blk);
void blk_event(struct blk *blk);

static inline bool blk_is_up(const struct blk *blk)
{
	return blk->bus.state == BUS_CONNECTED && !blk->broken;
}

/* FRONT_FULL, FRONT_INVALID: not begun. 0: done() will be called, from blk_event() or blk_back_changed(). */
int blk_submit(struct blk *blk, struct blk_io *io);
