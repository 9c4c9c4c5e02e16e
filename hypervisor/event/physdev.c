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

union physdev_operation {
	struct physdev_set_iopl iopl;
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

static int unmap(uint32_t pirq, domid_t domain) { return is_caller(domain) ? pci_msi_unmap(current_vcpu()->domain, pirq) : -EPERM; }

static int set_iopl(const struct physdev_set_iopl *set)
{
	if (set->iopl > IOPL_MAX)
		return -EINVAL;
	current_vcpu()->iopl = set->iopl;
	return 0;
}

/* All pirqs are edges: whoever asks finds that none has to be unmasked, as irq_status_query and eoi are not there. */
static const uint8_t operation_bytes[] = {
	[PHYSDEVOP_set_iopl] = sizeof(struct physdev_set_iopl),
	[PHYSDEVOP_map_pirq] = sizeof(struct physdev_map_pirq),
	[PHYSDEVOP_unmap_pirq] = sizeof(struct physdev_unmap_pirq),
};

long do_physdev_op(uint64_t command, uint64_t argument)
{
	uint32_t number = (uint32_t)command, bytes = number < ARRAY_SIZE(operation_bytes) ? operation_bytes[number] : 0;
	union physdev_operation op;
	int error;

	if (!bytes)
		return -ENOSYS;
	if (guest_read(&op, argument, bytes))
		return -EFAULT;
	if (number == PHYSDEVOP_set_iopl)
		return set_iopl(&op.iopl);
	if (current_vcpu()->domain->is_frozen)
		return -EPERM;
	if (number == PHYSDEVOP_unmap_pirq)
		return unmap((uint32_t)op.unmap.pirq, op.unmap.domid);
	error = map(&op.map);
	if (!error && guest_write(argument, &op, bytes)) {
		(void)unmap((uint32_t)op.map.pirq, DOMID_SELF);		/* nobody knows its number */
		error = -EFAULT;
	}
	return error;
}
