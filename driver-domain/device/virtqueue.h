/* SPDX-License-Identifier: MIT */
/*
 * A split virtqueue (virtio 1.1, 2.6), seen from its driver. What the device can write is read once and checked against what stands in
 * memory that it cannot reach.
 * Q1  An id that comes back is one that is under way, with no more bytes written than there was room for; anything else breaks the
 *     queue: it gives nothing back any more.
 * Q2  Descriptors are never read back: the pool is the device's to write.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/pool.h"
#include "runtime/console.h"

#define VIRTQUEUE_SLOTS_MAX 256u
#define VIRTQUEUE_PIECES_MAX 36u
#define VIRTQUEUE_TABLE_BYTES (VIRTQUEUE_PIECES_MAX * 16u)
#define VIRTQUEUE_BYTES 8192u		/* of pool: for VIRTQUEUE_SLOTS_MAX */

struct virtq_desc {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

#define VIRTQ_NEXT 1u
#define VIRTQ_WRITE 2u			/* the device writes it */
#define VIRTQ_INDIRECT 4u

struct virtq_avail {
	uint16_t flags, index;
	uint16_t ring[];		/* one more than slots: used_event */
};

struct virtq_used_element {
	uint32_t id, length;
};

struct virtq_used {
	uint16_t flags, index;
	struct virtq_used_element ring[];	/* behind it: avail_event */
};

struct virtqueue {
	struct virtq_desc *desc;
	volatile struct virtq_avail *avail;
	volatile struct virtq_used *used;
	volatile uint16_t *notify;	/* the doorbell */
	uint16_t number, slots, vector;
	bool has_event_index;
	const char *broken;		/* why; NULL: it works */

	uint16_t avail_index, pushed_index, used_index;
	uint16_t free_first, free_count;
	uint16_t flying;		/* heads under way */
	uint16_t next[VIRTQUEUE_SLOTS_MAX];
	struct virtqueue_chain {
		uint8_t slots, last;	/* of a head under way: how many, 0 if it is not, and the last of them */
	} chain[VIRTQUEUE_SLOTS_MAX];
	uint32_t room[VIRTQUEUE_SLOTS_MAX];	/* bytes that the device may write to it */
	void *cookie[VIRTQUEUE_SLOTS_MAX];
};

_Static_assert(VIRTQUEUE_SLOTS_MAX <= 256 && VIRTQUEUE_PIECES_MAX < 256, "a chain is told in two bytes");

/* Over VIRTQUEUE_BYTES of zeroed pool; slots is a power of two. The other fields are empty. */
void virtqueue_init(struct virtqueue *queue, void *memory, uint16_t slots, bool has_event_index);

/* Empty again, over the same memory, whatever a predecessor and the device have left there. */
void virtqueue_clear(struct virtqueue *queue);

static inline uint64_t virtqueue_avail_offset(const struct virtqueue *queue)
{
	return queue->slots * sizeof(struct virtq_desc);
}

/* The head that will be taken next: for memory that goes with it. */
static inline uint16_t virtqueue_next(const struct virtqueue *queue)
{
	return queue->free_first;
}

/* A slot for each part: first those that the device reads, then those that it writes. 0, or -ENOSPC: later. */
int virtqueue_add(struct virtqueue *queue, const struct pool_part *part, unsigned int reads, unsigned int writes, void *cookie);

/* The same step by step, for who sends often and has no array: if there is room, each part is put, the first into virtqueue_next(), and then all are given. */
static inline bool virtqueue_has_room(const struct virtqueue *queue, unsigned int count)
{
	return count <= queue->free_count && !queue->broken;
}

/* Returns the slot of the next part. */
static inline uint16_t virtqueue_put(const struct virtqueue *queue, uint16_t slot, const void *at, uint32_t length, uint16_t flags)
{
	uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)pool_at);
	uint16_t next = queue->next[slot];

	ASSERT(offset < pool_bytes && length <= pool_bytes - offset);
	queue->desc[slot] = (struct virtq_desc){ pool_first_machine + offset, length, flags | VIRTQ_NEXT, next };
	return next;
}

/* `last`: the slot of the last part, with its flags; `room`: bytes that the device may write. */
static inline void virtqueue_give(struct virtqueue *queue, uint16_t last, uint16_t flags, unsigned int slots, uint32_t room, void *cookie)
{
	uint16_t head = queue->free_first;

	queue->desc[last].flags = flags;
	queue->free_first = queue->next[last];
	queue->free_count = (uint16_t)(queue->free_count - slots);
	queue->chain[head] = (struct virtqueue_chain){ (uint8_t)slots, (uint8_t)last };
	queue->room[head] = room;
	queue->cookie[head] = cookie;
	queue->flying++;
	queue->avail->ring[queue->avail_index++ & (queue->slots - 1)] = head;
}

/*
 * One slot: the caller has written the descriptors to a table that is this head's alone (VIRTQUEUE_TABLE_BYTES of pool; its address as the
 * device has it), and the device may write `room` bytes by them. 0, or -ENOSPC: later.
 */
int virtqueue_add_table(struct virtqueue *queue, uint64_t table, unsigned int count, uint32_t room, void *cookie);
void virtqueue_push(struct virtqueue *queue);	/* rings, if the device wants it */
/* What the device is done with. False: nothing, or queue->broken says why there never will be. */
bool virtqueue_reap(struct virtqueue *queue, void **cookie, uint32_t *written);
/* True: there is something to reap already. */
bool virtqueue_interrupts(struct virtqueue *queue, bool on);

/*
 * For a successor: the entry `taken` of the used ring as the device has left it, read once; who asks knows what the id stood for. False: there
 * is none, or the ring says what cannot be.
 */
bool virtqueue_left(const struct virtqueue *queue, uint16_t taken, uint16_t *id, uint32_t *length);

/* Looks, and takes nothing. */
static inline bool virtqueue_has_used(const struct virtqueue *queue)
{
	return __atomic_load_n(&queue->used->index, __ATOMIC_ACQUIRE) != queue->used_index && !queue->broken;
}
