/* SPDX-License-Identifier: MIT */
/* Borrowed virtual time, over simulated time: who gets how much, who waits how long, and where. */
#include "include/types.h"

#include "unit.h"

#include <xen/sched.h>

#include "include/errno.h"
#include "mem/alloc.h"
#include "sched/queue.h"
#include "sched/sched.h"

#define MS NSEC_PER_MSEC
#define US NSEC_PER_USEC

/* ---- a machine that runs ---- */

static uint64_t next_timer_ns(void)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++)
		next = MIN(next, fake.timer_ns[cpu]);
	return next;
}

static void run_for(uint64_t ns)
{
	uint64_t end_ns = fake.now_ns + ns, next;

	fake_run_softirqs();
	while (fake.now_ns < end_ns) {
		next = MIN(next_timer_ns(), end_ns);
		fake_advance(MAX(next, fake.now_ns) - fake.now_ns);
		fake_run_softirqs();
	}
}

static struct vcpu *given_spinner(uint32_t weight, cpumask_t cpus)
{
	struct domain *domain = given_domain();
	struct sched_params params = { .weight = weight };

	CU_ASSERT_EQUAL(sched_set_params(domain, &params), 0);
	domain->vcpu[0]->affinity = cpus;
	sched_vcpu_update(domain->vcpu[0]);
	return domain->vcpu[0];
}

static void set_warp(struct vcpu *vcpu, uint32_t warp_us, uint32_t limit_us)
{
	struct sched_params params;

	params = vcpu->domain->sched->params;
	params.warp_us = warp_us;
	params.warp_limit_us = limit_us;
	CU_ASSERT_EQUAL(sched_set_params(vcpu->domain, &params), 0);
}

static void set_cap(struct vcpu *vcpu, uint32_t percent)
{
	struct sched_params params;

	params = vcpu->domain->sched->params;
	params.cap_percent = percent;
	CU_ASSERT_EQUAL(sched_set_params(vcpu->domain, &params), 0);
}

static bool runs(const struct vcpu *vcpu)
{
	return vcpu->cpu->current == vcpu;
}

/* The guest on that CPU blocks; a hypercall does it. */
static void block(struct vcpu *vcpu)
{
	CU_ASSERT_TRUE_FATAL(runs(vcpu));
	fake_on_cpu(vcpu->cpu->id);
	sched_block_current();
	fake_on_cpu(0);
	fake_run_softirqs();
}

static void yield(struct vcpu *vcpu)
{
	CU_ASSERT_TRUE_FATAL(runs(vcpu));
	fake_on_cpu(vcpu->cpu->id);
	sched_yield_current();
	fake_on_cpu(0);
	fake_run_softirqs();
}

static void wake(struct vcpu *vcpu)
{
	sched_vcpu_kick(vcpu);
	fake_run_softirqs();
}

static uint64_t time_of(struct vcpu *vcpu)
{
	struct vcpu_runstate_info info;

	sched_get_runstate(vcpu, &info);
	return info.time[RUNSTATE_running];
}

/* Within one hundredth of `of`. */
static bool is_about(uint64_t is, uint64_t should, uint64_t of)
{
	return is + of / 100 >= should && is <= should + of / 100;
}

static void queues_are_consistent(void)				/* S2 */
{
	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++) {
		struct sched_queue *queue = &sched_queue[cpu];
		struct vcpu *vcpu;
		uint32_t count = 0;

		list_each(vcpu, &queue->waiting, sched.link) {
			count++;
			CU_ASSERT_EQUAL(vcpu->sched.state, RUNSTATE_runnable);
			CU_ASSERT_EQUAL(vcpu->sched.queue_cpu, cpu);
			CU_ASSERT_FALSE(vcpu->is_running);
		}
		CU_ASSERT_EQUAL(queue->count, count);
		CU_ASSERT_PTR_EQUAL(cpu_by_id[cpu]->current, queue->running ? queue->running : cpu_by_id[cpu]->idle);
		if (queue->running)
			CU_ASSERT_EQUAL(queue->running->sched.state, RUNSTATE_running);
	}
}

/* ---- bad parameters ---- */

