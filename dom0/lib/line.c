/* SPDX-License-Identifier: MIT */
#include "lib/line.h"

#include <errno.h>
#include <string.h>

struct line_room {
	struct xen_domctl operation;
	struct skink_driver_info info;
};

_Static_assert(sizeof(struct line_room) <= FRAME_BYTES, "LI1");

int line_open(struct line *line)
{
	*line = (struct line){ .call = xencall_open(NULL, 0) };
	if (line->call)
		line->room = xencall_alloc_buffer(line->call, sizeof(*line->room));
	if (line->room)
		return 0;
	line_close(line);
	return -(errno ? errno : ENODEV);
}

void line_close(struct line *line)
{
	if (line->room)
		xencall_free_buffer(line->call, line->room);
	if (line->call)
		xencall_close(line->call);
	*line = (struct line){ 0 };
}

static int call(struct line *line, uint32_t command, domid_t id, const void *argument, size_t bytes)
{
	struct xen_domctl *operation = &line->room->operation;

	if (!line->room)
		return -ENODEV;
	*operation = (struct xen_domctl){ .cmd = command, .interface_version = XEN_DOMCTL_INTERFACE_VERSION, .domain = id };
	if (bytes)
		memcpy(&operation->u, argument, bytes);
	return xencall1(line->call, __HYPERVISOR_domctl, (uintptr_t)operation) < 0 ? -errno : 0;
}

int line_reset(struct line *line, domid_t id)
{
	return call(line, SKINK_DOMCTL_reset, id, NULL, 0);
}

int line_arm(struct line *line, domid_t id, bool is_on)
{
	const struct skink_domctl_arm arm = { is_on };

	return call(line, SKINK_DOMCTL_arm, id, &arm, sizeof(arm));
}

int line_info(struct line *line, domid_t id, struct skink_driver_info *info)
{
	const struct skink_domctl_driver_info to = { (uintptr_t)&line->room->info, sizeof(*info) };
	int result = call(line, SKINK_DOMCTL_driver_info, id, &to, sizeof(to));

	if (!result)
		*info = line->room->info;
	return result;
}

int line_pause(struct line *line, domid_t id, bool is_on)
{
	return call(line, is_on ? XEN_DOMCTL_pausedomain : XEN_DOMCTL_unpausedomain, id, NULL, 0);
}

int line_vcpu(struct line *line, domid_t id, uint64_t *cpu_ns, bool *is_blocked)
{
	const struct xen_domctl_getvcpuinfo vcpu = { .vcpu = 0 };
	int result = call(line, XEN_DOMCTL_getvcpuinfo, id, &vcpu, sizeof(vcpu));

	*cpu_ns = line->room->operation.u.getvcpuinfo.cpu_time;
	*is_blocked = line->room->operation.u.getvcpuinfo.blocked;
	return result;
}
