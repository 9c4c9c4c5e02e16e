/* SPDX-License-Identifier: MIT */
/*
 * What the injector knows of driver-domain/device/virtqueue.h, which it may not include: where the fields stand that it looks at. The unit
 * test of that name compares the two.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct virtqueue_view {
	uint64_t desc, avail, used;	/* addresses in the pool */
	uint64_t notify;
	uint16_t number, slots;
	uint8_t has_event_index;
	uint8_t pad[3];
	uint64_t broken;
	uint16_t avail_index, pushed_index, used_index;
};

#define VIRTQ_DESC_BYTES	16u	/* address, length, flags, next */
#define VIRTQ_RING_AT		4u	/* of avail and used: behind flags and index */
#define VIRTQ_INDEX_AT		2u
#define VIRTQ_USED_BYTES	8u	/* id, length */