static void parameters_out_of_range_are_refused_and_change_nothing(void)
{
	struct domain *domain = given_domain();
	struct sched_params before, after;
	const struct sched_params bad[] = {
		{ .weight = 0 }, { .weight = 65536 }, { .weight = 256, .cap_percent = UINT32_MAX },
		{ .weight = 256, .warp_us = UINT32_MAX },
	};

	before = domain->sched->params;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CU_ASSERT_EQUAL(sched_set_params(domain, &bad[i]), -EINVAL);
		after = domain->sched->params;
		CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	}
}

/* ---- fairness ---- */

static void time_is_shared_by_weight(void)
{
	struct vcpu *a = given_spinner(256, 1), *b = given_spinner(512, 1), *c = given_spinner(1024, 1);

	run_for(7000 * MS);
	CU_ASSERT_TRUE(is_about(time_of(a), 1000 * MS, 7000 * MS));
	CU_ASSERT_TRUE(is_about(time_of(b), 2000 * MS, 7000 * MS));
	CU_ASSERT_TRUE(is_about(time_of(c), 4000 * MS, 7000 * MS));
	queues_are_consistent();
}

static void equals_do_not_wait_long_for_each_other(void)
{
	struct vcpu *vcpu[5];
	uint64_t before;

	for (int i = 0; i < 5; i++)
		vcpu[i] = given_spinner(256, 1);
	run_for(100 * MS);
	for (int round = 0; round < 50; round++) {
		before = time_of(vcpu[round % 5]);
		run_for(12 * MS);
		CU_ASSERT_TRUE(time_of(vcpu[round % 5]) > before);
	}
}

static void the_lightest_is_not_starved_by_the_heaviest(void)
{
	struct vcpu *light = given_spinner(1, 1), *heavy = given_spinner(65535, 1);
	uint64_t first;

	run_for(150000 * MS);
	first = time_of(light);
	CU_ASSERT_TRUE(first > 0);
	run_for(600000 * MS);
	CU_ASSERT_TRUE(time_of(light) - first >= 5 * MS && time_of(light) - first <= 20 * MS);
	CU_ASSERT_TRUE(time_of(heavy) > 749000 * MS);
}

static void whoever_sleeps_saves_nothing_up(void)		/* S5 */
{
	struct vcpu *sleeper = given_spinner(256, 1), *spinner = given_spinner(256, 1);
	uint64_t slept_until, spinner_had;

	run_for(5 * MS);
	while (!runs(sleeper))
		run_for(100 * US);
	block(sleeper);
	run_for(60000 * MS);
	wake(sleeper);
	slept_until = time_of(sleeper);
	spinner_had = time_of(spinner);
	run_for(100 * MS);
	CU_ASSERT_TRUE(is_about(time_of(sleeper) - slept_until, 50 * MS, 200 * MS));
	CU_ASSERT_TRUE(is_about(time_of(spinner) - spinner_had, 50 * MS, 200 * MS));
}

/* Virtual time is compared modulo 2^64: half of that is 39 hours of weight 1. */
static void whoever_sleeps_for_days_does_not_wait_for_as_long(void)	/* S5 */
{
	struct vcpu *sleeper = given_spinner(1, 1), *spinner = given_spinner(1, 1), *young;
	uint64_t had;

	while (!runs(sleeper))
		run_for(100 * US);
	block(sleeper);
	for (int i = 0; i < 6; i++) {
		run_for(9 * 3600UL * 1000 * MS);
		yield(spinner);
	}
	had = time_of(sleeper);
	wake(sleeper);
	run_for(100 * MS);
	CU_ASSERT_TRUE(is_about(time_of(sleeper) - had, 50 * MS, 200 * MS));
	while (!runs(sleeper))
		run_for(100 * US);
	block(sleeper);
	young = given_spinner(1, 1);
	run_for(100 * MS);
	CU_ASSERT_TRUE(is_about(time_of(young), 50 * MS, 200 * MS));
}

static void whoever_yields_lets_its_peers_run_and_keeps_its_share(void)
{
	struct vcpu *polite = given_spinner(256, 1), *other = given_spinner(256, 1);

	run_for(1 * MS);
	for (int i = 0; i < 500; i++) {
		while (!runs(polite))
			run_for(50 * US);
		run_for(50 * US);
		if (!runs(polite))
			continue;
		yield(polite);
		CU_ASSERT_TRUE(runs(other));
		run_for(200 * US);
		CU_ASSERT_TRUE(runs(other));
	}
	queues_are_consistent();
	run_for(1000 * MS);
	CU_ASSERT_TRUE(is_about(time_of(polite), time_of(other), fake.now_ns));
}

