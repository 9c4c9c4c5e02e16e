/* SPDX-License-Identifier: MIT */
/*
 * domctl: Domain-0 makes, watches and ends domains. The structures are those of Xen 4.17, and two commands are our
 * own (protocols/control.h). Lock: domctl_lock, before all others; so operations on domains come one after another.
 */
#include "domain/domctl.h"

#include <control.h>

#include "domain/hypercall.h"
#include "pci/pci.h"
#include "reset/reset.h"
#include "sched/queue.h"

#define FRAME_TYPES_MAX 1024		/* of one call */

static struct spinlock domctl_lock;

bool domctl_try_lock(void) { return spin_try_lock(&domctl_lock); }
void domctl_unlock(void) { spin_unlock(&domctl_lock); }

/* ---- making one ---- */

/* Ids are given in turn, so that one is not soon another's; 0 and those that no domain can have ask for the next. */
static domid_t choose_id(domid_t asked)
{
	static domid_t last;

	if (asked != 0 && asked < DOMID_FIRST_RESERVED)
		return asked;
	for (uint32_t tries = 0; tries < MAX_DOMAINS; tries++) {
		last = last + 1 < MAX_DOMAINS ? last + 1 : 1;
		if (!domain_find(last))
			break;
	}
	return last;
}

static int create(struct xen_domctl *op)
{
	const struct xen_domctl_createdomain *config = &op->u.createdomain;
	struct domain *domain;
	int error;

	/* A paravirtual domain, in the one pool, with what a PV domain has: grants of version 1, no emulated devices. */
	if ((config->flags & ~XEN_DOMCTL_CDF_xs_domain) || config->iommu_opts || config->vmtrace_size ||
	    config->cpupool_id || config->arch.emulation_flags || (config->arch.misc_flags & ~XEN_X86_MSR_RELAXED) ||
	    XEN_DOMCTL_GRANT_version(config->grant_opts) > 2)
		return -EINVAL;
	error = domain_create(choose_id(op->domain), config->max_vcpus, false, &domain);
	if (error)
		return error;
	memcpy(domain->handle, config->handle, sizeof(domain->handle));
	op->domain = domain->id;
	return 0;
}

/* ---- what it is ---- */

static void add_vcpu(struct vcpu *vcpu, struct xen_domctl_getdomaininfo *info)
{
	struct vcpu_runstate_info runstate;

	sched_get_runstate(vcpu, &runstate);
	info->cpu_time += runstate.time[RUNSTATE_running];
	if (!read_once(&vcpu->is_up))
		return;
	info->nr_online_vcpus++;
	if (!read_once(&vcpu->sched.is_blocked))
		info->flags &= ~XEN_DOMINF_blocked;
	if (read_once(&vcpu->is_running))
		info->flags |= XEN_DOMINF_running;
}

void domain_get_info(struct domain *domain, struct xen_domctl_getdomaininfo *info)
{
	*info = (struct xen_domctl_getdomaininfo){
		.domain = domain->id, .flags = XEN_DOMINF_blocked, .tot_pages = read_once(&domain->frame_count),
		.max_pages = read_once(&domain->frame_limit), .max_vcpu_id = domain->vcpu_max - 1,
		.shared_info_frame = virt_to_mfn(domain->shared_info).raw,
	};
	memcpy(info->handle, domain->handle, sizeof(info->handle));
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		add_vcpu(domain->vcpu[i], info);
	if (read_once(&domain->pause_count))
		info->flags |= XEN_DOMINF_paused;
	if (read_once(&domain->is_dying))
		info->flags |= XEN_DOMINF_dying;
	if (load_acquire(&domain->is_shut_down))
		info->flags |= XEN_DOMINF_shutdown |
			       (uint32_t)read_once(&domain->shutdown_reason) << XEN_DOMINF_shutdownshift;
}

static xen_pfn_t frame_info(const struct frame *frame)
{
	uint64_t word = frame ? load_acquire(&frame->type) : 0;
	xen_pfn_t info = (uint64_t)frame_type_of(word) << XEN_DOMCTL_PFINFO_LTAB_SHIFT;

	if (!frame || (read_once(&frame->count) & FRAME_CORE))
		return XEN_DOMCTL_PFINFO_XTAB;
	if (!(word & FRAME_VALIDATED) || frame_type_of(word) > FRAME_L4)
		return XEN_DOMCTL_PFINFO_NOTAB;
	return word & FRAME_PINNED ? info | XEN_DOMCTL_PFINFO_LPINTAB : info;
}

static int get_info(struct domain *domain, struct xen_domctl *op)
{
	domain_get_info(domain, &op->u.getdomaininfo);
	op->domain = domain->id;
	return 0;
}

/* As the caller has written them into its list, which becomes what each is: a page table or not, or not the domain's. */
static int frame_types(struct domain *domain, const struct xen_domctl_getpageframeinfo3 *list)
{
	if (list->num > FRAME_TYPES_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < list->num; i++) {
		xen_pfn_t entry;
		struct frame *frame;

		if (handle_read(&entry, list->array, i))
			return -EFAULT;
		frame = frame_get(mfn(entry), domain);
		entry = frame_info(frame);
		if (frame)
			frame_put(frame);
		if (handle_write(list->array, i, &entry))
			return -EFAULT;
	}
	return 0;
}

/* ---- its life and its limits ---- */

static int pause(struct domain *domain, bool is_on)
{
	if (domain == current_vcpu()->domain || (!is_on && !read_once(&domain->pause_count)))
		return -EINVAL;
	(is_on ? domain_pause : domain_unpause)(domain);
	return 0;
}

