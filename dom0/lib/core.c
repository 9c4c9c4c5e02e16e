/* SPDX-License-Identifier: MIT */
/*
 * Every argument of a hypercall is copied into memory that libxencall gives: only that is sure to stay in place while
 * the core looks at it.
 */
#include "lib/core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/memory.h>
#include <xen/version.h>

#define LARGE_ORDER	9		/* 2 MiB: what the builder asks for as long as there are such */
#define MIN(a, b)	((a) < (b) ? (a) : (b))

int core_open(struct core *core)
{
	core->call = xencall_open(NULL, 0);
	core->memory = core->call ? xenforeignmemory_open(NULL, 0) : NULL;
	if (core->memory)
		return 0;
	if (core->call)
		xencall_close(core->call);
	core->call = NULL;
	return -(errno ? errno : ENODEV);
}

void core_close(struct core *core)
{
	if (core->memory)
		xenforeignmemory_close(core->memory);
	if (core->call)
		xencall_close(core->call);
	*core = (struct core){ 0 };
}

/* ---- the ways in ---- */

static void *buffer_copy(struct core *core, const void *from, size_t bytes)
{
	void *buffer = xencall_alloc_buffer(core->call, bytes);

	if (buffer && from)
		memcpy(buffer, from, bytes);
	return buffer;
}

/* A hypercall of a command and one structure, which comes back with the answer in it. */
static int call_command(struct core *core, unsigned int hypercall, uint64_t command, void *argument, size_t bytes)
{
	void *buffer = buffer_copy(core, argument, bytes);
	int result;

	if (!buffer)
		return -ENOMEM;
	result = xencall2(core->call, hypercall, command, (uintptr_t)buffer);
	result = result < 0 ? -errno : result;
	memcpy(argument, buffer, bytes);
	xencall_free_buffer(core->call, buffer);
	return result;
}

/* A hypercall of one structure. */
static int call_structure(struct core *core, unsigned int hypercall, void *argument, size_t bytes)
{
	void *buffer = buffer_copy(core, argument, bytes);
	int result;

	if (!buffer)
		return -ENOMEM;
	do
		result = xencall1(core->call, hypercall, (uintptr_t)buffer) < 0 ? -errno : 0;
	while (result == -EAGAIN || result == -EINTR);
	memcpy(argument, buffer, bytes);
	xencall_free_buffer(core->call, buffer);
	return result;
}

static int domctl(struct core *core, uint32_t command, domid_t id, struct xen_domctl *operation)
{
	operation->cmd = command;
	operation->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	operation->domain = id;
	return call_structure(core, __HYPERVISOR_domctl, operation, sizeof(*operation));
}

static int sysctl(struct core *core, uint32_t command, struct xen_sysctl *operation)
{
	operation->cmd = command;
	operation->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return call_structure(core, __HYPERVISOR_sysctl, operation, sizeof(*operation));
}

/* ---- domains ---- */

int core_domain_create(struct core *core, const uint8_t uuid[16], uint32_t vcpus, domid_t *id)
{
	struct xen_domctl operation = { 0 };
	struct xen_domctl_createdomain *new = &operation.u.createdomain;
	int error;

	memcpy(new->handle, uuid, sizeof(new->handle));
	new->max_vcpus = vcpus;
	new->max_evtchn_port = UINT32_MAX;
	new->max_grant_frames = -1;
	new->max_maptrack_frames = -1;
	new->grant_opts = XEN_DOMCTL_GRANT_version(1);
	error = domctl(core, XEN_DOMCTL_createdomain, DOMID_INVALID, &operation);
	if (error)
		return error;
	*id = operation.domain;

	operation = (struct xen_domctl){ .u.max_vcpus.max = vcpus };
	error = domctl(core, XEN_DOMCTL_max_vcpus, *id, &operation);
	if (error)
		core_domain_destroy(core, *id);
	return error;
}

int core_domain_destroy(struct core *core, domid_t id)
{
	struct xen_domctl operation = { 0 };

	return domctl(core, XEN_DOMCTL_destroydomain, id, &operation);
}

int core_domain_pause(struct core *core, domid_t id)
{
	struct xen_domctl operation = { 0 };

	return domctl(core, XEN_DOMCTL_pausedomain, id, &operation);
}

int core_domain_unpause(struct core *core, domid_t id)
{
	struct xen_domctl operation = { 0 };

	return domctl(core, XEN_DOMCTL_unpausedomain, id, &operation);
}

