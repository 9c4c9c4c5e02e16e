/* SPDX-License-Identifier: MIT */
/*
 * PHYSDEVOP_*: what a guest asks about interrupts and I/O ports of the machine. Interrupts are given to a domain
 * together with its device, by the toolstack, so nothing here hands any out.
 */
#include "include/types.h"

#include <xen/physdev.h>

#include "cpu/cpu.h"
#include "cpu/irq.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "event/channel.h"
#include "include/errno.h"

#define IOPL_MAX	3
#define IO_PORTS	65536

static long eoi(uint64_t argument)
{
	struct physdev_eoi op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (!pirq_is_bound_to(op.irq, current_vcpu()->domain))
		return -EINVAL;
	pirq_unmask(op.irq);
	return 0;
}

static long irq_status_query(uint64_t argument)
{
	struct physdev_irq_status_query op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (op.irq >= PIRQ_COUNT)
		return -EINVAL;
	op.flags = XENIRQSTAT_needs_eoi;
	return guest_write(argument, &op, sizeof(op));
}

static long set_iopl(uint64_t argument)
{
	struct physdev_set_iopl op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (op.iopl > IOPL_MAX)
		return -EINVAL;
	current_vcpu()->iopl = op.iopl;
	return 0;
}

/* None is what everybody has; a bitmap would let a guest's user mode use ports, which no guest is given. */
static long set_iobitmap(uint64_t argument)
{
	struct physdev_set_iobitmap op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (op.nr_ports > IO_PORTS)
		return -EINVAL;
	return op.nr_ports == 0 ? 0 : -ENOSYS;
}

long do_physdev_op(uint64_t command, uint64_t argument)
{
	switch ((uint32_t)command) {
	case PHYSDEVOP_eoi: return eoi(argument);
	case PHYSDEVOP_irq_status_query: return irq_status_query(argument);
	case PHYSDEVOP_set_iopl: return set_iopl(argument);
	case PHYSDEVOP_set_iobitmap: return set_iobitmap(argument);
	default: return -ENOSYS;
	}
}
