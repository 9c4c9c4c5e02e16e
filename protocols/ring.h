/* SPDX-License-Identifier: MIT */
/*
 * A ring of requests and responses in pages that two domains share: the one implementation for back-ends, front-ends and tests.
 * Layout as in Xen's io/ring.h. A response stands in the slot of the request that it answers. Pages of one ring are
 * contiguous where they are mapped. One caller at a time for each struct; the other end may do what it likes.
 * R1  A slot is copied once and the copy is judged. What we decided ourselves is never read from shared memory.
 * R2  Indices are 32 bits and free-running: compared modulo 2^32, reduced only to find a slot.
 * R3  At most `slots` requests are not answered. Who claims more, or moves an index backwards, gets RING_EPROTO.
 *
 *      rsp_cons       rsp_prod            req_cons        req_prod
 *   ------|---------------|------------------|----------------|------
 *         | answered,     | taken by the     | waiting for    |  free, up to rsp_cons + slots
 *         | not fetched   | back-end         | the back-end   |
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"

#define RING_PAGE	4096u
#define RING_EPROTO	(-71)		/* the other end has broken the ring's rules: no use of it is safe */

struct ring_shared {
	_Atomic uint32_t req_prod;	/* the front-end's */
	_Atomic uint32_t req_event;	/* the back-end's: wake me when req_prod gets here */
	_Atomic uint32_t rsp_prod;	/* the back-end's */
	_Atomic uint32_t rsp_event;	/* the front-end's: wake me when rsp_prod gets here */
	uint32_t zero[12];
	uint8_t slot[];
};

_Static_assert(sizeof(struct ring_shared) == 64, "io/ring.h: slots begin at 64");
_Static_assert(offsetof(struct ring_shared, req_event) == 4, "io/ring.h");
_Static_assert(offsetof(struct ring_shared, rsp_prod) == 8, "io/ring.h");
_Static_assert(offsetof(struct ring_shared, rsp_event) == 12, "io/ring.h");

typedef uint32_t __attribute__((may_alias)) ring_word_t;
typedef uint64_t __attribute__((may_alias)) ring_long_t;

/* How many slots fit, a power of two: network 256 and 256, block 32 in one page, 512 in 16. */
static inline uint32_t ring_slots(size_t bytes, size_t slot_size)
{
	size_t fit = (bytes - sizeof(struct ring_shared)) / slot_size;
	uint32_t slots = 1;

	while (slots * 2 <= fit)
		slots *= 2;
	return slots;
}

static inline void *ring_slot(struct ring_shared *shared, uint32_t slots, uint32_t slot_size, uint32_t index)
{
	return shared->slot + (size_t)(index & (slots - 1)) * slot_size;
}

/* R1. Every message is whole words long, and those of whole eight bytes lie on multiples of eight. */
static inline void ring_copy(void *to, const void *from, size_t size)
{
	if (size % 8 == 0)
		for (size_t i = 0; i < size / 8; i++)
			((ring_long_t *)to)[i] = ((const volatile ring_long_t *)from)[i];
	else
		for (size_t i = 0; i < size / 4; i++)
			((ring_word_t *)to)[i] = ((const volatile ring_word_t *)from)[i];
}

/* ---------------------------------------------------------------- the back-end's side */

struct ring_back {
	struct ring_shared *shared;
	uint32_t slots;
	uint32_t slot_size;
	uint32_t req_seen;		/* req_prod as last read: requests before it may be copied */
	uint32_t req_cons;		/* the next request to take */
	uint32_t rsp_put;		/* the next response to write */
	uint32_t rsp_prod;		/* published */
	uint32_t refused;		/* with RING_EPROTO: the req_prod that was refused */
};

/* Requests before `rsp_prod` are answered, those up to `req_cons` will be by ring_back_put(): no others are ever taken. 0, 0: a new ring. */
static inline void ring_back_attach(struct ring_back *ring, void *pages, size_t bytes, size_t slot_size,
				    uint32_t rsp_prod, uint32_t req_cons)
{
	*ring = (struct ring_back){
		.shared = pages, .slots = ring_slots(bytes, slot_size), .slot_size = (uint32_t)slot_size,
		.req_seen = req_cons, .req_cons = req_cons, .rsp_put = rsp_prod, .rsp_prod = rsp_prod,
	};
}

/* How many requests wait: those that may be copied now. RING_EPROTO: R3. */
static inline int ring_back_look(struct ring_back *ring)
{
	uint32_t req_prod = atomic_load_explicit(&ring->shared->req_prod, memory_order_acquire);

	if (req_prod - ring->rsp_prod > ring->slots || req_prod - ring->rsp_prod < ring->req_seen - ring->rsp_prod) {
		ring->refused = req_prod;
		return RING_EPROTO;
	}
	ring->req_seen = req_prod;
	return (int)(req_prod - ring->req_cons);
}

/* The request `ahead` of the next one, which must be among those that ring_back_look() counted. It is not taken yet. */
static inline void ring_back_copy(const struct ring_back *ring, uint32_t ahead, void *request, size_t size)
{
	ring_copy(request, ring_slot(ring->shared, ring->slots, ring->slot_size, ring->req_cons + ahead), size);
}

/* Of that request the bytes from `from` to `to` alone, to their place in `request`: who reads its head first reads no byte twice. */
static inline void ring_back_copy_part(const struct ring_back *ring, uint32_t ahead, void *request, size_t from, size_t to)
{
	char *slot = ring_slot(ring->shared, ring->slots, ring->slot_size, ring->req_cons + ahead);

	ring_copy((char *)request + from, slot + from, to - from);
}