int core_domain_list(struct core *core, domid_t first, struct xen_domctl_getdomaininfo *info, uint32_t room)
{
	struct xen_sysctl operation = { 0 };
	struct xen_domctl_getdomaininfo *buffer = xencall_alloc_buffer(core->call, room * sizeof(*info));
	int error;

	if (!buffer)
		return -ENOMEM;
	operation.u.getdomaininfolist.first_domain = first;
	operation.u.getdomaininfolist.max_domains = room;
	set_xen_guest_handle(operation.u.getdomaininfolist.buffer, buffer);
	error = sysctl(core, XEN_SYSCTL_getdomaininfolist, &operation);
	if (!error)
		memcpy(info, buffer, operation.u.getdomaininfolist.num_domains * sizeof(*info));
	xencall_free_buffer(core->call, buffer);
	return error ? error : (int)operation.u.getdomaininfolist.num_domains;
}

int core_domain_info(struct core *core, domid_t id, struct xen_domctl_getdomaininfo *info)
{
	int count = core_domain_list(core, id, info, 1);

	if (count < 0)
		return count;
	return count == 1 && info->domain == id ? 0 : -ESRCH;
}

int core_memory_limit_set(struct core *core, domid_t id, uint64_t kib)
{
	struct xen_domctl operation = { .u.max_mem.max_memkb = kib };

	return domctl(core, XEN_DOMCTL_max_mem, id, &operation);
}

int core_time_offset_set(struct core *core, domid_t id, int64_t seconds)
{
	struct xen_domctl operation = { .u.settimeoffset.time_offset_seconds = seconds };

	return domctl(core, XEN_DOMCTL_settimeoffset, id, &operation);
}

/* ---- vcpus ---- */

static int vcpu_context(struct core *core, uint32_t command, domid_t id, uint32_t vcpu, vcpu_guest_context_t *context)
{
	struct xen_domctl operation = { .u.vcpucontext.vcpu = vcpu };
	vcpu_guest_context_t *buffer = buffer_copy(core, context, sizeof(*context));
	int error;

	if (!buffer)
		return -ENOMEM;
	set_xen_guest_handle(operation.u.vcpucontext.ctxt, buffer);
	error = domctl(core, command, id, &operation);
	memcpy(context, buffer, sizeof(*context));
	xencall_free_buffer(core->call, buffer);
	return error;
}

int core_vcpu_context_set(struct core *core, domid_t id, uint32_t vcpu, const vcpu_guest_context_t *context)
{
	vcpu_guest_context_t copy = *context;

	return vcpu_context(core, XEN_DOMCTL_setvcpucontext, id, vcpu, &copy);
}

int core_vcpu_context_get(struct core *core, domid_t id, uint32_t vcpu, vcpu_guest_context_t *context)
{
	return vcpu_context(core, XEN_DOMCTL_getvcpucontext, id, vcpu, context);
}

int core_vcpu_info(struct core *core, domid_t id, uint32_t vcpu, struct xen_domctl_getvcpuinfo *info)
{
	struct xen_domctl operation = { .u.getvcpuinfo.vcpu = vcpu };
	int error = domctl(core, XEN_DOMCTL_getvcpuinfo, id, &operation);

	*info = operation.u.getvcpuinfo;
	return error;
}

static int vcpu_affinity(struct core *core, uint32_t command, domid_t id, uint32_t vcpu, uint64_t *cpus)
{
	struct xen_domctl operation = { 0 };
	struct xen_domctl_vcpuaffinity *affinity = &operation.u.vcpuaffinity;
	uint64_t *buffer = buffer_copy(core, cpus, sizeof(*cpus));
	int error;

	if (!buffer)
		return -ENOMEM;
	affinity->vcpu = vcpu;
	affinity->flags = XEN_VCPUAFFINITY_HARD;
	affinity->cpumap_hard.nr_bits = 64;
	set_xen_guest_handle(affinity->cpumap_hard.bitmap, (uint8_t *)buffer);
	error = domctl(core, command, id, &operation);
	*cpus = *buffer;
	xencall_free_buffer(core->call, buffer);
	return error;
}

int core_vcpu_affinity_set(struct core *core, domid_t id, uint32_t vcpu, uint64_t cpus)
{
	return vcpu_affinity(core, XEN_DOMCTL_setvcpuaffinity, id, vcpu, &cpus);
}