static void whoever_yields_alone_goes_on(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);

	run_for(1 * MS);
	yield(vcpu);
	CU_ASSERT_TRUE(runs(vcpu));
	CU_ASSERT_FALSE(vcpu->sched.yields);
}

/* ---- no tick, no thrash ---- */

static void a_cpu_where_nobody_waits_has_no_tick(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);

	run_for(1 * MS);
	CU_ASSERT_TRUE(runs(vcpu));
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
	block(vcpu);
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
	CU_ASSERT_PTR_EQUAL(cpu_by_id[0]->current, cpu_by_id[0]->idle);
}

static void two_equals_do_not_change_places_at_every_event(void)
{
	struct vcpu *a = given_spinner(256, 1), *b = given_spinner(256, 1);
	uint32_t changes = 0;
	struct vcpu *last = NULL;

	for (uint64_t i = 0; i < 10000; i++) {
		run_for(10 * US);
		cpu_raise_softirq(cpu_by_id[0], SOFTIRQ_SCHEDULE);
		changes += cpu_by_id[0]->current != last;
		last = cpu_by_id[0]->current;
	}
	CU_ASSERT_TRUE(changes <= 110);
	CU_ASSERT_TRUE(is_about(time_of(a), time_of(b), fake.now_ns * 2));
}

/* ---- warp ---- */

static void a_warped_vcpu_that_wakes_preempts(void)
{
	struct vcpu *driver = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	set_warp(driver, 500, 2000);
	while (!runs(driver))
		run_for(MS);
	block(driver);
	for (int i = 0; i < 20; i++) {
		run_for(3 * MS);
		CU_ASSERT_TRUE(runs(spinner));
		wake(driver);
		CU_ASSERT_TRUE(runs(driver));
		run_for(20 * US);
		CU_ASSERT_TRUE(runs(driver));
		block(driver);
	}
}

static void an_unwarped_one_waits_for_the_allowance_only(void)
{
	struct vcpu *sleeper = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	run_for(10 * MS);
	while (!runs(sleeper))
		run_for(100 * US);
	block(sleeper);
	run_for(10 * MS);
	wake(sleeper);
	CU_ASSERT_TRUE(runs(spinner));
	run_for(1100 * US);
	CU_ASSERT_TRUE(runs(sleeper));
}

/* The guest that runs goes on without a look at the queue, and when it has slept meanwhile the timer is where it was: it fires once, for nothing. */
static void a_wake_up_behind_who_runs_moves_no_timer_but_the_first(void)
{
	struct vcpu *sleeper = given_spinner(256, 1), *spinner = given_spinner(256, 1);
	uint64_t slice_ns;

	run_for(10 * MS);
	while (!runs(sleeper))
		run_for(100 * US);
	block(sleeper);
	run_for(10 * MS);
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
	sched_vcpu_kick(sleeper);
	CU_ASSERT_EQUAL(cpu_by_id[0]->softirqs, 0);
	slice_ns = next_timer_ns();
	CU_ASSERT_TRUE(slice_ns > fake.now_ns && slice_ns <= fake.now_ns + 1100 * US);

	block(spinner);
	CU_ASSERT_TRUE(runs(sleeper));
	CU_ASSERT_EQUAL(next_timer_ns(), slice_ns);
	run_for(100 * US);
	wake(spinner);
	CU_ASSERT_EQUAL(next_timer_ns(), slice_ns);
	block(sleeper);
	run_for(2 * MS);
	CU_ASSERT_TRUE(runs(spinner));
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
}

static void warp_borrows_and_does_not_steal(void)
{
	struct vcpu *greedy = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	set_warp(greedy, 5000, 0);
	run_for(MS);
	/* It blocks for an instant whenever it can, to be warped again. */
	for (int i = 0; i < 20000; i++) {
		run_for(100 * US);
		if (runs(greedy)) {
			block(greedy);
			wake(greedy);
		}
	}
	CU_ASSERT_TRUE(is_about(time_of(greedy), 1000 * MS, 2000 * MS));
	CU_ASSERT_TRUE(is_about(time_of(spinner), 1000 * MS, 2000 * MS));
}

