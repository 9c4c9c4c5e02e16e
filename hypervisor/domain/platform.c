/* SPDX-License-Identifier: MIT */
/* do_platform_op: what Domain-0 may do to the machine. The core has no device, so there is little. */

#include <xen/platform.h>

#include "domain/hypercall.h"

static long set_time(const struct xenpf_settime64 *time)
{
	if (time->mbz || time->nsecs >= NSEC_PER_SEC)
		return -EINVAL;
	time_set_wall_clock(time->secs, time->nsecs, time->system_time);
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

long do_platform_op(uint64_t operation)
{
	struct xen_platform_op op;
	long result = -ENOSYS;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (guest_read(&op, operation, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XENPF_INTERFACE_VERSION)
		return -EACCES;
	if (op.cmd == XENPF_settime64)
		result = set_time(&op.u.settime64);
	if (op.cmd == XENPF_get_cpuinfo)
		result = get_cpuinfo(&op.u.pcpu_info);
	return result ? result : guest_write(operation, &op, sizeof(op));
}