/* 1: one request was copied and taken. 0: none is there. RING_EPROTO: R3. */
static inline int ring_back_take(struct ring_back *ring, void *request, size_t size)
{
	if (ring->req_cons == ring->req_seen) {
		int waiting = ring_back_look(ring);

		if (waiting <= 0)
			return waiting;
	}
	ring_back_copy(ring, 0, request, size);
	ring->req_cons++;
	return 1;
}

/* Writes the next response; it is not published. Its request must be taken, and in the ledger and committed (ledger.md, 3). */
static inline void ring_back_put(struct ring_back *ring, const void *response, size_t size)
{
	ring_copy(ring_slot(ring->shared, ring->slots, ring->slot_size, ring->rsp_put++), response, size);
}

static inline void ring_back_publish(struct ring_back *ring)
{
	ring->rsp_prod = ring->rsp_put;
	atomic_store_explicit(&ring->shared->rsp_prod, ring->rsp_prod, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);	/* the index is seen before rsp_event is read */
}

/* Publishes what was put. True: send the event. */
static inline bool ring_back_push(struct ring_back *ring)
{
	uint32_t old = ring->rsp_prod;

	ring_back_publish(ring);
	return ledger_serving_sends(ring->rsp_prod, old, atomic_load_explicit(&ring->shared->rsp_event, memory_order_relaxed));
}

/* The same for what a predecessor had committed, even if that was nothing (ledger.md, 4, steps 3 and 4). */
static inline bool ring_back_push_take_over(struct ring_back *ring)
{
	ring_back_publish(ring);
	return ledger_take_over_sends(ring->rsp_prod, atomic_load_explicit(&ring->shared->rsp_event, memory_order_relaxed));
}

/*
 * Asks to be woken by the `count`th request from here. Sleep if it returns 0; else ring_back_look()'s result. More than 1 only while
 * something else wakes the caller before long, who looks at the ring then: a disk that is at work.
 */
static inline int ring_back_sleep_until(struct ring_back *ring, uint32_t count)
{
	atomic_store_explicit(&ring->shared->req_event, ring->req_cons + count, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);	/* the wish is seen before req_prod is read */
	return ring_back_look(ring);
}

static inline int ring_back_sleep(struct ring_back *ring) { return ring_back_sleep_until(ring, 1); }

/* ---------------------------------------------------------------- the front-end's side */

struct ring_front {
	struct ring_shared *shared;
	uint32_t slots;
	uint32_t slot_size;
	uint32_t req_put;		/* the next request to write */
	uint32_t req_prod;		/* published */
	uint32_t rsp_seen;		/* rsp_prod as last read */
	uint32_t rsp_cons;		/* the next response to take */
	uint32_t refused;		/* with RING_EPROTO: the rsp_prod that was refused */
};

/* A new ring. Before the back-end hears of it. */
static inline void ring_front_init(struct ring_front *ring, void *pages, size_t bytes, size_t slot_size)
{
	*ring = (struct ring_front){
		.shared = pages, .slots = ring_slots(bytes, slot_size), .slot_size = (uint32_t)slot_size,
	};
	__builtin_memset(pages, 0, bytes);
	ring->shared->req_event = 1;
	ring->shared->rsp_event = 1;
}

static inline uint32_t ring_front_free(const struct ring_front *ring)
{
	return ring->slots - (ring->req_put - ring->rsp_cons);
}

/* Writes the next request into a free slot and returns its index; it is not published. */
static inline uint32_t ring_front_put(struct ring_front *ring, const void *request, size_t size)
{
	ring_copy(ring_slot(ring->shared, ring->slots, ring->slot_size, ring->req_put), request, size);
	return ring->req_put++;
}

/* Publishes what was put. True: send the event. */
static inline bool ring_front_push(struct ring_front *ring)
{
	uint32_t old = ring->req_prod;

	ring->req_prod = ring->req_put;
	atomic_store_explicit(&ring->shared->req_prod, ring->req_prod, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);	/* the index is seen before req_event is read */
	return ring->req_prod - atomic_load_explicit(&ring->shared->req_event, memory_order_relaxed) < ring->req_prod - old;
}

/* How many responses wait. RING_EPROTO: there are more than requests, or fewer than there were. */
static inline int ring_front_look(struct ring_front *ring)
{
	uint32_t rsp_prod = atomic_load_explicit(&ring->shared->rsp_prod, memory_order_acquire);

	if (rsp_prod - ring->rsp_cons > ring->req_prod - ring->rsp_cons ||
	    rsp_prod - ring->rsp_cons < ring->rsp_seen - ring->rsp_cons) {
		ring->refused = rsp_prod;
		return RING_EPROTO;
	}
	ring->rsp_seen = rsp_prod;
	return (int)(rsp_prod - ring->rsp_cons);
}

/* 1: one response was copied and taken; its index was rsp_cons - 1. 0: none is there. RING_EPROTO. */
static inline int ring_front_take(struct ring_front *ring, void *response, size_t size)
{
	if (ring->rsp_cons == ring->rsp_seen) {
		int waiting = ring_front_look(ring);

		if (waiting <= 0)
			return waiting;
	}
	ring_copy(response, ring_slot(ring->shared, ring->slots, ring->slot_size, ring->rsp_cons), size);
	ring->rsp_cons++;
	return 1;
}

/* Asks to be woken by the `count`th response from here. Sleep if it returns less than `count`; else ring_front_look()'s result. */
static inline int ring_front_sleep(struct ring_front *ring, uint32_t count)
{
	atomic_store_explicit(&ring->shared->rsp_event, ring->rsp_cons + count, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);	/* the wish is seen before rsp_prod is read */
	return ring_front_look(ring);
}
