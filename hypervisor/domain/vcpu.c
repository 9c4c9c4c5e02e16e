/* SPDX-License-Identifier: MIT */
/* Making and unmaking vcpus; the idle ones. Their registers: context.c. */

#include "cpu/registers.h"

static vcpu_info_t idle_info = { .evtchn_upcall_mask = 1 };

int vcpu_create(struct domain *domain, uint32_t id)
{
	struct vcpu *vcpu = heap_alloc(sizeof(*vcpu));

	if (!vcpu)
		return -ENOMEM;
	vcpu->domain = domain;
	vcpu->id = id;
	fpu_vcpu_init(vcpu);
	vcpu->in_kernel = true;
	vcpu->debug_register[6] = DR6_FIXED;
	vcpu->debug_register[7] = DR7_FIXED;
	vcpu->info = (vcpu_info_t *)&domain->shared_info->vcpu_info[id];
	vcpu->info->evtchn_upcall_mask = 1;
	vcpu->affinity = UINT64_MAX;
	domain->vcpu[id] = vcpu;
	sched_vcpu_init(vcpu);
	return 0;
}

struct vcpu *vcpu_create_idle(struct cpu *cpu)
{
	struct vcpu *vcpu = heap_alloc(sizeof(*vcpu));

	if (!vcpu)
		return NULL;
	vcpu->domain = &domain_idle;
	vcpu->id = cpu->id;
	vcpu->in_kernel = true;
	vcpu->info = &idle_info;
	vcpu->affinity = 1ULL << cpu->id;
	vcpu->cpu = cpu;
	vcpu->is_initialised = true;
	vcpu->is_up = true;
	vcpu->is_running = true;
	return vcpu;
}

void vcpu_add_work(struct vcpu *vcpu, enum vcpu_work work)
{
	__atomic_fetch_or(&vcpu->work, work, __ATOMIC_SEQ_CST);
	if (read_once(&vcpu->is_running) && vcpu->cpu != this_cpu())
		cpu_send_event_check(vcpu->cpu);
}

void vcpu_stop(struct vcpu *vcpu)
{
	write_once(&vcpu->is_up, false);
	sched_vcpu_update(vcpu);
	/* A watchdog that barks looks at page tables (reset/control.c): no more when they are taken apart. */
	sched_vcpu_forget(vcpu);
	vcpu->runstate_area = 0;
	vcpu->time_area = 0;
}

void vcpu_release_info(struct vcpu *vcpu)
{
	mfn_t registered = vcpu->info_frame;

	if (!registered.raw)
		return;
	write_once(&vcpu->info, (vcpu_info_t *)&vcpu->domain->shared_info->vcpu_info[vcpu->id]);
	vcpu->info_frame = mfn(0);
	frame_put_as(frame_at(registered), FRAME_WRITABLE);
}

void vcpu_free(struct vcpu *vcpu)
{
	sched_vcpu_destroy(vcpu);
	heap_free(vcpu);
}
