/* SPDX-License-Identifier: MIT */
/*
 * What a disk's driver is to the back-end: a table of functions, one file a kind of disk. All memory that the disk sees is of the DMA pool.
 * A driver may complete in any order: the back-end answers in the ring's.
 * K1  What the disk says is not believed: an id that is not under way, a status that does not exist is an error of the disk: failed().
 * K2  The memory of an io belongs to the disk from submit() until reap() gives the io back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "device/pool.h"
#include "runtime/pci.h"

#define BLK_SEGMENTS_MAX	33	/* 128 KiB in pages, and one more because it need not begin at one */
#define BLK_QUEUES_MAX		4

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD };

struct blk_segment {
	void *at;			/* in the pool; multiple of 512 */
	uint32_t length;		/* multiple of 512; never over a page's end */
};

struct blk_io {
	enum blk_op op;
	uint32_t segment_count;		/* read, write */
	uint64_t sector;		/* units of 512 bytes on the device; multiple of its sector */
	uint64_t sectors;		/* a discard may be of any length */
	int result;			/* after reap(): 0 or -EIO, -EOPNOTSUPP, -ENOSPC */
	uint32_t tries;			/* the driver's */
	void *cookie;			/* the back-end's */
	struct blk_segment segment[BLK_SEGMENTS_MAX];
};

struct blk_device;

struct blk_driver {
	const char *name;
	const char *reset;		/* how restart() resets it, for the log */
	bool (*knows)(const struct pci_function *function);
	/* Resets the disk, waits until it says so, sets it up. 0 or -errno; says why on the log. */
	int (*start)(struct blk_device *device);
	/* After a reset of the domain, with the memory of when start() had returned: resets the disk, waits, sets it up as it was. */
	int (*restart)(struct blk_device *device);
	/* Resets it; true: the disk has acknowledged, no DMA will come and no write will reach it. */
	bool (*stop)(struct blk_device *device);

	int (*submit)(struct blk_device *device, unsigned int queue, struct blk_io *io);	/* -ENOSPC: later */
	void (*push)(struct blk_device *device, unsigned int queue);	/* the doorbell, after any number */
	unsigned int (*reap)(struct blk_device *device, unsigned int queue, struct blk_io **io, unsigned int room);
	/* May the queue interrupt? True: there is something to reap already. */
	bool (*interrupts)(struct blk_device *device, unsigned int queue, bool on);
};

struct blk_device {
	const struct blk_driver *driver;
	struct pci_function *function;
	uint64_t sectors;			/* of 512 bytes */
	uint32_t sector_bytes;			/* logical */
	bool is_readonly, has_flush, has_discard;
	uint32_t segments_max;			/* of one io; at most BLK_SEGMENTS_MAX */
	unsigned int queues;			/* 1 .. BLK_QUEUES_MAX */
	uint32_t depth;				/* ios that a queue takes at once */
	uint32_t port[BLK_QUEUES_MAX];		/* event ports of the queues' interrupts; may all be one */
	void (*failed)(struct blk_device *device, const char *why);	/* the back-end's */
	void *state;				/* the driver's */
};

extern const struct blk_driver *const blk_drivers[];	/* NULL ends it */
