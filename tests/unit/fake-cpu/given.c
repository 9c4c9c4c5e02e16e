/* SPDX-License-Identifier: MIT */
/* Domains for tests. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "grant/grant.h"
#include "lib/log.h"
#include "mem/alloc.h"
#include "sched/sched.h"

#pragma weak domain_create
#pragma weak event_domain_init
#pragma weak grant_domain_init
#pragma weak sched_domain_init
#pragma weak sched_vcpu_init

#define GIVEN_MAX 512

static struct domain *domains[GIVEN_MAX];

struct domain *fake_domain_find(domid_t id)
{
	return id < GIVEN_MAX ? domains[id] : NULL;
}

uint32_t fake_domains(struct domain **list, uint32_t room)
{
	uint32_t count = 0;

	for (uint32_t id = 0; id < GIVEN_MAX && count < room; id++)
		if (domains[id])
			list[count++] = domains[id];
	return count;
}

void fake_given_reset(void)
{
	memset(domains, 0, sizeof(domains));
}

static struct vcpu *given_vcpu(struct domain *domain, uint32_t id)
{
	struct vcpu *vcpu = heap_alloc(sizeof(*vcpu));

	vcpu->domain = domain;
	vcpu->id = id;
	vcpu->info = (vcpu_info_t *)&domain->shared_info->vcpu_info[id];
	vcpu->cpu = cpu_by_id[id % FAKE_CPUS];
	vcpu->affinity = (1ULL << FAKE_CPUS) - 1;
	vcpu->in_kernel = true;
	return vcpu;
}

static int build(struct domain **result, domid_t id, uint32_t vcpus, bool is_privileged)
{
	struct domain *domain = heap_alloc(sizeof(*domain));
	int error = 0;

	domain->id = id;
	domain->is_privileged = is_privileged;
	domain->vcpu_max = vcpus;
	domain->references = 1;
	domain->frame_limit = 1024;
	domain->shared_info = heap_alloc(PAGE_SIZE);
	if (sched_domain_init)
		error = sched_domain_init(domain);
	for (uint32_t i = 0; i < vcpus; i++)
		domain->vcpu[i] = given_vcpu(domain, i);
	if (!error && event_domain_init)
		error = event_domain_init(domain);
	if (!error && grant_domain_init)
		error = grant_domain_init(domain);
	for (uint32_t i = 0; sched_vcpu_init && i < vcpus; i++)
		sched_vcpu_init(domain->vcpu[i]);
	*result = domain;
	return error;
}

struct domain *given_domain_with(domid_t id, uint32_t vcpus, bool is_privileged)
{
	struct domain *domain;
	int error = domain_create ? domain_create(id, vcpus, is_privileged, &domain)
				  : build(&domain, id, vcpus, is_privileged);

	if (error || id >= GIVEN_MAX || domains[id])
		panic("given_domain: id %u, error %d", id, error);
	for (uint32_t i = 0; i < vcpus; i++) {
		domain->vcpu[i]->is_up = true;
		domain->vcpu[i]->is_initialised = true;
	}
	domain->pause_count = 0;
	for (uint32_t i = 0; i < vcpus; i++)
		sched_vcpu_update(domain->vcpu[i]);
	domains[id] = domain;
	if (id == 0)
		domain_zero = domain;
	return domain;
}

struct domain *given_domain(void)
{
	domid_t id = 1;

	while (id < GIVEN_MAX && domains[id])
		id++;
	return given_domain_with(id, 1, false);
}

struct domain *given_domain_zero(void)
{
	return given_domain_with(0, 2, true);
}

void given_dying(struct domain *domain)
{
	write_once(&domain->is_dying, true);
}
