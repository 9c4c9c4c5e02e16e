/* SPDX-License-Identifier: MIT */
/* sysctl: what Domain-0 may know of the machine. The structures are those of Xen 4.17. */

#include <xen/sysctl.h>

#include "cpu/timer_hw.h"
#include "domain/domctl.h"
#include "domain/hypercall.h"
#include "iommu/iommu.h"

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
