/* SPDX-License-Identifier: MIT */
/*
 * PHYSDEVOP_*: what a guest asks about interrupts and I/O ports of the machine. An interrupt is a message of a function
 * that the toolstack has assigned to the guest (pci/pci.h); lines are given to nobody.
 */
#include <xen/physdev.h>

#include "cpu/irq.h"
#include "domain/hypercall.h"
#include "event/channel.h"
#include "pci/pci.h"

#define IOPL_MAX	3
#define IO_PORTS	65536

union physdev_operation {
	struct physdev_irq_status_query query;
	struct physdev_set_iopl iopl;
	struct physdev_set_iobitmap iobitmap;
	struct physdev_eoi eoi;
	struct physdev_map_pirq map;
	struct physdev_unmap_pirq unmap;
};

static bool is_caller(domid_t id) { return id == DOMID_SELF || id == current_vcpu()->domain->id; }

/* As Linux calls it: MSI-X if there is a table, and one message at a time. The caller's wish for a number is not heard. */
static int map(struct physdev_map_pirq *map)
{
	uint32_t sbdf = (uint32_t)map->bus << 8 | (map->devfn & 0xff), pirq;
	int error;

	if (!is_caller(map->domid))
		return -EPERM;
	if ((map->type != MAP_PIRQ_TYPE_MSI && map->type != MAP_PIRQ_TYPE_MSI_SEG) || map->entry_nr < 0)
		return -EINVAL;
	error = pci_msi_map(current_vcpu()->domain, sbdf, (uint32_t)map->entry_nr, map->table_base != 0, &pirq);
	if (!error)
		map->pirq = (int)pirq;
	return error;
}

static int unmap(uint32_t pirq, domid_t domain)
{
	return is_caller(domain) ? pci_msi_unmap(current_vcpu()->domain, pirq) : -EPERM;
}

static int run(uint32_t number, union physdev_operation *op)
{
	switch (number) {
	case PHYSDEVOP_eoi:
		/* All pirqs are edges: there is nothing to unmask. */
		return pirq_is_bound_to(op->eoi.irq, current_vcpu()->domain) ? 0 : -EINVAL;
	case PHYSDEVOP_set_iopl:
		if (op->iopl.iopl > IOPL_MAX)
			return -EINVAL;
		current_vcpu()->iopl = op->iopl.iopl;
		return 0;
	case PHYSDEVOP_set_iobitmap:
		/* None is what everybody has; one would let user mode use ports, which no guest is given. */
		if (op->iobitmap.nr_ports > IO_PORTS)
			return -EINVAL;
		return op->iobitmap.nr_ports == 0 ? 0 : -ENOSYS;
	case PHYSDEVOP_map_pirq:
	case PHYSDEVOP_unmap_pirq:
		if (current_vcpu()->domain->is_frozen)
			return -EPERM;
		return number == PHYSDEVOP_map_pirq ? map(&op->map) : unmap((uint32_t)op->unmap.pirq, op->unmap.domid);
	default:
		if (op->query.irq >= PIRQ_COUNT)
			return -EINVAL;
		op->query.flags = XENIRQSTAT_needs_eoi;
		return 0;
	}
}

long do_physdev_op(uint64_t command, uint64_t argument)
{
	static const struct { uint8_t bytes; bool is_answered; } operations[] = {
		[PHYSDEVOP_irq_status_query] = { sizeof(struct physdev_irq_status_query), true },
		[PHYSDEVOP_set_iopl] = { sizeof(struct physdev_set_iopl), false },
		[PHYSDEVOP_set_iobitmap] = { sizeof(struct physdev_set_iobitmap), false },
		[PHYSDEVOP_eoi] = { sizeof(struct physdev_eoi), false },
		[PHYSDEVOP_map_pirq] = { sizeof(struct physdev_map_pirq), true },
		[PHYSDEVOP_unmap_pirq] = { sizeof(struct physdev_unmap_pirq), false },
	};
	uint32_t number = (uint32_t)command;
	union physdev_operation op;
	int error;

	if (number >= ARRAY_SIZE(operations) || operations[number].bytes == 0)
		return -ENOSYS;
	if (guest_read(&op, argument, operations[number].bytes))
		return -EFAULT;
	error = run(number, &op);
	if (error || !operations[number].is_answered)
		return error;
	error = guest_write(argument, &op, operations[number].bytes);
	/* Nobody knows its number. */
	if (error && number == PHYSDEVOP_map_pirq)
		(void)unmap((uint32_t)op.map.pirq, DOMID_SELF);
	return error;
}
