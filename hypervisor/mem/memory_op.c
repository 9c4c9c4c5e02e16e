/* SPDX-License-Identifier: MIT */
/* memory_op: more memory, less memory, and what there is of it. */
#include <xen/memory.h>

#include "domain/hypercall.h"
#include "grant/grant.h"
#include "mem/pagelist.h"

/* A call that goes on has the number of extents already done above the command. */
#define COMMAND_BITS		6
#define COMMAND_MASK		((1U << COMMAND_BITS) - 1)
#define GUEST_ORDER_MAX		9
#define E820_RAM		1

struct e820_entry {
	uint64_t address, bytes;
	uint32_t kind;
} PACKED;

struct extents {
	struct xen_memory_reservation request;
	struct domain *domain;
	uint64_t done;
};

/* populate_physmap names the guest's frames; increase_reservation does not, and may not want the answer. */
MUST_CHECK static int increase(struct extents *e, bool is_named)
{
	unsigned int order = e->request.extent_order;
	uint64_t first_gfn = 0;
	mfn_t first;

	if (is_named && handle_read(&first_gfn, e->request.extent_start, e->done))
		return -EFAULT;
	if (frame_alloc_for(e->domain, order, XENMEMF_get_address_bits(e->request.mem_flags), &first))
		return -ENOMEM;
	for (uint64_t i = 0; is_named && i < 1ULL << order; i++)
		frame_name(mfn(first.raw + i), e->domain, gfn(first_gfn + i));
	if (!e->request.extent_start.p)
		return 0;
	return handle_write(e->request.extent_start, e->done, &first.raw);
}

MUST_CHECK static int decrease(struct extents *e)
{
	uint64_t first;

	if (handle_read(&first, e->request.extent_start, e->done))
		return -EFAULT;
	for (uint64_t i = 0; i < 1ULL << e->request.extent_order; i++)
		if (!frame_give_back(mfn(first + i), e->domain))
			return -EINVAL;
	return 0;
}

/* Returns how many extents were done, in all calls together: the ABI's way to say that some were not. */
static long reservation(uint32_t command, uint64_t done, uint64_t argument)
{
	unsigned int order_max = current_vcpu()->domain->is_privileged ? FRAME_ORDER_MAX : GUEST_ORDER_MAX;
	struct extents e = { .done = done };
	int error;

	if (guest_read(&e.request, argument, sizeof(e.request)))
		return -EFAULT;
	if (e.request.extent_order > order_max || done > e.request.nr_extents ||
	    e.request.nr_extents > UINT64_MAX >> (COMMAND_BITS + 1))
		return (long)done;
	error = domain_get_managed(e.request.domid, &e.domain);
	if (error)
		return error;
	error = e.domain->is_frozen ? -EPERM : 0;
	while (e.done < e.request.nr_extents && !error) {
		if (e.done != done && hypercall_must_stop())
			error = -ERESTART;
		else if (command == XENMEM_decrease_reservation)
			error = decrease(&e);
		else
			error = increase(&e, command == XENMEM_populate_physmap);
		e.done += !error;
	}
	domain_put(e.domain);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_memory_op, 2, command | e.done << COMMAND_BITS, argument);
	return error == -EPERM ? error : (long)e.done;
}

static long frames_of(uint32_t command, uint64_t argument)
{
	struct domain *domain;
	domid_t id;
	long result;

	if (guest_read(&id, argument, sizeof(id)))
		return -EFAULT;
	result = domain_get_managed(id, &domain);
	if (result)
		return result;
	result = (long)read_once(command == XENMEM_current_reservation ? &domain->frame_count : &domain->frame_limit);
	domain_put(domain);
	return result;
}

/* Where the table is read: nobody is given its frames to map it elsewhere. */
static long machphys_mapping(uint64_t argument)
{
	struct xen_machphys_mapping mapping = {
		.v_start = M2P_START, .v_end = MACH2PHYS_VIRT_END, .max_mfn = frame_limit - 1,
	};

	return guest_write(argument, &mapping, sizeof(mapping));
}

/* Domain-0 owns no device: to it the machine is RAM from 0 on, as much as it may have. */
static long machine_memory_map(uint64_t argument)
{
	struct domain *domain = current_vcpu()->domain;
	struct e820_entry ram = { 0, domain->frame_limit << PAGE_SHIFT, E820_RAM };
	struct xen_memory_map map;

	if (!domain->is_privileged)
		return -EPERM;
	if (guest_read(&map, argument, sizeof(map)))
		return -EFAULT;
	if (map.nr_entries == 0)
		return -EINVAL;
	map.nr_entries = 1;
	return guest_write((uint64_t)map.buffer.p, &ram, sizeof(ram)) || guest_write(argument, &map, sizeof(map)) ? -EFAULT : 0;
}

/* The frames of a domain's grant table, for its builder to map: so many, or with no list how many there can be. */
static long grant_frames(struct domain *domain, const struct xen_mem_acquire_resource *resource)
{
	mfn_t frame;
	int error = 0;

	if (resource->type != XENMEM_resource_grant_table || resource->id != XENMEM_resource_grant_table_id_shared)
		return -EOPNOTSUPP;
	if (resource->frame >= GRANT_FRAMES_MAX)
		return -EINVAL;
	for (uint32_t i = 0; !error && i < resource->nr_frames; i++) {
		error = grant_frame(domain, (uint32_t)resource->frame + i, &frame);
		if (!error)
			error = handle_write(resource->frame_list, i, &frame.raw);
	}
	return error;
}

static long acquire_resource(uint64_t argument)
{
	struct xen_mem_acquire_resource resource;
	struct domain *domain;
	long result;

	if (guest_read(&resource, argument, sizeof(resource)))
		return -EFAULT;
	if (resource.pad || (!resource.frame_list.p && (resource.nr_frames || resource.frame)))
		return -EINVAL;
	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	result = domain_get_managed(resource.domid, &domain);
	if (result)
		return result;
	result = grant_frames(domain, &resource);
	domain_put(domain);
	if (result || resource.frame_list.p)
		return result;
	resource.nr_frames = GRANT_FRAMES_MAX;
	return guest_write(argument, &resource, sizeof(resource));
}

long do_memory_op(uint64_t command_word, uint64_t argument)
{
	uint32_t command = command_word & COMMAND_MASK;
	uint64_t done = command_word >> COMMAND_BITS;

	if (done && command != XENMEM_populate_physmap && command != XENMEM_increase_reservation &&
	    command != XENMEM_decrease_reservation)
		return -ENOSYS;
	switch (command) {
	case XENMEM_populate_physmap:
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:		return reservation(command, done, argument);
	case XENMEM_exchange:				return memory_exchange(argument);
	case XENMEM_maximum_ram_page:			return (long)frame_limit;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:		return frames_of(command, argument);
	case XENMEM_machphys_mapping:			return machphys_mapping(argument);
	case XENMEM_machine_memory_map:			return machine_memory_map(argument);
	case XENMEM_acquire_resource:			return acquire_resource(argument);
	default:					return -ENOSYS;
	}
}
