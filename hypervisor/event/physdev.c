/* SPDX-License-Identifier: MIT */
/*
 * PHYSDEVOP_*: what a guest asks about interrupts and I/O ports of the machine. Interrupts are given to a domain
 * together with its device, by the toolstack, so nothing here hands any out.
 */
#include <xen/physdev.h>

#include "cpu/irq.h"
#include "domain/hypercall.h"
#include "event/channel.h"

#define IOPL_MAX	3
#define IO_PORTS	65536

long do_physdev_op(uint64_t command, uint64_t argument)
{
	static const uint8_t bytes[] = {
		[PHYSDEVOP_irq_status_query] = sizeof(struct physdev_irq_status_query),
		[PHYSDEVOP_set_iopl] = sizeof(struct physdev_set_iopl),
		[PHYSDEVOP_set_iobitmap] = sizeof(struct physdev_set_iobitmap),
		[PHYSDEVOP_eoi] = sizeof(struct physdev_eoi),
	};
	uint32_t number = (uint32_t)command;
	union {
		struct physdev_irq_status_query query;
		struct physdev_set_iopl iopl;
		struct physdev_set_iobitmap iobitmap;
		struct physdev_eoi eoi;
	} op;

	if (number >= ARRAY_SIZE(bytes) || bytes[number] == 0)
		return -ENOSYS;
	if (guest_read(&op, argument, bytes[number]))
		return -EFAULT;
	switch (number) {
	case PHYSDEVOP_eoi:
		/* All pirqs are edges: there is nothing to unmask. */
		return pirq_is_bound_to(op.eoi.irq, current_vcpu()->domain) ? 0 : -EINVAL;
	case PHYSDEVOP_set_iopl:
		if (op.iopl.iopl > IOPL_MAX)
			return -EINVAL;
		current_vcpu()->iopl = op.iopl.iopl;
		return 0;
	case PHYSDEVOP_set_iobitmap:
		/* None is what everybody has; one would let user mode use ports, which no guest is given. */
		if (op.iobitmap.nr_ports > IO_PORTS)
			return -EINVAL;
		return op.iobitmap.nr_ports == 0 ? 0 : -ENOSYS;
	default:
		if (op.query.irq >= PIRQ_COUNT)
			return -EINVAL;
		op.query.flags = XENIRQSTAT_needs_eoi;
		return guest_write(argument, &op.query, sizeof(op.query));
	}
}
