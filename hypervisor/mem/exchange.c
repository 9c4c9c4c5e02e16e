/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: frames of one kind for frames of another, as many for as many, in chunks of the larger extent. A chunk is
 * exchanged whole or not at all; nr_exchanged says how many input extents went, also to the call that continues.
 */
#include <xen/memory.h>

#include "domain/hypercall.h"
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

/* The chunk's frame `i` is taken from the guest. */
static int steal(const struct chunk *chunk, struct domain_locked owner, uint64_t i, struct frame **taken)
{
	const struct xen_memory_reservation *in = &chunk->exchange.in;
	uint64_t extent = chunk->index * extents_in_chunk(chunk, in) + (i >> in->extent_order), first;

	if (handle_read(&first, in->extent_start, extent))
		return -EFAULT;
	return frame_steal(owner, mfn(first + i % (1ULL << in->extent_order)), taken);
}

/* All frames of the chunk, or none: then they are nobody's, and only we know them. */
static int steal_all(const struct chunk *chunk, struct frame **taken)
{
	struct domain_locked owner = domain_lock(chunk->domain);
	uint64_t done = 0;
	int error = 0;

	while (done < 1ULL << chunk->order && !error) {
		error = steal(chunk, owner, done, &taken[done]);
		done += !error;
	}
	while (error && done--)
		page_list_add(chunk->domain, taken[done]);
	domain_unlock(owner);
	return error;
}

static void extents_free(const struct chunk *chunk, const mfn_t *first, uint64_t count)
{
	while (count--)
		frame_free(first[count], chunk->exchange.out.extent_order);
}

/* New extents for the guest: all or none. */
static int alloc_all(const struct chunk *chunk, mfn_t *first)
{
	const struct xen_memory_reservation *out = &chunk->exchange.out;

	for (uint64_t i = 0; i < extents_in_chunk(chunk, out); i++) {
		first[i] = extent_alloc(out->extent_order, XENMEMF_get_address_bits(out->mem_flags));
		if (mfn_is(first[i], MFN_NONE)) {
			extents_free(chunk, first, i);
			return -ENOMEM;
		}
	}
	return 0;
}

/* They are the guest's, which is told, and told us how it calls them. */
static int give_all(const struct chunk *chunk, const mfn_t *first)
{
	const struct xen_memory_reservation *out = &chunk->exchange.out;
	uint64_t count = extents_in_chunk(chunk, out), gfn_first;
	int error = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t extent = chunk->index * count + i;

		extent_give(chunk->domain, first[i], out->extent_order);
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

/* As many come as go: the domain's room for them stays as it is. */
static int chunk_exchange(const struct chunk *chunk)
{
	uint64_t frames = 1ULL << chunk->order;
	struct frame **taken = heap_alloc(2 * frames * sizeof(uint64_t));
	mfn_t *first = (mfn_t *)(taken + frames);
	int error = taken ? alloc_all(chunk, first) : -ENOMEM;

	if (!error) {
		error = steal_all(chunk, taken);
		if (error)
			extents_free(chunk, first, extents_in_chunk(chunk, &chunk->exchange.out));
		for (uint64_t i = 0; !error && i < frames; i++)
			page_list_release(taken[i]);
		if (!error)
			error = give_all(chunk, first);
	}
	heap_free(taken);
	return error;
}

static bool sides_ok(const struct xen_memory_exchange *x, unsigned int order)
{
	return x->in.extent_order <= CHUNK_ORDER_MAX && x->out.extent_order <= CHUNK_ORDER_MAX &&
	       x->in.nr_extents < 1ULL << 40 && x->out.nr_extents < 1ULL << 40 &&
	       x->in.nr_extents << x->in.extent_order == x->out.nr_extents << x->out.extent_order &&
	       (x->in.nr_extents << x->in.extent_order) % (1ULL << order) == 0 &&
	       (x->nr_exchanged << x->in.extent_order) % (1ULL << order) == 0 &&
	       x->nr_exchanged <= x->in.nr_extents && x->in.domid == x->out.domid;
}

long memory_exchange(uint64_t argument)
{
	struct chunk chunk;
	struct xen_memory_exchange *x = &chunk.exchange;
	uint64_t per_chunk, begun;
	int error;

	if (guest_read(x, argument, sizeof(*x)))
		return -EFAULT;
	chunk.order = MAX(x->in.extent_order, x->out.extent_order);
	if (!sides_ok(x, chunk.order))
		return -EINVAL;
	error = domain_get_managed(x->in.domid, &chunk.domain);
	if (error)
		return error;
	error = chunk.domain->is_frozen ? -EPERM : 0;
	per_chunk = extents_in_chunk(&chunk, &x->in);
	begun = x->nr_exchanged;
	while (!error && x->nr_exchanged < x->in.nr_extents) {
		chunk.index = x->nr_exchanged / per_chunk;
		error = x->nr_exchanged != begun && hypercall_must_stop() ? -ERESTART : chunk_exchange(&chunk);
		if (!error)
			x->nr_exchanged += per_chunk;
	}
	domain_put(chunk.domain);
	if (guest_write(argument + offsetof(struct xen_memory_exchange, nr_exchanged), &x->nr_exchanged,
			sizeof(x->nr_exchanged)))
		return -EFAULT;
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_memory_op, 2, (uint64_t)XENMEM_exchange, argument);
	return error;
}