static void warp_ends_at_its_limit(void)
{
	struct vcpu *driver = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	set_warp(driver, 50000, 2000);
	run_for(5 * MS);
	while (!runs(driver))
		run_for(100 * US);
	block(driver);
	run_for(20 * MS);
	wake(driver);
	CU_ASSERT_TRUE(driver->sched.warp_left_ns != 0);
	run_for(1900 * US);
	CU_ASSERT_TRUE(runs(driver));
	run_for(5 * MS);
	CU_ASSERT_FALSE(driver->sched.warp_left_ns != 0);
	CU_ASSERT_TRUE(time_of(spinner) > 0);
}

/* A disk's driver that hangs, and Domain-0, which looks at it: it comes late as long as that is warped further, and not once after. */
static void the_host_waits_for_who_is_warped_further_until_its_limit(void)
{
	struct vcpu *host = given_spinner(256, 1), *driver = given_spinner(256, 1);

	set_warp(host, 5000, 2000);
	set_warp(driver, 10000, 2000);
	while (!runs(host))
		run_for(MS);
	block(host);
	block(driver);
	run_for(20 * MS);
	wake(driver);
	run_for(MS);
	wake(host);
	CU_ASSERT_TRUE(runs(driver));
	run_for(1100 * US);
	CU_ASSERT_TRUE(runs(host));
	block(host);
	for (int i = 0; i < 20; i++) {
		run_for(1250 * US);
		CU_ASSERT_TRUE(runs(driver));
		wake(host);
		CU_ASSERT_TRUE(runs(host));
		block(host);
	}
}

static void who_is_in_a_hurry_runs_at_once_and_for_a_while(void)
{
	struct vcpu *host = given_spinner(256, 1), *driver = given_spinner(256, 1);

	set_warp(host, 5000, 2000);
	while (!runs(host))
		run_for(MS);
	block(host);
	run_for(20 * MS);
	wake(host);
	CU_ASSERT_TRUE(runs(host));
	sched_vcpu_hurry(driver, 20000);
	run_for(0);
	CU_ASSERT_TRUE(runs(driver));
	run_for(400 * US);
	CU_ASSERT_TRUE(runs(driver));
	run_for(200 * US);
	CU_ASSERT_TRUE(runs(host));
}

static void a_sleeper_keeps_its_hurry(void)
{
	struct vcpu *sleeper = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	while (!runs(sleeper))
		run_for(MS);
	block(sleeper);
	sched_vcpu_hurry(sleeper, 20000);
	run_for(20 * MS);
	CU_ASSERT_TRUE(runs(spinner));
	wake(sleeper);
	CU_ASSERT_TRUE(runs(sleeper));
}

static void a_hurry_borrows_and_does_not_steal(void)
{
	struct vcpu *greedy = given_spinner(256, 1), *spinner = given_spinner(256, 1);

	for (int i = 0; i < 20000; i++) {
		sched_vcpu_hurry(greedy, 20000);
		run_for(100 * US);
	}
	CU_ASSERT_TRUE(is_about(time_of(greedy), 1000 * MS, 2000 * MS));
	CU_ASSERT_TRUE(is_about(time_of(spinner), 1000 * MS, 2000 * MS));
}

/* ---- siblings: vcpus of one domain, on one CPU ---- */

/* The second sleeps, the first has run for long, in a program of its guest's. */
static struct vcpu **given_siblings(void)
{
	struct vcpu **vcpu = given_domain_with(9, 2, false)->vcpu;

	for (int i = 0; i < 2; i++) {
		vcpu[i]->in_kernel = false;
		vcpu[i]->affinity = 1;
		sched_vcpu_update(vcpu[i]);
	}
	while (!runs(vcpu[1]))
		run_for(100 * US);
	block(vcpu[1]);
	run_for(10 * MS);
	return vcpu;
}

static void warp_puts_no_vcpu_before_its_sibling(void)
{
	struct vcpu **vcpu = given_siblings();

	set_warp(vcpu[0], 5000, 2000);
	wake(vcpu[1]);
	run_for(900 * US);
	CU_ASSERT_TRUE(runs(vcpu[0]));
	run_for(200 * US);
	CU_ASSERT_TRUE(runs(vcpu[1]));
	block(vcpu[1]);
	run_for(10 * MS);
	wake(vcpu[1]);
	CU_ASSERT_TRUE(runs(vcpu[0]));
	sched_vcpu_hurry(vcpu[1], 20000);
	run_for(0);
	CU_ASSERT_TRUE(runs(vcpu[1]));
}