/* ---- our own ---- */

static int schedule(struct domain *domain, struct skink_domctl_sched *wanted)
{
	struct sched_params *params = &domain->sched->params;
	int error = 0;

	if (wanted->set)
		error = sched_set_params(domain, &(struct sched_params){
			.weight = wanted->weight, .cap_percent = wanted->cap_percent,
			.warp_us = wanted->warp_us, .warp_limit_us = wanted->warp_limit_us });
	*wanted = (struct skink_domctl_sched){ wanted->set, params->weight, params->cap_percent, params->warp_us,
					       params->warp_limit_us };
	return error;
}

static int account(struct domain *domain, struct skink_domctl_account *wanted)
{
	struct account *account = &domain->account;

	_Static_assert(SKINK_ACCOUNT_KINDS == (int)ACCOUNT_KINDS, "control.h");
	for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++) {
		if (wanted->set)
			write_once(&account->limit[kind], wanted->limit[kind]);
		wanted->limit[kind] = read_once(&account->limit[kind]);
		wanted->used[kind] = read_once(&account->used[kind]);
	}
	if (wanted->set)
		account_refresh(domain);
	return 0;
}

/* ---- devices ---- */

/* `domain`: NULL to test. */
static int device(struct domain *domain, const struct xen_domctl *op)
{
	const struct xen_domctl_assign_device *wanted = &op->u.assign_device;
	uint32_t sbdf = wanted->u.pci.machine_sbdf;

	if (wanted->dev != XEN_DOMCTL_DEV_PCI || wanted->flags)
		return -EINVAL;
	if (op->cmd == XEN_DOMCTL_test_assign_device)
		return pci_test_assign(sbdf);
	return op->cmd == XEN_DOMCTL_assign_device ? pci_assign(domain, sbdf) : pci_deassign(domain, sbdf);
}

/* ---- the hypercall ---- */

static int run(struct domain *domain, struct xen_domctl *op)
{
	switch (op->cmd) {
	case XEN_DOMCTL_destroydomain:		return domain_destroy(domain);
	case XEN_DOMCTL_pausedomain:		return pause(domain, true);
	case XEN_DOMCTL_unpausedomain:		return pause(domain, false);
	case XEN_DOMCTL_resumedomain:		return domain_resume(domain);
	case XEN_DOMCTL_getdomaininfo:		return get_info(domain, op);
	case XEN_DOMCTL_getpageframeinfo3:	return frame_types(domain, &op->u.getpageframeinfo3);
	/* They are there from the beginning. */
	case XEN_DOMCTL_max_vcpus:		return op->u.max_vcpus.max == domain->vcpu_max ? 0 : -EINVAL;
	case XEN_DOMCTL_max_mem:
		write_once(&domain->frame_limit, op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10));
		return 0;
	case XEN_DOMCTL_settimeoffset:
		write_once(&domain->time_offset_s, op->u.settimeoffset.time_offset_seconds);
		time_init_domain(domain);
		return 0;
	case SKINK_DOMCTL_sched:		return schedule(domain, (void *)op->u.pad);
	case SKINK_DOMCTL_account:		return account(domain, (void *)op->u.pad);
	case SKINK_DOMCTL_dma_pool:		return dma_pool_declare(domain, (void *)op->u.pad);
	case SKINK_DOMCTL_driver:		return reset_declare(domain, (void *)op->u.pad);
	case SKINK_DOMCTL_reset:		return reset_by_host(domain);
	case SKINK_DOMCTL_renew:		return reset_renew(domain);
	case SKINK_DOMCTL_arm:			return reset_arm(domain, ((struct skink_domctl_arm *)(void *)op->u.pad)->set);
	case SKINK_DOMCTL_driver_info:		return reset_tell(domain, (void *)op->u.pad);
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_deassign_device:	return device(domain, op);
	default:				return domctl_vcpu(domain, op);
	}
}

/* A dying one can be seen, and what is left of it taken apart; to be given back by domain_put(). */
static struct domain *find(const struct xen_domctl *op)
{
	struct domain *domain;

	if (op->cmd != XEN_DOMCTL_getdomaininfo && op->cmd != XEN_DOMCTL_destroydomain)
		return domain_get(op->domain);
	domain = domain_get_from(op->domain);
	if (!domain || op->cmd == XEN_DOMCTL_getdomaininfo || domain->id == op->domain)
		return domain;
	domain_put(domain);
	return NULL;
}

static int run_locked(struct xen_domctl *op)
{
	struct domain *domain;
	int error;

	if (op->cmd == XEN_DOMCTL_createdomain)
		return create(op);
	if (op->cmd == XEN_DOMCTL_test_assign_device)
		return device(NULL, op);
	if (op->cmd == SKINK_DOMCTL_pci_function)
		return pci_describe((void *)op->u.pad);
	domain = find(op);
	if (!domain)
		return -ESRCH;
	error = run(domain, op);
	domain_put(domain);
	return error;
}

long do_domctl(uint64_t operation)
{
	struct xen_domctl op;
	int error;

	if (!current_vcpu()->domain->is_privileged)
		return -EPERM;
	if (guest_read(&op, operation, sizeof(op)))
		return -EFAULT;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	spin_lock(&domctl_lock);
	error = run_locked(&op);
	spin_unlock(&domctl_lock);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_domctl, 0);
	return error ? error : guest_write(operation, &op, sizeof(op));
}
