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

/* A part of what is handed over: first those that the device reads, then those that it writes. */
struct virtqueue_piece {
	void *at;			/* in the pool */
	uint32_t length;
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
	uint16_t chain[VIRTQUEUE_SLOTS_MAX];	/* of a head under way: its descriptors; else 0 */
	uint32_t room[VIRTQUEUE_SLOTS_MAX];	/* bytes that the device may write to it */
	void *cookie[VIRTQUEUE_SLOTS_MAX];
};

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

/* A slot for each piece. 0, or -ENOSPC: later. */
int virtqueue_add(struct virtqueue *queue, const struct virtqueue_piece *piece, unsigned int reads, unsigned int writes, void *cookie);
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