static void a_vcpu_in_its_kernel_is_let_come_out_before_its_sibling_runs(void)
{
	struct vcpu **vcpu = given_siblings(), *other = given_spinner(256, 2);

	vcpu[0]->in_kernel = true;
	wake(vcpu[1]);
	run_for(1200 * US);
	CU_ASSERT_TRUE(runs(vcpu[0]));
	vcpu[0]->in_kernel = false;
	run_for(60 * US);
	CU_ASSERT_TRUE(runs(vcpu[1]));
	block(vcpu[1]);
	run_for(10 * MS);

	/* It has no more than that: and before others, nothing. */
	vcpu[0]->in_kernel = true;
	wake(vcpu[1]);
	run_for(1400 * US);
	CU_ASSERT_TRUE(runs(vcpu[0]));
	run_for(200 * US);
	CU_ASSERT_TRUE(runs(vcpu[1]));
	block(vcpu[1]);
	run_for(10 * MS);
	block(other);
	other->affinity = 1;
	wake(other);
	run_for(1100 * US);
	CU_ASSERT_TRUE(runs(other));
}

/* ---- caps and limits ---- */

static void a_cap_holds_on_an_idle_machine(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);

	set_cap(vcpu, 25);
	run_for(1000 * MS);
	CU_ASSERT_TRUE(is_about(time_of(vcpu), 250 * MS, 1000 * MS));
	set_cap(vcpu, 0);
	run_for(1000 * MS);
	CU_ASSERT_TRUE(is_about(time_of(vcpu), 1250 * MS, 1000 * MS));
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
}

static void a_cap_is_for_all_vcpus_of_a_domain_together(void)
{
	struct domain *domain = given_domain_with(9, 4, false);
	uint64_t sum = 0;

	set_cap(domain->vcpu[0], 150);
	run_for(2000 * MS);
	for (int i = 0; i < 4; i++) {
		CU_ASSERT_TRUE(time_of(domain->vcpu[i]) > 100 * MS);
		sum += time_of(domain->vcpu[i]);
	}
	CU_ASSERT_TRUE(is_about(sum, 3000 * MS, 3000 * MS));
	queues_are_consistent();
}

static void what_a_capped_domain_leaves_goes_to_others(void)
{
	struct vcpu *capped = given_spinner(1024, 1), *other = given_spinner(256, 1);

	set_cap(capped, 10);
	run_for(1000 * MS);
	CU_ASSERT_TRUE(is_about(time_of(capped), 100 * MS, 1000 * MS));
	CU_ASSERT_TRUE(is_about(time_of(other), 900 * MS, 1000 * MS));
}

static void a_domain_past_a_limit_waits_for_the_next_period(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);
	struct domain *domain = vcpu->domain;

	run_for(10 * MS);
	account_charge(domain, ACCOUNT_EVENTS_SENT, 1000000);	/* no limit yet: only counted */
	domain->account.limit[ACCOUNT_EVENTS_SENT] = 100;
	run_for(20 * MS);
	for (int i = 0; i < 100; i++)
		account_charge(domain, ACCOUNT_EVENTS_SENT, 1);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
	account_charge(domain, ACCOUNT_EVENTS_SENT, 1);
	account_charge(domain, ACCOUNT_EVENTS_SENT, 1);
	fake_run_softirqs();
	CU_ASSERT_FALSE(runs(vcpu));
	CU_ASSERT_EQUAL(vcpu->sched.state, RUNSTATE_offline);
	run_for(ACCOUNT_PERIOD_NS);
	CU_ASSERT_TRUE(runs(vcpu));
	CU_ASSERT_EQUAL(domain->account.used[ACCOUNT_EVENTS_SENT], 1000102);
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
}

static void a_limit_bounds_the_rate_whatever_a_guest_does(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);
	struct domain *domain = vcpu->domain;

	domain->account.limit[ACCOUNT_HYPERCALLS] = 50;
	for (int i = 0; i < 100000; i++) {
		run_for(10 * US);
		if (runs(vcpu))
			account_charge(domain, ACCOUNT_HYPERCALLS, 1);
	}
	CU_ASSERT_TRUE(domain->account.used[ACCOUNT_HYPERCALLS] <= 102 * 51);
	CU_ASSERT_TRUE(domain->account.used[ACCOUNT_HYPERCALLS] >= 98 * 50);
}

