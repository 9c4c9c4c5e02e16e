/* SPDX-License-Identifier: MIT */
/* do_platform_op: what Domain-0 may do to the machine. The core has no device, so there is little. */
#include "include/types.h"

#include <xen/platform.h>

#include "cpu/cpu.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "sched/sched.h"

static long settime(uint64_t seconds, uint32_t nanoseconds, uint64_t at_ns)
{
	if (nanoseconds >= NSEC_PER_SEC)
		return -EINVAL;
	time_set_wall_clock(seconds, nanoseconds, at_ns);
	return 0;
}

static long get_cpuinfo(struct xenpf_pcpuinfo *info)
{
	if (info->xen_cpuid >= MAX_CPUS)
		return -EINVAL;
	info->max_present = cpu_count - 1;
	info->flags = XEN_PCPU_FLAGS_INVALID;
	if (info->xen_cpuid < cpu_count) {
		info->flags = XEN_PCPU_FLAGS_ONLINE;
		info->apic_id = cpu_by_id[info->xen_cpuid]->apic_id;
		info->acpi_id = info->xen_cpuid;
	}
	return 0;
}

static long run(struct xen_platform_op *op)
{
	switch (op->cmd) {
	case XENPF_settime32:
		return settime(op->u.settime32.secs, op->u.settime32.nsecs, op->u.settime32.system_time);
	case XENPF_settime64:
		if (op->u.settime64.mbz)
			return -EINVAL;
		return settime(op->u.settime64.secs, op->u.settime64.nsecs, op->u.settime64.system_time);
	case XENPF_get_cpuinfo:
		return get_cpuinfo(&op->u.pcpu_info);
	default:
		return -ENOSYS;
	}
}

long do_platform_op(uint64_t operation)
{
	struct xen_platform_op op;
	long result;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (guest_read(&op, operation, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XENPF_INTERFACE_VERSION)
		return -EACCES;
	result = run(&op);
	if (!result && guest_write(operation, &op, sizeof(op)))
		return -EFAULT;
	return result;
}
