/* SPDX-License-Identifier: MIT */
/* sysctl: what Domain-0 may know of the machine. The structures are those of Xen 4.17. */

#include <xen/sysctl.h>

#include "cpu/timer_hw.h"
#include "domain/domctl.h"
#include "domain/hypercall.h"
#include "iommu/iommu.h"
#include "mem/alloc.h"
#include "mem/frame.h"

#define CHUNK_BYTES 256

/* `index` is the place in all that was ever said; what is not kept any more is left out. */
static int read_console(struct xen_sysctl_readconsole *read)
{
	uint32_t place = read->incremental ? read->index : log_first(), done = 0, count;
	char text[CHUNK_BYTES];

	do {
		count = log_read(&place, text, MIN(read->count - done, (uint32_t)sizeof(text)));
		if (count && guest_write(handle_address(read->buffer, done), text, count))
			return -EFAULT;
		done += count;
	} while (count);
	if (read->clear)
		log_forget();
	read->index = place;
	read->count = done;
	return 0;
}

static int get_machine(struct xen_sysctl_physinfo *info)
{
	*info = (struct xen_sysctl_physinfo){
		.threads_per_core = 1, .cores_per_socket = cpu_count, .nr_cpus = cpu_count,
		.max_cpu_id = cpu_count - 1, .nr_nodes = 1, .cpu_khz = tsc_khz,
		.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 |
				(iommu_is_there() ? XEN_SYSCTL_PHYSCAP_directio : 0),
		.total_pages = frames_total(), .free_pages = frames_free(), .max_mfn = frame_limit - 1,
	};
	return 0;
}

static int list_domains(struct xen_sysctl_getdomaininfolist *list)
{
	struct xen_domctl_getdomaininfo info;
	uint32_t from = list->first_domain, found;
	struct domain *domain;

	for (found = 0; found < list->max_domains; found++) {
		domain = domain_get_from(from);
		if (!domain)
			break;
		from = domain->id + 1U;
		domain_get_info(domain, &info);
		domain_put(domain);
		if (handle_write(list->buffer, found, &info))
			return -EFAULT;
	}
	list->num_domains = found;
	return 0;
}

static int list_idle_times(struct xen_sysctl_getcpuinfo *list)
{
	struct vcpu_runstate_info runstate;

	list->nr_cpus = MIN(list->max_cpus, cpu_count);
	for (uint32_t i = 0; i < list->nr_cpus; i++) {
		sched_get_runstate(cpu_by_id[i]->idle, &runstate);
		if (handle_write(list->info, i, &(xen_sysctl_cpuinfo_t){ runstate.time[RUNSTATE_running] }))
			return -EFAULT;
	}
	return 0;
}

/* One socket of CPUs that share nothing, in one node. */
static int list_cpus(struct xen_sysctl_cputopoinfo *list)
{
	uint32_t count = list->cputopo.p ? MIN(list->num_cpus, cpu_count) : 0;

	for (uint32_t i = 0; i < count; i++)
		if (handle_write(list->cputopo, i, &(xen_sysctl_cputopo_t){ .core = i }))
			return -EFAULT;
	list->num_cpus = cpu_count;
	return 0;
}

static int list_nodes(struct xen_sysctl_numainfo *list)
{
	xen_sysctl_meminfo_t memory = { frames_total() << PAGE_SHIFT, frames_free() << PAGE_SHIFT };
	uint32_t distance = 10;		/* to oneself, as ACPI counts */

	if (list->num_nodes && ((list->meminfo.p && handle_write(list->meminfo, 0, &memory)) ||
				(list->distance.p && handle_write(list->distance, 0, &distance))))
		return -EFAULT;
	list->num_nodes = 1;
	return 0;
}

/* There is one pool, 0, with all CPUs and all domains. */
static int get_pool(struct xen_sysctl_cpupool_op *pool)
{
	struct domain *domain;

	if (pool->op == XEN_SYSCTL_CPUPOOL_OP_FREEINFO)
		return cpumap_write(&pool->cpumap, 0);
	if (pool->op != XEN_SYSCTL_CPUPOOL_OP_INFO)
		return -EOPNOTSUPP;
	if (pool->cpupool_id != 0 && pool->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY)
		return -ENOENT;
	pool->cpupool_id = pool->sched_id = pool->n_dom = 0;
	for (uint32_t id = 0; (domain = domain_get_from(id)) != NULL; pool->n_dom++) {
		id = domain->id + 1U;
		domain_put(domain);
	}
	return cpumap_write(&pool->cpumap, cpumap_all(cpu_count));
}

static int run(struct xen_sysctl *op)
{
	switch (op->cmd) {
	case XEN_SYSCTL_readconsole:		return read_console(&op->u.readconsole);
	case XEN_SYSCTL_physinfo:		return get_machine(&op->u.physinfo);
	case XEN_SYSCTL_sched_id:
		op->u.sched_id.sched_id = 0;	/* none of Xen's; its tools say "unknown" */
		return 0;
	case XEN_SYSCTL_getdomaininfolist:	return list_domains(&op->u.getdomaininfolist);
	case XEN_SYSCTL_getcpuinfo:		return list_idle_times(&op->u.getcpuinfo);
	case XEN_SYSCTL_cputopoinfo:		return list_cpus(&op->u.cputopoinfo);
	case XEN_SYSCTL_numainfo:		return list_nodes(&op->u.numainfo);
	case XEN_SYSCTL_cpupool_op:		return get_pool(&op->u.cpupool_op);
	default:				return -ENOSYS;
	}
}

long do_sysctl(uint64_t operation)
{
	struct xen_sysctl op;
	int error;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (guest_read(&op, operation, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	error = run(&op);
	return error ? error : guest_write(operation, &op, sizeof(op));
}
