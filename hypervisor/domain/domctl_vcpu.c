/* SPDX-License-Identifier: MIT */
/* domctl on vcpus: their registers, where they run, and what they have used. */
#include "domain/domctl.h"

#include "sched/queue.h"

/* ---- sets of CPUs ---- */

int cpumap_read(const struct xenctl_bitmap *map, cpumask_t *cpus)
{
	uint32_t bits = MIN(map->nr_bits, (uint32_t)MAX_CPUS);

	*cpus = 0;
	if (bits && guest_read(cpus, handle_address(map->bitmap, 0), (bits + 7) / 8))
		return -EFAULT;
	*cpus &= bits ? cpumap_all(bits) : 0;
	return 0;
}

int cpumap_write(const struct xenctl_bitmap *map, cpumask_t cpus)
{
	cpumask_t words[8] = { cpus };
	size_t bytes = MIN((map->nr_bits + 7) / 8, sizeof(words));

	return bytes ? guest_write(handle_address(map->bitmap, 0), words, bytes) : 0;
}

/* ---- registers ---- */

/* With VGCF_online it may run, as soon as its domain does. */
static int set_context(struct vcpu *vcpu, uint64_t address, struct vcpu_guest_context *context)
{
	int error = guest_read(context, address, sizeof(*context));

	if (!error && vcpu->is_initialised)
		return vcpu_change_registers(vcpu, context);
	if (!error)
		error = vcpu_set_context(vcpu, context);
	if (!error && (context->flags & VGCF_online)) {
		write_once(&vcpu->is_up, true);
		sched_vcpu_update(vcpu);
	}
	return error;
}

static int get_context(struct vcpu *vcpu, uint64_t address, struct vcpu_guest_context *context)
{
	if (!vcpu->is_initialised)
		return -ENODATA;
	domain_pause(vcpu->domain);
	vcpu_get_context(vcpu, context);
	domain_unpause(vcpu->domain);
	return guest_write(address, context, sizeof(*context));
}

static int with_context(struct vcpu *vcpu, uint64_t address,
			int (*run)(struct vcpu *vcpu, uint64_t address, struct vcpu_guest_context *context))
{
	struct vcpu_guest_context *context;	/* too large for the stack */
	int error;

	if (!vcpu || vcpu->domain == current_vcpu()->domain)
		return -EINVAL;
	context = heap_alloc(sizeof(*context));
	if (!context)
		return -ENOMEM;
	error = run(vcpu, address, context);
	heap_free(context);
	return error;
}

/* ---- where, and how long ---- */

static int get_info(struct vcpu *vcpu, struct xen_domctl_getvcpuinfo *info)
{
	struct vcpu_runstate_info runstate;

	if (!vcpu)
		return -EINVAL;
	sched_get_runstate(vcpu, &runstate);
	info->online = read_once(&vcpu->is_up);
	info->blocked = read_once(&vcpu->sched.is_blocked);
	info->running = read_once(&vcpu->is_running);
	info->cpu_time = runstate.time[RUNSTATE_running];
	info->cpu = read_once(&vcpu->cpu)->id;
	return 0;
}

static int set_affinity(struct vcpu *vcpu, const struct xen_domctl_vcpuaffinity *affinity)
{
	cpumask_t online = cpumap_all(cpu_count), hard, soft = 0;

	if ((affinity->flags & XEN_VCPUAFFINITY_HARD) && cpumap_read(&affinity->cpumap_hard, &hard))
		return -EFAULT;
	if ((affinity->flags & XEN_VCPUAFFINITY_SOFT) && cpumap_read(&affinity->cpumap_soft, &soft))
		return -EFAULT;
	if (affinity->flags & XEN_VCPUAFFINITY_HARD) {
		if (!(hard & online))
			return -EINVAL;
		write_once(&vcpu->affinity, hard);
		sched_vcpu_update(vcpu);
		if (cpumap_write(&affinity->cpumap_hard, hard & online))
			return -EFAULT;
	}
	/* There is no soft one: what it may use it uses alike. */
	if (affinity->flags & XEN_VCPUAFFINITY_SOFT)
		return cpumap_write(&affinity->cpumap_soft, read_once(&vcpu->affinity) & online);
	return 0;
}

static int get_affinity(struct vcpu *vcpu, const struct xen_domctl_vcpuaffinity *affinity)
{
	if ((affinity->flags & XEN_VCPUAFFINITY_HARD) &&
	    cpumap_write(&affinity->cpumap_hard, read_once(&vcpu->affinity)))
		return -EFAULT;
	return affinity->flags & XEN_VCPUAFFINITY_SOFT ? cpumap_write(&affinity->cpumap_soft, UINT64_MAX) : 0;
}

static int affinity(struct vcpu *vcpu, const struct xen_domctl *op)
{
	const struct xen_domctl_vcpuaffinity *affinity = &op->u.vcpuaffinity;

	if (!vcpu || affinity->flags & ~(XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT) || !affinity->flags)
		return -EINVAL;
	return (op->cmd == XEN_DOMCTL_setvcpuaffinity ? set_affinity : get_affinity)(vcpu, affinity);
}

int domctl_vcpu(struct domain *domain, struct xen_domctl *op)
{
	uint32_t id = op->u.vcpucontext.vcpu;	/* the first field of them all */
	struct vcpu *vcpu = id < domain->vcpu_max ? domain->vcpu[id] : NULL;
	uint64_t context = handle_address(op->u.vcpucontext.ctxt, 0);

	switch (op->cmd) {
	case XEN_DOMCTL_setvcpucontext:		return with_context(vcpu, context, set_context);
	case XEN_DOMCTL_getvcpucontext:		return with_context(vcpu, context, get_context);
	case XEN_DOMCTL_getvcpuinfo:		return get_info(vcpu, &op->u.getvcpuinfo);
	case XEN_DOMCTL_setvcpuaffinity:
	case XEN_DOMCTL_getvcpuaffinity:	return affinity(vcpu, op);
	default:				return -ENOSYS;
	}
}