int core_vcpu_affinity_get(struct core *core, domid_t id, uint32_t vcpu, uint64_t *cpus)
{
	*cpus = 0;
	return vcpu_affinity(core, XEN_DOMCTL_getvcpuaffinity, id, vcpu, cpus);
}

/* ---- our own ---- */

static int own_domctl(struct core *core, uint32_t command, domid_t id, void *argument, size_t bytes)
{
	struct xen_domctl operation = { 0 };
	int error;

	memcpy(&operation.u, argument, bytes);
	error = domctl(core, command, id, &operation);
	memcpy(argument, &operation.u, bytes);
	return error;
}

int core_sched(struct core *core, domid_t id, struct skink_domctl_sched *sched)
{
	return own_domctl(core, SKINK_DOMCTL_sched, id, sched, sizeof(*sched));
}

int core_account(struct core *core, domid_t id, struct skink_domctl_account *account)
{
	return own_domctl(core, SKINK_DOMCTL_account, id, account, sizeof(*account));
}

int core_dma_pool(struct core *core, domid_t id, struct skink_domctl_dma_pool *pool)
{
	return own_domctl(core, SKINK_DOMCTL_dma_pool, id, pool, sizeof(*pool));
}

int core_pci_function(struct core *core, struct skink_domctl_pci_function *function)
{
	return own_domctl(core, SKINK_DOMCTL_pci_function, 0, function, sizeof(*function));
}

int core_device_assign(struct core *core, domid_t id, uint32_t function)
{
	struct xen_domctl operation = { .u.assign_device = { .dev = XEN_DOMCTL_DEV_PCI, .u.pci.machine_sbdf = function } };

	return domctl(core, XEN_DOMCTL_assign_device, id, &operation);
}

int core_driver_info(struct core *core, domid_t id, struct skink_driver_info *info)
{
	struct skink_driver_info *buffer = xencall_alloc_buffer(core->call, sizeof(*info));
	struct skink_domctl_driver_info wanted = { (uintptr_t)buffer, sizeof(*info) };
	int error;

	if (!buffer)
		return -ENOMEM;
	error = own_domctl(core, SKINK_DOMCTL_driver_info, id, &wanted, sizeof(wanted));
	if (!error)
		memcpy(info, buffer, sizeof(*info));
	xencall_free_buffer(core->call, buffer);
	return error;
}

int core_driver(struct core *core, domid_t id, struct skink_domctl_driver *driver)
{
	return own_domctl(core, SKINK_DOMCTL_driver, id, driver, sizeof(*driver));
}

int core_renew(struct core *core, domid_t id)
{
	struct xen_domctl operation = { 0 };

	return domctl(core, SKINK_DOMCTL_renew, id, &operation);
}

/* ---- memory ---- */

/* How many of the `count` extents of 2^order frames, whose first frames stand in extent[], have been given. */
static int populate(struct core *core, domid_t id, unsigned int order, xen_pfn_t *extent, uint64_t count)
{
	struct xen_memory_reservation request = { .nr_extents = count, .extent_order = order, .domid = id };
	xen_pfn_t *buffer = buffer_copy(core, extent, count * sizeof(*extent));
	int result;

	if (!buffer)
		return -ENOMEM;
	set_xen_guest_handle(request.extent_start, buffer);
	result = call_command(core, __HYPERVISOR_memory_op, XENMEM_populate_physmap, &request, sizeof(request));
	memcpy(extent, buffer, count * sizeof(*extent));
	xencall_free_buffer(core->call, buffer);
	return result;
}

/* As many as possible of the frames [*done, count), in extents of 2^order. 0 or -errno. */
static int populate_by_order(struct core *core, domid_t id, uint64_t first, uint64_t count, unsigned int order,
			     xen_pfn_t *mfn, uint64_t *done)
{
	xen_pfn_t extent[512];
	uint64_t extents;
	int given;

	do {
		extents = MIN((count - *done) >> order, sizeof(extent) / sizeof(extent[0]));
		for (uint64_t i = 0; i < extents; i++)
			extent[i] = first + *done + (i << order);
		given = extents ? populate(core, id, order, extent, extents) : 0;
		if (given < 0)
			return given;
		for (int e = 0; e < given; e++)
			for (uint64_t i = 0; i < 1UL << order; i++)
				mfn[(*done)++] = extent[e] + i;
	} while (extents && (uint64_t)given == extents);
	return 0;
}

