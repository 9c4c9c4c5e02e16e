/* SPDX-License-Identifier: MIT */
/* Run queues, virtual time, and which CPU: queue.h has the invariants. */
#include "sched/queue.h"

#define LEAD_MAX (1ULL << 52)		/* of virtual time: a minute of weight 1, and nobody's turn is as long */
#define CHARGE_MAX_NS (1ULL << 46)	/* 19 hours: << VIRTUAL_SHIFT still fits */
#define WEIGHT_OF_WARP 256		/* warp is counted in virtual time of the usual weight */

struct sched_queue sched_queue[MAX_CPUS];
cpumask_t sched_cpus;
cpumask_t sched_idle_cpus;

static bool virtual_before(uint64_t a, uint64_t b) { return (int64_t)(a - b) < 0; }

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

bool vcpu_may_use(const struct vcpu *vcpu, uint32_t cpu) { return vcpu_cpus(vcpu) >> cpu & 1; }

uint32_t vcpu_weight(const struct vcpu *vcpu) { return read_once(&vcpu->domain->sched->params.weight); }

uint64_t vcpu_effective_time(const struct vcpu *vcpu)
{
	uint32_t usual_us = read_once(&vcpu->domain->sched->params.warp_us);
	uint64_t warp_us = vcpu->sched.warp_left_ns ? MAX(usual_us, vcpu->sched.hurry_us) : 0;

	return vcpu->sched.actual_virtual_time - (warp_us * NSEC_PER_USEC << VIRTUAL_SHIFT) / WEIGHT_OF_WARP;
}

void vcpu_set_state(struct vcpu *vcpu, uint32_t state, uint64_t now_ns)
{
	struct sched_vcpu *sched = &vcpu->sched;

	sched->time_in_state[sched->state] += elapsed_ns(sched->state_since_ns, now_ns);
	sched->state = state;
	sched->state_since_ns = MAX(now_ns, sched->state_since_ns);
}

/* ---- the queue ---- */

static void advance(struct sched_queue *queue)
{
	struct vcpu *least = queue->running, *first = queue_first(queue);

	if (!least || (first && virtual_before(first->sched.actual_virtual_time, least->sched.actual_virtual_time)))
		least = first;
	if (least && virtual_before(queue->virtual_time, least->sched.actual_virtual_time))
		queue->virtual_time = least->sched.actual_virtual_time;
}

void queue_charge(struct sched_queue *queue, uint64_t now_ns)
{
	struct vcpu *vcpu = queue->running;
	uint64_t run_ns;

	if (vcpu) {
		run_ns = MIN(elapsed_ns(vcpu->sched.charged_until_ns, now_ns), CHARGE_MAX_NS);
		vcpu->sched.charged_until_ns += run_ns;
		vcpu->sched.actual_virtual_time += (run_ns << VIRTUAL_SHIFT) / vcpu_weight(vcpu);
		vcpu->sched.warp_left_ns -= MIN(run_ns, vcpu->sched.warp_left_ns);
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
	       virtual_before(key, container_of(place->prev, struct vcpu, sched.link)->sched.key))
		place = place->prev;
	list_insert_before(&vcpu->sched.link, place);
	write_once(&queue->count, queue->count + 1);
	vcpu_set_state(vcpu, RUNSTATE_runnable, now_ns);
}

void queue_remove(struct sched_queue *queue, struct vcpu *vcpu, uint32_t state, uint64_t now_ns)
{
	ASSERT(vcpu->sched.state == RUNSTATE_runnable, "S2");
	list_remove(&vcpu->sched.link);
	write_once(&queue->count, queue->count - 1);
	vcpu_set_state(vcpu, state, now_ns);
}

void queue_adopt(struct vcpu *vcpu, uint32_t to)
{
	struct sched_vcpu *sched = &vcpu->sched;
	uint64_t lead = sched->actual_virtual_time - sched_queue[sched->queue_cpu].virtual_time;

	/* S5. Who is new, or has slept for so long that the time has gone half way round, seems to be far ahead. */
	sched->actual_virtual_time = sched_queue[to].virtual_time + (lead < LEAD_MAX ? lead : 0);
	write_once(&sched->queue_cpu, to);
}

uint32_t queue_lock_of(struct vcpu *vcpu, uint32_t also)
{
	for (;;) {
		uint32_t cpu = read_once(&vcpu->sched.queue_cpu);

		spin_lock_two(&sched_queue[cpu].lock, &sched_queue[also].lock);
		if (read_once(&vcpu->sched.queue_cpu) == cpu)
			return cpu;
		spin_unlock_two(&sched_queue[cpu].lock, &sched_queue[also].lock);
	}
}

/* ---- which CPU: who wakes goes to an idle one, and one that becomes idle takes from a busy one ---- */

/* Where it was last, if it can be: its cache lines are there. A queue that is too long is taken from. */
uint32_t balance_choose(const struct vcpu *vcpu)
{
	cpumask_t cpus = vcpu_cpus(vcpu), idle = cpus & read_once(&sched_idle_cpus);
	uint32_t last = read_once(&vcpu->sched.queue_cpu);

	cpus = idle ? idle : cpus;
	return bit_test(&cpus, last) ? last : bit_lowest(cpus);
}

/* One vcpu that waits elsewhere and may run here. */
static bool steal(struct sched_queue *from, struct sched_queue *to)
{
	struct vcpu *vcpu;
	bool found = false;

	spin_lock_two(&from->lock, &to->lock);
	list_each(vcpu, &from->waiting, sched.link) {
		found = vcpu_may_use(vcpu, to->cpu->id) && vcpu_may_run(vcpu);
		if (!found)
			continue;
		queue_remove(from, vcpu, RUNSTATE_offline, time_now_ns());
		queue_adopt(vcpu, to->cpu->id);
		queue_insert(to, vcpu, time_now_ns());
		break;
	}
	spin_unlock_two(&from->lock, &to->lock);
	return found;
}

/* From a CPU that is busy: one that is idle is on its way to what waits there. */
NOINLINE void balance_steal(uint32_t cpu)
{
	uint32_t from;

	bits_each(from, read_once(&sched_cpus) & ~(1ULL << cpu))
		if (read_once(&sched_queue[from].running) && read_once(&sched_queue[from].count) &&
		    steal(&sched_queue[from], &sched_queue[cpu]))
			return;
}
