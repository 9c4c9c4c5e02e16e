/* SPDX-License-Identifier: MIT */
/* Which CPU: a vcpu that wakes goes to an idle one, and one that becomes idle takes from the longest queue. */
#include "sched/queue.h"

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "lib/bits.h"

static uint32_t shortest(cpumask_t cpus)
{
	uint32_t best = bit_lowest(cpus), cpu;

	bits_each(cpu, cpus)
		if (read_once(&sched_queue[cpu].count) < read_once(&sched_queue[best].count))
			best = cpu;
	return best;
}

/* Where it was last, if it can be: its cache lines are there. */
uint32_t balance_choose(const struct vcpu *vcpu)
{
	cpumask_t cpus = vcpu_cpus(vcpu), idle = cpus & read_once(&sched_idle_cpus);
	uint32_t last = read_once(&vcpu->sched.queue_cpu);

	if (idle)
		return bit_test(&idle, last) ? last : bit_lowest(idle);
	return bit_test(&cpus, last) ? last : shortest(cpus);
}

/* A preempted vcpu waits, maybe: an idle CPU comes and looks. */
void balance_offer(const struct vcpu *vcpu)
{
	cpumask_t idle = vcpu_cpus(vcpu) & read_once(&sched_idle_cpus);

	if (idle && read_once(&vcpu->sched.state) == RUNSTATE_runnable)
		cpu_raise_softirq(cpu_by_id[bit_lowest(idle)], SOFTIRQ_SCHEDULE);
}

/* The longest queue of a CPU that is busy: one that is idle is on its way to what waits there. */
static struct sched_queue *longest(uint32_t except)
{
	struct sched_queue *best = NULL;
	cpumask_t cpus = read_once(&sched_cpus) & ~(1ULL << except);
	uint32_t cpu;

	bits_each(cpu, cpus) {
		struct sched_queue *queue = &sched_queue[cpu];
		uint32_t count = read_once(&queue->running) ? read_once(&queue->count) : 0;

		if (count && (!best || count > read_once(&best->count)))
			best = queue;
	}
	return best;
}

void balance_steal(uint32_t cpu)
{
	struct sched_queue *from = longest(cpu);
	struct vcpu *vcpu, *after;
	uint32_t victim;

	if (!from)
		return;
	victim = from->cpu->id;
	spin_lock_two(&sched_queue[MIN(cpu, victim)].lock, &sched_queue[MAX(cpu, victim)].lock);
	list_each(vcpu, after, &from->waiting, sched.link) {
		if (!(vcpu_cpus(vcpu) >> cpu & 1) || !vcpu_may_run(vcpu))
			continue;
		queue_remove(from, vcpu);
		queue_adopt(vcpu, cpu);
		queue_insert(&sched_queue[cpu], vcpu, time_now_ns());
		break;
	}
	queue_unlock(cpu, victim);
}