static void a_throttled_domain_leaves_no_timer_behind(void)
{
	struct domain *domain = given_domain_with(9, 2, false);

	set_cap(domain->vcpu[0], 10);
	while (!domain->sched->throttled)
		run_for(100 * US);
	given_dying(domain);
	for (int i = 0; i < 2; i++)
		sched_vcpu_update(domain->vcpu[i]);
	fake_run_softirqs();
	CU_ASSERT_TRUE(timer_is_set(&domain->sched->period));
	for (int i = 0; i < 2; i++) {
		sched_vcpu_destroy(domain->vcpu[i]);
		heap_free(domain->vcpu[i]);
	}
	run_for(100 * MS);		/* the address sanitizer looks on */
	sched_domain_destroy(domain);
	CU_ASSERT_PTR_NULL(domain->sched);
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
}

/* ---- several CPUs ---- */

static void spinners_spread_over_idle_cpus(void)
{
	struct vcpu *vcpu[FAKE_CPUS];

	for (int i = 0; i < FAKE_CPUS; i++)
		vcpu[i] = given_spinner(256, 0xf);
	run_for(1 * MS);
	for (int i = 0; i < FAKE_CPUS; i++)
		CU_ASSERT_TRUE(runs(vcpu[i]));
	CU_ASSERT_EQUAL(next_timer_ns(), UINT64_MAX);
}

static void whoever_wakes_goes_to_an_idle_cpu(void)
{
	struct vcpu *sleeper = given_spinner(256, 0xf), *spinner;

	run_for(MS);
	block(sleeper);
	spinner = given_spinner(256, 1ULL << sleeper->cpu->id);
	run_for(MS);
	CU_ASSERT_TRUE(runs(spinner));
	wake(sleeper);
	CU_ASSERT_TRUE(runs(sleeper));
	CU_ASSERT_TRUE(runs(spinner));
}

static void a_cpu_that_becomes_idle_takes_from_a_busy_one(void)
{
	struct vcpu *here = given_spinner(256, 2), *a, *b, *c;

	run_for(MS);
	a = given_spinner(256, 1);
	b = given_spinner(256, 1);
	c = given_spinner(256, 1);
	run_for(MS);
	b->affinity = 3;
	c->affinity = 1;
	block(here);
	run_for(10 * MS);
	CU_ASSERT_TRUE(runs(b) && b->cpu == cpu_by_id[1]);
	CU_ASSERT_TRUE(runs(a) || runs(c));
	CU_ASSERT_PTR_EQUAL(a->cpu, cpu_by_id[0]);
	CU_ASSERT_PTR_EQUAL(c->cpu, cpu_by_id[0]);
	queues_are_consistent();
}

static void a_new_affinity_moves_it_wherever_it_is(void)
{
	struct vcpu *running = given_spinner(256, 1), *waiting = given_spinner(256, 1);

	fake_allow_waiting(true);
	run_for(MS);
	if (!runs(running)) {
		struct vcpu *swap = running;

		running = waiting;
		waiting = swap;
	}
	waiting->affinity = 4;
	sched_vcpu_update(waiting);
	running->affinity = 8;
	sched_vcpu_update(running);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(waiting) && waiting->cpu == cpu_by_id[2]);
	CU_ASSERT_TRUE(runs(running) && running->cpu == cpu_by_id[3]);
	queues_are_consistent();
}

static void whoever_changes_cpus_brings_no_debt_and_no_credit(void)
{
	struct vcpu *old = given_spinner(256, 1), *moved = given_spinner(256, 2);
	uint64_t before_old, before_moved;

	fake_allow_waiting(true);
	run_for(10000 * MS);
	moved->affinity = 1;
	before_old = time_of(old);
	before_moved = time_of(moved);
	sched_vcpu_update(moved);
	run_for(100 * MS);
	CU_ASSERT_TRUE(is_about(time_of(old) - before_old, 50 * MS, 200 * MS));
	CU_ASSERT_TRUE(is_about(time_of(moved) - before_moved, 50 * MS, 200 * MS));
}

