/* SPDX-License-Identifier: MIT */
/*
 * A virtio device on the host, in place of device/virtio.c: its queues are those that the drivers set up, and what it does with them is the
 * test's to say. It sees the pool, and nothing else, as a device behind an IOMMU does.
 */
#pragma once

#include "device/drivers.h"
#include "device/virtio.h"

#define FAKE_POOL_PAGES 512u
#define FAKE_MACHINE 0x7700000000ULL
#define FAKE_QUEUES 9u

struct fake_queue {
	struct virtqueue *queue;	/* NULL: the driver has not set it up */
	uint16_t seen;			/* of avail */
	uint16_t bell;			/* the doorbell's register */
};

struct fake_device {
	uint64_t features;		/* offered */
	uint8_t config[64];
	uint32_t config_bytes;
	uint16_t slots, queues;
	bool is_deaf;			/* to a reset */
	struct fake_queue queue[FAKE_QUEUES];
	void (*control)(struct fake_queue *queue);	/* looks at the control queue while the driver waits */
	uint64_t now_ns;
	unsigned int failures;		/* what the driver has told its back-end */
	const char *why;
	uint8_t *scratch;		/* of the driver, between two lives */
	size_t scratch_bytes;
};

extern struct fake_device fake;

/* A device that is honest about itself; the tests then change what they lie about. */
void fake_begin(uint64_t features, uint16_t queues);
void fake_disk(struct blk_device *disk);	/* 1,000,000 sectors, everything offered */
void fake_card(struct net_device *card);
void config_set(uint32_t offset, uint64_t value, uint32_t bytes);

/* The device's side of a queue. */
bool fake_take(struct fake_queue *queue, uint16_t *head);		/* what was handed over next */
void fake_put(struct fake_queue *queue, uint32_t id, uint32_t length);	/* a used entry, whatever it says */
/* Descriptor `number` of a chain, through its table if it has one. NULL: the chain ends before. */
struct virtq_desc *fake_piece(struct fake_queue *queue, uint16_t head, unsigned int number);
void *fake_memory(uint64_t machine);					/* NULL: not of the pool */
