/* SPDX-License-Identifier: MIT */
/*
 * Four threads are four CPUs, and their guests block, wake, yield, pause and move each other as fast as they can.
 * No vcpu may be on two CPUs, none may sleep on while there is news for it, none may be lost.
 */
#include "include/types.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "unit.h"

#include "sched/queue.h"
#include "sched/sched.h"

#define VCPUS	12
#define ROUNDS	150
#define STEPS	2000
#define NOBODY	UINT32_MAX

static struct vcpu *vcpus[VCPUS];
static uint32_t on_cpu[VCPUS];		/* atomic: whose registers have it */
static uint64_t sent[VCPUS], seen[VCPUS];
static uint32_t is_double, ran_while_paused;
static uint32_t steps_left;		/* atomic */
static uint64_t quiet_cpus;		/* atomic */
static bool ends;			/* atomic: to one CPU all was quiet for long enough */
static __thread jmp_buf after_switch;
static __thread unsigned int seed;

static uint32_t number_of(const struct vcpu *vcpu)
{
	return vcpu->domain->id - 1U;
}

static uint32_t some(uint32_t below)
{
	return (uint32_t)rand_r(&seed) % below;
}

/* In place of the fake's: the saving of registers takes its time. */
NORETURN void context_switch(struct vcpu *prev, struct vcpu *next)
{
	struct cpu *cpu = this_cpu();
	uint32_t nobody = NOBODY;

	if (prev != cpu->idle) {
		for (uint32_t i = some(3); i > 0; i--)
			sched_yield();
		__atomic_store_n(&on_cpu[number_of(prev)], NOBODY, __ATOMIC_SEQ_CST);
	}
	cpu->current = next;
	store_release(&prev->is_running, false);
	if (next != cpu->idle &&
	    !__atomic_compare_exchange_n(&on_cpu[number_of(next)], &nobody, cpu->id, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		__atomic_fetch_add(&is_double, 1, __ATOMIC_SEQ_CST);
	longjmp(after_switch, 1);
}

static void exit_path(struct cpu *cpu)
{
	uint64_t softirqs;

	cpu_raise_softirq(cpu, SOFTIRQ_TIMER);
	while ((softirqs = __atomic_exchange_n(&cpu->softirqs, 0, __ATOMIC_SEQ_CST)) != 0) {
		if (softirqs & 1ULL << SOFTIRQ_TIMER)
			timer_softirq();
		if ((softirqs & 1ULL << SOFTIRQ_SCHEDULE) && setjmp(after_switch) == 0)
			sched_softirq();
	}
}

static void send(uint32_t to)
{
	__atomic_fetch_add(&sent[to], 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpus[to]->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
	sched_vcpu_kick(vcpus[to]);
}

/* Only the first one does this, and nobody to it: as Domain-0 does. */
static void pause_another(struct vcpu *vcpu)
{
	__atomic_fetch_add(&vcpu->pause_count, 1, __ATOMIC_SEQ_CST);
	sched_vcpu_wait_until_off(vcpu);
	if (read_once(&on_cpu[number_of(vcpu)]) != NOBODY)
		__atomic_fetch_add(&ran_while_paused, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&vcpu->pause_count, 1, __ATOMIC_SEQ_CST);
	sched_vcpu_update(vcpu);
}

static void misbehave(struct vcpu *self)
{
	uint32_t other = some(VCPUS);

	switch (some(8)) {
	case 0:
		sched_yield_current();
		break;
	case 1:
		write_once(&vcpus[other]->affinity, 1 + some(15));
		sched_vcpu_update(vcpus[other]);
		break;
	case 2:
		if (number_of(self) == 0 && other != 0)
			pause_another(vcpus[other]);
		break;
	case 3:
	case 4:
		sched_block_current();
		break;
	default:
		send(other);
		break;
	}
}

/* One step of the guest that runs here; it takes its news first, as a guest does. */
static void guest_step(struct vcpu *self)
{
	uint32_t number = number_of(self);

	if (__atomic_exchange_n(&self->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST))
		__atomic_store_n(&seen[number], __atomic_load_n(&sent[number], __ATOMIC_SEQ_CST), __ATOMIC_SEQ_CST);
	if (some(4) == 0)
		sched_yield();		/* time for news to come between looking and blocking */
	if ((int32_t)__atomic_sub_fetch(&steps_left, 1, __ATOMIC_SEQ_CST) > 0)
		misbehave(self);
	else
		sched_block_current();
}

/* Nobody runs, is about to, or has been asked to look: seen by every CPU for itself. */
static bool all_is_quiet(struct cpu *cpu)
{
	uint64_t bit = 1ULL << cpu->id, schedule = 0;

	if (cpu->current != cpu->idle) {
		__atomic_fetch_and(&quiet_cpus, ~bit, __ATOMIC_SEQ_CST);
		return false;
	}
	for (uint32_t id = 0; id < FAKE_CPUS; id++)
		schedule |= read_once(&cpu_by_id[id]->softirqs) & 1ULL << SOFTIRQ_SCHEDULE;
	return __atomic_or_fetch(&quiet_cpus, bit, __ATOMIC_SEQ_CST) == (1ULL << FAKE_CPUS) - 1 && !schedule;
}

static void *run_cpu(void *id)
{
	struct cpu *cpu = cpu_by_id[(uintptr_t)id];
	uint32_t quiet_rounds = 0;

	fake_on_cpu(cpu->id);
	seed = cpu->id + (uint32_t)sent[0] * FAKE_CPUS;
	while (!read_once(&ends)) {
		if (read_once(&cpu->softirqs) & 1ULL << SOFTIRQ_SCHEDULE)
			__atomic_fetch_and(&quiet_cpus, ~(1ULL << cpu->id), __ATOMIC_SEQ_CST);
		exit_path(cpu);
		__atomic_fetch_add(&fake.now_ns, 1000, __ATOMIC_SEQ_CST);
		quiet_rounds = all_is_quiet(cpu) ? quiet_rounds + 1 : 0;
		if (cpu->current != cpu->idle)
			guest_step(cpu->current);
		else
			sched_yield();
		/* All are asleep: somebody presses a key. */
		if (cpu->id == 0 && quiet_rounds && (int32_t)read_once(&steps_left) > 0)
			send(0);
		if (quiet_rounds >= 20 && (int32_t)read_once(&steps_left) <= 0)
			write_once(&ends, true);
	}
	return NULL;
}

static bool has_work(const struct cpu *cpu)
{
	return cpu->current != cpu->idle || cpu->softirqs & 1ULL << SOFTIRQ_SCHEDULE;
}

static bool is_any_at_work(void)
{
	for (uint32_t id = 0; id < FAKE_CPUS; id++)
		if (has_work(cpu_by_id[id]))
			return true;
	return false;
}

static void run_until_one_finds_quiet(void)
{
	pthread_t thread[FAKE_CPUS];

	write_once(&quiet_cpus, 0);
	write_once(&ends, false);
	for (uintptr_t i = 0; i < FAKE_CPUS; i++)
		CU_ASSERT_EQUAL(pthread_create(&thread[i], NULL, run_cpu, (void *)i), 0);
	for (uint32_t i = 0; i < FAKE_CPUS; i++)
		pthread_join(thread[i], NULL);
}

/* One that the host has stopped in the middle of its work looks quiet to the others: they go on then. */
static void all_run(void)
{
	write_once(&steps_left, STEPS);
	do
		run_until_one_finds_quiet();
	while (is_any_at_work());
}

static void all_sleep_and_have_read_their_news(void)
{
	for (uint32_t i = 0; i < VCPUS; i++) {
		CU_ASSERT_EQUAL(seen[i], sent[i]);
		CU_ASSERT_EQUAL(vcpus[i]->sched.state, RUNSTATE_blocked);
		CU_ASSERT_EQUAL(on_cpu[i], NOBODY);
	}
	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++) {
		CU_ASSERT_EQUAL(sched_queue[cpu].count, 0);
		CU_ASSERT_PTR_NULL(sched_queue[cpu].running);
		CU_ASSERT_FALSE(spin_is_locked(&sched_queue[cpu].lock));
	}
}

static void nobody_is_lost_in_the_crowd(void)			/* S1 to S4, V2 */
{
	for (uint32_t i = 0; i < VCPUS; i++) {
		vcpus[i] = given_domain()->vcpu[0];
		on_cpu[i] = NOBODY;
		sent[i] = seen[i] = 0;
	}
	is_double = ran_while_paused = 0;
	fake_allow_waiting(true);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		all_run();
		all_sleep_and_have_read_their_news();
	}
	CU_ASSERT_EQUAL(is_double, 0);
	CU_ASSERT_EQUAL(ran_while_paused, 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(nobody_is_lost_in_the_crowd),
};

int main(void)
{
	return unit_run("scheduler, several CPUs", cases, ARRAY_SIZE(cases));
}
