/* SPDX-License-Identifier: MIT */
/* What do_domctl() and do_sysctl() share. */
#pragma once

#include <xen/domctl.h>

/* domctl_lock, for who must not wait for it; true: it is held. */
MUST_CHECK bool domctl_try_lock(void);
void domctl_unlock(void);

void domain_get_info(struct domain *domain, struct xen_domctl_getdomaininfo *info);

/* A set of CPUs in the caller's memory; of one that is longer than ours the rest is zeroes. -EFAULT. */
MUST_CHECK int cpumap_read(const struct xenctl_bitmap *map, cpumask_t *cpus);
MUST_CHECK int cpumap_write(const struct xenctl_bitmap *map, cpumask_t cpus);
static inline cpumask_t cpumap_all(uint32_t count) { return ~0ULL >> (MAX_CPUS - count); }

/* domctl_vcpu.c: those of a vcpu. -ERESTART: call again with the same. */
MUST_CHECK int domctl_vcpu(struct domain *domain, struct xen_domctl *op);