static void a_vcpu_that_is_still_on_its_old_cpu_is_not_taken(void)	/* S3 */
{
	struct vcpu *vcpu = given_spinner(256, 0xf);
	struct cpu *old;

	fake_allow_waiting(true);
	run_for(MS);
	block(vcpu);
	old = vcpu->cpu;
	vcpu->is_running = true;		/* its registers are not saved yet */
	sched_vcpu_kick(vcpu);
	fake_on_cpu(old->id);
	for (int i = 0; i < 3; i++) {
		old->softirqs = 0;
		sched_softirq();		/* a switch would stop the test here */
		CU_ASSERT_PTR_EQUAL(old->current, old->idle);
		CU_ASSERT_TRUE(old->softirqs & 1ULL << SOFTIRQ_SCHEDULE);
	}
	vcpu->is_running = false;
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
}

/* ---- may it run ---- */

static void whoever_may_not_run_leaves_its_cpu(void)
{
	struct domain *domain = given_domain();
	struct vcpu *vcpu = domain->vcpu[0];
	uint32_t *reasons[] = { &domain->pause_count, &vcpu->pause_count };
	bool *flags[] = { &domain->is_shut_down, &domain->is_dying };

	fake_run_softirqs();
	for (uint32_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		CU_ASSERT_TRUE(runs(vcpu));
		++*reasons[i];
		sched_vcpu_update(vcpu);
		fake_run_softirqs();
		CU_ASSERT_FALSE(runs(vcpu) || vcpu->is_running);
		CU_ASSERT_EQUAL(vcpu->sched.state, RUNSTATE_offline);
		--*reasons[i];
		sched_vcpu_update(vcpu);
		fake_run_softirqs();
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(flags); i++) {
		*flags[i] = true;
		sched_vcpu_update(vcpu);
		fake_run_softirqs();
		CU_ASSERT_FALSE(runs(vcpu));
		sched_vcpu_wait_until_off(vcpu);
		sched_vcpu_kick(vcpu);
		fake_run_softirqs();
		CU_ASSERT_FALSE(runs(vcpu));
		*flags[i] = false;
		sched_vcpu_update(vcpu);
		fake_run_softirqs();
		CU_ASSERT_TRUE(runs(vcpu));
	}
}

static void a_paused_sleeper_that_is_kicked_runs_after_the_pause(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);

	fake_run_softirqs();
	block(vcpu);
	vcpu->pause_count = 1;
	sched_vcpu_update(vcpu);
	CU_ASSERT_EQUAL(vcpu->sched.state, RUNSTATE_blocked);
	wake(vcpu);
	CU_ASSERT_FALSE(runs(vcpu));
	vcpu->pause_count = 0;
	sched_vcpu_update(vcpu);
	fake_run_softirqs();
	CU_ASSERT_TRUE(runs(vcpu));
}

/* ---- blocking ---- */

static void a_kick_is_not_lost_whenever_it_comes(void)		/* S4 */
{
	struct vcpu *vcpu = given_spinner(256, 1);

	for (int when = 0; when < 3; when++) {
		fake_run_softirqs();
		CU_ASSERT_TRUE(runs(vcpu));
		vcpu->info->evtchn_upcall_pending = when == 0;
		vcpu->info->evtchn_upcall_mask = 0;
		if (when == 0)
			sched_vcpu_kick(vcpu);
		sched_block_current();
		CU_ASSERT_EQUAL(vcpu->sched.is_blocked, when > 0);
		if (when == 2)
			fake_run_softirqs();
		vcpu->info->evtchn_upcall_pending = 1;
		sched_vcpu_kick(vcpu);
		fake_run_softirqs();
		CU_ASSERT_TRUE(runs(vcpu));
		CU_ASSERT_FALSE(vcpu->sched.is_blocked);
	}
}

static void a_masked_event_does_not_keep_it_awake(void)
{
	struct vcpu *vcpu = given_spinner(256, 1);

	fake_run_softirqs();
	vcpu->info->evtchn_upcall_pending = 1;
	vcpu->info->evtchn_upcall_mask = 1;
	block(vcpu);
	CU_ASSERT_FALSE(runs(vcpu));
}

static void a_kick_of_one_that_runs_makes_its_cpu_look(void)
{
	struct vcpu *vcpu = given_spinner(256, 4);

	fake_run_softirqs();
	sched_vcpu_kick(vcpu);
	CU_ASSERT_EQUAL(fake.event_checks[2], 1);
	fake_on_cpu(2);
	sched_vcpu_kick(vcpu);			/* its own CPU looks in any case */
	CU_ASSERT_EQUAL(fake.event_checks[2], 1);
}