int core_populate(struct core *core, domid_t id, uint64_t first, uint64_t count, xen_pfn_t *mfn)
{
	uint64_t done = 0;
	int error = populate_by_order(core, id, first, count, LARGE_ORDER, mfn, &done);

	if (!error)
		error = populate_by_order(core, id, first, count, 0, mfn, &done);
	return error ? error : done == count ? 0 : -ENOMEM;
}

int core_populate_block(struct core *core, domid_t id, uint64_t first, unsigned int order, xen_pfn_t *mfn)
{
	xen_pfn_t extent = first;
	int given = populate(core, id, order, &extent, 1);

	for (uint64_t i = 0; given == 1 && i < 1UL << order; i++)
		mfn[i] = extent + i;
	return given < 0 ? given : given == 1 ? 0 : -ENOMEM;
}

static int mmuext(struct core *core, domid_t id, unsigned int command, xen_pfn_t mfn)
{
	struct mmuext_op operation = { .cmd = command, .arg1.mfn = mfn };
	struct mmuext_op *buffer = buffer_copy(core, &operation, sizeof(operation));
	int error;

	if (!buffer)
		return -ENOMEM;
	error = xencall4(core->call, __HYPERVISOR_mmuext_op, (uintptr_t)buffer, 1, 0, id) < 0 ? -errno : 0;
	xencall_free_buffer(core->call, buffer);
	return error;
}

int core_pin_root(struct core *core, domid_t id, xen_pfn_t mfn)
{
	return mmuext(core, id, MMUEXT_PIN_L4_TABLE, mfn);
}

int core_renumber(struct core *core, domid_t id, const struct mmu_update *update, uint32_t count)
{
	struct mmu_update *buffer = buffer_copy(core, update, count * sizeof(*update));
	int error;

	if (!buffer)
		return -ENOMEM;
	error = xencall4(core->call, __HYPERVISOR_mmu_update, (uintptr_t)buffer, count, 0, id) < 0 ? -errno : 0;
	xencall_free_buffer(core->call, buffer);
	return error;
}

void *core_map(struct core *core, domid_t id, int protection, const xen_pfn_t *mfn, size_t count)
{
	return xenforeignmemory_map(core->memory, id, protection, count, mfn, NULL);
}

void core_unmap(struct core *core, void *at, size_t count)
{
	if (at)
		xenforeignmemory_unmap(core->memory, at, count);
}

int core_port_for_dom0(struct core *core, domid_t id)
{
	struct evtchn_alloc_unbound request = { .dom = id, .remote_dom = 0 };
	int error = call_command(core, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request,
				 sizeof(request));

	return error ? error : (int)request.port;
}

int core_port_status(struct core *core, domid_t id, uint32_t port, struct evtchn_status *status)
{
	*status = (struct evtchn_status){ .dom = id, .port = port };
	return call_command(core, __HYPERVISOR_event_channel_op, EVTCHNOP_status, status, sizeof(*status));
}

int core_port_send(struct core *core, uint32_t port)
{
	struct evtchn_send send = { port };

	return call_command(core, __HYPERVISOR_event_channel_op, EVTCHNOP_send, &send, sizeof(send));
}

/* ---- the machine ---- */

int core_machine(struct core *core, struct xen_sysctl_physinfo *info)
{
	struct xen_sysctl operation = { 0 };
	int error = sysctl(core, XEN_SYSCTL_physinfo, &operation);

	*info = operation.u.physinfo;
	return error;
}

int core_log(struct core *core, char *text, uint32_t room)
{
	struct xen_sysctl operation = { .u.readconsole.count = room };
	char *buffer = xencall_alloc_buffer(core->call, room);
	int error;

	if (!buffer)
		return -ENOMEM;
	set_xen_guest_handle(operation.u.readconsole.buffer, buffer);
	error = sysctl(core, XEN_SYSCTL_readconsole, &operation);
	if (!error)
		memcpy(text, buffer, MIN(operation.u.readconsole.count, room));
	xencall_free_buffer(core->call, buffer);
	return error ? error : (int)MIN(operation.u.readconsole.count, room);
}

int core_version(struct core *core, char *text, size_t room)
{
	xen_extraversion_t extra = { 0 };
	int version = xencall2(core->call, __HYPERVISOR_xen_version, XENVER_version, 0);
	int error = call_command(core, __HYPERVISOR_xen_version, XENVER_extraversion, extra, sizeof(extra));

	if (version < 0 || error < 0)
		return version < 0 ? -errno : error;
	extra[sizeof(extra) - 1] = 0;
	snprintf(text, room, "%d.%d%s", version >> 16, version & 0xffff, extra);
	return 0;
}
