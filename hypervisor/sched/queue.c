/* SPDX-License-Identifier: MIT */
/* Run queues and virtual time: queue.h has the invariants. */
#include "sched/queue.h"

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"

#define CHARGE_MAX_NS (1ULL << 46)	/* 19 hours: << VIRTUAL_SHIFT still fits */

struct sched_queue sched_queue[MAX_CPUS];
cpumask_t sched_cpus;
cpumask_t sched_idle_cpus;

/* ---- one vcpu ---- */

bool vcpu_may_run(const struct vcpu *vcpu)
{
	const struct domain *domain = vcpu->domain;
	/* Tables that it has yet to take apart others may be waiting for: it sleeps after that. */
	bool wants_to = read_once(&vcpu->deferred_tables) ||
			(read_once(&vcpu->is_up) && !read_once(&vcpu->sched.is_blocked));

	return wants_to && !read_once(&vcpu->pause_count) && !read_once(&domain->pause_count) &&
	       !read_once(&domain->is_shut_down) && !read_once(&domain->is_dying) &&
	       !read_once(&domain->sched->throttled);
}

cpumask_t vcpu_cpus(const struct vcpu *vcpu)
{
	cpumask_t online = read_once(&sched_cpus), wanted = read_once(&vcpu->affinity) & online;

	return wanted ? wanted : online;
}

uint32_t vcpu_weight(const struct vcpu *vcpu)
{
	return read_once(&vcpu->domain->sched->params.weight);
}

/* Warp is counted in virtual time of the usual weight. */
uint64_t vcpu_effective_time(const struct vcpu *vcpu)
{
	uint64_t warp_us = read_once(&vcpu->domain->sched->params.warp_us);
	uint64_t warp = (warp_us * NSEC_PER_USEC << VIRTUAL_SHIFT) / WEIGHT_USUAL;

	return vcpu->sched.actual_virtual_time - (vcpu->sched.is_warped ? warp : 0);
}

static uint64_t elapsed(uint64_t since_ns, uint64_t now_ns)
{
	return now_ns > since_ns ? now_ns - since_ns : 0;	/* CPUs' clocks may differ a little */
}

uint64_t vcpu_run_time_ns(const struct vcpu *vcpu, uint64_t now_ns)
{
	const struct sched_vcpu *sched = &vcpu->sched;

	return sched->time_in_state[RUNSTATE_running] +
	       (sched->state == RUNSTATE_running ? elapsed(sched->state_since_ns, now_ns) : 0);
}

void vcpu_set_state(struct vcpu *vcpu, uint32_t state, uint64_t now_ns)
{
	struct sched_vcpu *sched = &vcpu->sched;

	sched->time_in_state[sched->state] += elapsed(sched->state_since_ns, now_ns);
	sched->state = state;
	sched->state_since_ns = MAX(now_ns, sched->state_since_ns);
}

uint64_t warp_left_ns(const struct vcpu *vcpu, uint64_t now_ns)
{
	uint64_t limit_ns = read_once(&vcpu->domain->sched->params.warp_limit_us) * NSEC_PER_USEC;
	uint64_t warped_ns = vcpu_run_time_ns(vcpu, now_ns) - vcpu->sched.warp_since_ns;

	if (!vcpu->sched.is_warped || !limit_ns)
		return UINT64_MAX;
	return limit_ns > warped_ns ? limit_ns - warped_ns : 0;
}

/* ---- the queue ---- */

static void advance(struct sched_queue *queue)
{
	struct vcpu *vcpu, *after, *least = queue->running;

	list_each(vcpu, after, &queue->waiting, sched.link)
		if (!least || virtual_before(vcpu->sched.actual_virtual_time, least->sched.actual_virtual_time))
			least = vcpu;
	if (least && virtual_before(queue->virtual_time, least->sched.actual_virtual_time))
		queue->virtual_time = least->sched.actual_virtual_time;
}

void queue_charge(struct sched_queue *queue, uint64_t now_ns)
{
	struct vcpu *vcpu = queue->running;
	uint64_t run_ns;

	if (vcpu) {
		run_ns = MIN(elapsed(vcpu->sched.charged_until_ns, now_ns), CHARGE_MAX_NS);
		vcpu->sched.charged_until_ns += run_ns;
		vcpu->sched.actual_virtual_time += (run_ns << VIRTUAL_SHIFT) / vcpu_weight(vcpu);
		if (warp_left_ns(vcpu, now_ns) == 0)
			vcpu->sched.is_warped = false;
		account_charge_cpu_time(vcpu->domain, run_ns, now_ns);
	}
	advance(queue);
}

/* After those with the same key. Whoever yields goes behind who runs now, for this once. */
void queue_insert(struct sched_queue *queue, struct vcpu *vcpu, uint64_t now_ns)
{
	struct list *place = &queue->waiting;
	uint64_t key = vcpu_effective_time(vcpu), peer;

	if (vcpu->sched.yields && queue->running) {
		peer = vcpu_effective_time(queue->running);
		key = virtual_before(key, peer) ? peer : key;
	}
	vcpu->sched.yields = false;
	vcpu->sched.key = key;
	while (place->prev != &queue->waiting &&
	       virtual_before(key, list_item(place->prev, struct vcpu, sched.link)->sched.key))
		place = place->prev;
	list_insert_before(&vcpu->sched.link, place);
	write_once(&queue->count, queue->count + 1);
	vcpu_set_state(vcpu, RUNSTATE_runnable, now_ns);
}

void queue_remove(struct sched_queue *queue, struct vcpu *vcpu)
{
	ASSERT(vcpu->sched.state == RUNSTATE_runnable, "S2");
	list_remove(&vcpu->sched.link);
	write_once(&queue->count, queue->count - 1);
}

void queue_adopt(struct vcpu *vcpu, uint32_t to)
{
	struct sched_vcpu *sched = &vcpu->sched;
	uint64_t lead = sched->actual_virtual_time - sched_queue[sched->queue_cpu].virtual_time;

	if ((int64_t)lead < 0)
		lead = 0;		/* S5 */
	sched->actual_virtual_time = sched_queue[to].virtual_time + lead;
	write_once(&sched->queue_cpu, to);
}

uint32_t queue_lock_of(struct vcpu *vcpu, uint32_t also)
{
	for (;;) {
		uint32_t cpu = read_once(&vcpu->sched.queue_cpu);

		spin_lock_two(&sched_queue[MIN(cpu, also)].lock, &sched_queue[MAX(cpu, also)].lock);
		if (read_once(&vcpu->sched.queue_cpu) == cpu)
			return cpu;
		queue_unlock(cpu, also);
	}
}

void queue_unlock(uint32_t cpu, uint32_t also)
{
	spin_unlock_two(&sched_queue[MIN(cpu, also)].lock, &sched_queue[MAX(cpu, also)].lock);
}