static void runstates_add_up_to_system_time(void)
{
	struct vcpu *vcpu = given_spinner(256, 1), *other = given_spinner(256, 1);
	struct vcpu_runstate_info info;
	uint64_t start_ns = fake.now_ns;

	for (int i = 0; i < 300; i++) {
		run_for(777 * US);
		if (i % 7 == 0 && runs(vcpu))
			block(vcpu);
		if (i % 11 == 0)
			wake(vcpu);
		sched_get_runstate(vcpu, &info);
		CU_ASSERT_EQUAL(info.time[0] + info.time[1] + info.time[2] + info.time[3], fake.now_ns - start_ns);
	}
	CU_ASSERT_EQUAL(info.time[0], time_of(vcpu));
	CU_ASSERT_TRUE(time_of(other) + time_of(vcpu) + time_of(cpu_by_id[0]->idle) == fake.now_ns);
}

static const struct unit_case cases[] = {
	UNIT_CASE(parameters_out_of_range_are_refused_and_change_nothing),
	UNIT_CASE(time_is_shared_by_weight),
	UNIT_CASE(equals_do_not_wait_long_for_each_other),
	UNIT_CASE(the_lightest_is_not_starved_by_the_heaviest),
	UNIT_CASE(whoever_sleeps_saves_nothing_up),
	UNIT_CASE(whoever_sleeps_for_days_does_not_wait_for_as_long),
	UNIT_CASE(whoever_yields_lets_its_peers_run_and_keeps_its_share),
	UNIT_CASE(whoever_yields_alone_goes_on),
	UNIT_CASE(a_cpu_where_nobody_waits_has_no_tick),
	UNIT_CASE(two_equals_do_not_change_places_at_every_event),
	UNIT_CASE(a_warped_vcpu_that_wakes_preempts),
	UNIT_CASE(an_unwarped_one_waits_for_the_allowance_only),
	UNIT_CASE(a_wake_up_behind_who_runs_moves_no_timer_but_the_first),
	UNIT_CASE(warp_borrows_and_does_not_steal),
	UNIT_CASE(warp_ends_at_its_limit),
	UNIT_CASE(the_host_waits_for_who_is_warped_further_until_its_limit),
	UNIT_CASE(who_is_in_a_hurry_runs_at_once_and_for_a_while),
	UNIT_CASE(a_sleeper_keeps_its_hurry),
	UNIT_CASE(a_hurry_borrows_and_does_not_steal),
	UNIT_CASE(warp_puts_no_vcpu_before_its_sibling),
	UNIT_CASE(a_vcpu_in_its_kernel_is_let_come_out_before_its_sibling_runs),
	UNIT_CASE(a_cap_holds_on_an_idle_machine),
	UNIT_CASE(a_cap_is_for_all_vcpus_of_a_domain_together),
	UNIT_CASE(what_a_capped_domain_leaves_goes_to_others),
	UNIT_CASE(a_domain_past_a_limit_waits_for_the_next_period),
	UNIT_CASE(a_limit_bounds_the_rate_whatever_a_guest_does),
	UNIT_CASE(a_throttled_domain_leaves_no_timer_behind),
	UNIT_CASE(spinners_spread_over_idle_cpus),
	UNIT_CASE(whoever_wakes_goes_to_an_idle_cpu),
	UNIT_CASE(a_cpu_that_becomes_idle_takes_from_a_busy_one),
	UNIT_CASE(a_new_affinity_moves_it_wherever_it_is),
	UNIT_CASE(whoever_changes_cpus_brings_no_debt_and_no_credit),
	UNIT_CASE(a_vcpu_that_is_still_on_its_old_cpu_is_not_taken),
	UNIT_CASE(whoever_may_not_run_leaves_its_cpu),
	UNIT_CASE(a_paused_sleeper_that_is_kicked_runs_after_the_pause),
	UNIT_CASE(a_kick_is_not_lost_whenever_it_comes),
	UNIT_CASE(a_masked_event_does_not_keep_it_awake),
	UNIT_CASE(a_kick_of_one_that_runs_makes_its_cpu_look),
	UNIT_CASE(runstates_add_up_to_system_time),
};

int main(void)
{
	return unit_run("scheduler", cases, ARRAY_SIZE(cases));
}
