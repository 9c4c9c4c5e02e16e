/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: frames of one kind for frames of another, as many for as many, in chunks of the larger extent. A chunk is
 * exchanged whole or not at all; nr_exchanged says how many input extents went, also to the call that continues.
 */
#include "include/types.h"

#include <xen/memory.h>

#include "mem/exchange.h"

#include "cpu/cpu.h"
#include "cpu/tlb.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/m2p.h"
#include "mem/pagelist.h"

#define CHUNK_ORDER_MAX 9

struct chunk {
	struct domain *domain;
	struct xen_memory_exchange exchange;
	unsigned int order;
	uint64_t index;
};

static uint64_t extents_in_chunk(const struct chunk *chunk, const struct xen_memory_reservation *side)
{
	return 1ULL << (chunk->order - side->extent_order);
}

/* Takes all frames of the chunk from the guest, or none: then they are nobody's, and only we know them. */
static int steal_all(const struct chunk *chunk, struct frame **taken)
{
	const struct xen_memory_reservation *in = &chunk->exchange.in;
	uint64_t first = chunk->index * extents_in_chunk(chunk, in), number, i;
	struct domain_locked owner = domain_lock(chunk->domain);
	int error = 0;

	for (i = 0; i < 1ULL << chunk->order && !error; i++) {
		if (handle_read(&number, in->extent_start, first + (i >> in->extent_order))) {
			error = -EFAULT;
			break;
		}
		number += i & ((1ULL << in->extent_order) - 1);
		taken[i] = frame_get(mfn(number), chunk->domain);
		error = taken[i] ? frame_steal(owner, taken[i]) : -EINVAL;
		if (error) {
			if (taken[i])
				frame_put(taken[i]);
			break;
		}
	}
	while (error && i--)
		page_list_add(chunk->domain, taken[i]);
	domain_unlock(owner);
	return error;
}

/* New extents for the guest: all or none. */
static int alloc_all(const struct chunk *chunk, mfn_t *first)
{
	const struct xen_memory_reservation *out = &chunk->exchange.out;
	uint64_t count = extents_in_chunk(chunk, out), i;
	int error = 0;

	for (i = 0; i < count && !error; i++)
		error = frame_alloc_for(chunk->domain, out->extent_order, XENMEMF_get_address_bits(out->mem_flags),
					&first[i]);
	if (error)
		for (i = (i - 1) << out->extent_order; i--; )
			(void)frame_give_back(mfn(first[i >> out->extent_order].raw +
						  (i & ((1ULL << out->extent_order) - 1))), chunk->domain);
	return error;
}

static int publish(const struct chunk *chunk, const mfn_t *first)
{
	const struct xen_memory_reservation *out = &chunk->exchange.out;
	uint64_t count = extents_in_chunk(chunk, out), gfn_first;
	int error = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t extent = chunk->index * count + i;

		if (handle_read(&gfn_first, out->extent_start, extent) ||
		    handle_write(out->extent_start, extent, &first[i].raw)) {
			error = -EFAULT;
			continue;
		}
		for (uint64_t j = 0; j < 1ULL << out->extent_order; j++)
			frame_name(mfn(first[i].raw + j), chunk->domain, gfn(gfn_first + j));
	}
	return error;
}

static int chunk_exchange(const struct chunk *chunk)
{
	uint64_t frames = 1ULL << chunk->order;
	struct frame **taken = heap_alloc(2 * frames * sizeof(uint64_t));
	mfn_t *first = (mfn_t *)(taken + frames);
	int error = taken ? steal_all(chunk, taken) : -ENOMEM;

	if (!error) {
		error = alloc_all(chunk, first);
		for (uint64_t i = 0; i < frames; i++) {
			if (error)
				page_list_add(chunk->domain, taken[i]);
			else
				frame_put(taken[i]);
		}
		if (!error)
			error = publish(chunk, first);
	}
	heap_free(taken);
	return error;
}

static bool sides_ok(const struct xen_memory_exchange *x, unsigned int order)
{
	return x->in.extent_order <= CHUNK_ORDER_MAX && x->out.extent_order <= CHUNK_ORDER_MAX &&
	       x->in.nr_extents < 1ULL << 40 && x->out.nr_extents < 1ULL << 40 &&
	       x->in.nr_extents << x->in.extent_order == x->out.nr_extents << x->out.extent_order &&
	       !((x->in.nr_extents << x->in.extent_order) & ((1ULL << order) - 1)) &&
	       x->nr_exchanged <= x->in.nr_extents && x->in.domid == x->out.domid;
}

long memory_exchange(unsigned long argument)
{
	struct chunk chunk;
	struct xen_memory_exchange *x = &chunk.exchange;
	uint64_t chunks, per_chunk;
	bool is_preempted = false;
	int error = 0;

	if (guest_read(x, argument, sizeof(*x)))
		return -EFAULT;
	chunk.order = MAX(x->in.extent_order, x->out.extent_order);
	if (!sides_ok(x, chunk.order))
		return -EINVAL;
	error = domain_get_managed(x->in.domid, &chunk.domain);
	if (error)
		return error;
	per_chunk = extents_in_chunk(&chunk, &x->in);
	chunks = x->in.nr_extents / per_chunk;
	for (chunk.index = x->nr_exchanged / per_chunk; chunk.index < chunks && !error; chunk.index++) {
		if (chunk.index * per_chunk != x->nr_exchanged || preempt_needed()) {
			is_preempted = chunk.index * per_chunk == x->nr_exchanged;
			break;
		}
		error = chunk_exchange(&chunk);
		if (!error)
			x->nr_exchanged += per_chunk;
	}
	domain_put(chunk.domain);
	if (guest_write(argument + offsetof(struct xen_memory_exchange, nr_exchanged), &x->nr_exchanged,
			sizeof(x->nr_exchanged)))
		return -EFAULT;
	if (is_preempted)
		return hypercall_continue(__HYPERVISOR_memory_op, 2, (uint64_t)XENMEM_exchange, argument);
	return error;
}
