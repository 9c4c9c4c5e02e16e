/* SPDX-License-Identifier: MIT */
/* Timers: each fires once, in order, where it stands, and never after it was stopped. */
#include "include/types.h"

#include <pthread.h>
#include <stdlib.h>

#include "unit.h"

#include "sched/timer.h"

#define TIMERS 200

struct probe {
	struct timer timer;
	uint32_t fired;
	uint32_t fired_on;
	uint64_t fired_at_ns;
	uint64_t expected_ns;		/* of the model; 0: not set */
};

static struct probe probes[TIMERS];
static uint64_t last_deadline_ns;

static void note(void *data)
{
	struct probe *probe = data;

	probe->fired++;
	probe->fired_on = cpu_id();
	probe->fired_at_ns = fake.now_ns;
}

static struct probe *given_timer(uint32_t number)
{
	probes[number] = (struct probe){ 0 };
	timer_init(&probes[number].timer, note, &probes[number]);
	return &probes[number];
}

static void given_timers(void)
{
	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++)
		timer_init_cpu(cpu);
}

static void wait_until(uint64_t at_ns)
{
	fake_advance(at_ns - fake.now_ns);
	fake_run_softirqs();
}

/* ---- */

static void a_timer_fires_once_at_its_deadline(void)
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	timer_set(&probe->timer, 1000);
	wait_until(999);
	CU_ASSERT_EQUAL(probe->fired, 0);
	wait_until(1000);
	CU_ASSERT_EQUAL(probe->fired, 1);
	wait_until(100000);
	CU_ASSERT_EQUAL(probe->fired, 1);
}

static void a_deadline_that_is_past_fires_at_once(void)
{
	struct probe *probe;

	given_timers();
	fake_advance(5000);
	probe = given_timer(0);
	timer_set(&probe->timer, 1);
	fake_run_softirqs();
	CU_ASSERT_EQUAL(probe->fired, 1);
}

static void a_stopped_timer_does_not_fire(void)
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	timer_set(&probe->timer, 1000);
	timer_stop(&probe->timer);
	timer_stop(&probe->timer);
	wait_until(2000);
	CU_ASSERT_EQUAL(probe->fired, 0);
}

static void a_timer_that_was_due_and_is_stopped_before_its_softirq_does_not_fire(void)
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	timer_set(&probe->timer, 1000);
	fake_advance(1000);
	timer_stop(&probe->timer);
	fake_run_softirqs();
	CU_ASSERT_EQUAL(probe->fired, 0);
}

static void a_moved_deadline_counts(void)
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	timer_set(&probe->timer, 1000);
	timer_set(&probe->timer, 3000);
	wait_until(2999);
	CU_ASSERT_EQUAL(probe->fired, 0);
	timer_set(&probe->timer, 3001);
	wait_until(3001);
	CU_ASSERT_EQUAL(probe->fired, 1);
}

static void a_timer_fires_where_it_was_set_last(void)		/* T2 */
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	fake_on_cpu(2);
	timer_set(&probe->timer, 1000);
	CU_ASSERT_EQUAL(fake.timer_ns[2], 1000);
	fake_on_cpu(1);
	timer_set(&probe->timer, 2000);
	CU_ASSERT_EQUAL(fake.timer_ns[1], 2000);
	wait_until(1000);
	CU_ASSERT_EQUAL(probe->fired, 0);
	wait_until(2000);
	CU_ASSERT_EQUAL(probe->fired, 1);
	CU_ASSERT_EQUAL(probe->fired_on, 1);
	fake_on_cpu(3);
	timer_stop(&probe->timer);
}

static void again(void *data)
{
	struct probe *probe = data;

	note(data);
	if (probe->fired < 5)
		timer_set(&probe->timer, probe->timer.deadline_ns + 100);
}

static void a_handler_may_set_its_timer_again(void)
{
	struct probe *probe;

	given_timers();
	probe = given_timer(0);
	timer_init(&probe->timer, again, probe);
	timer_set(&probe->timer, 100);
	for (uint64_t at_ns = 100; at_ns <= 1000; at_ns += 100)
		wait_until(at_ns);
	CU_ASSERT_EQUAL(probe->fired, 5);
	CU_ASSERT_EQUAL(probe->fired_at_ns, 500);
}

static void in_order(void *data)
{
	struct probe *probe = data;

	note(data);
	CU_ASSERT_TRUE(last_deadline_ns <= probe->timer.deadline_ns);
	CU_ASSERT_EQUAL(probe->expected_ns, probe->timer.deadline_ns);
	last_deadline_ns = probe->timer.deadline_ns;
	probe->expected_ns = 0;
}

static void nothing_is_overdue(void)
{
	for (uint32_t i = 0; i < TIMERS; i++) {
		CU_ASSERT_EQUAL(timer_is_set(&probes[i].timer), probes[i].expected_ns != 0);
		CU_ASSERT_TRUE(!probes[i].expected_ns || probes[i].expected_ns > fake.now_ns);
	}
}

static void many_timers_fire_in_order_as_a_model_has_them(void)
{
	given_timers();
	srandom(1);
	for (uint32_t i = 0; i < TIMERS; i++) {
		given_timer(i);
		timer_init(&probes[i].timer, in_order, &probes[i]);
	}
	for (uint32_t step = 0; step < 20000; step++) {
		struct probe *probe = &probes[random() % TIMERS];

		switch (random() % 8) {
		case 0:
			timer_stop(&probe->timer);
			probe->expected_ns = 0;
			break;
		case 1:
			last_deadline_ns = 0;
			wait_until(fake.now_ns + (uint64_t)random() % 300);
			nothing_is_overdue();
			break;
		default:
			probe->expected_ns = fake.now_ns + 1 + (uint64_t)random() % 5000;
			timer_set(&probe->timer, probe->expected_ns);
			break;
		}
	}
}

/* ---- several CPUs at once ---- */

static struct timer shared;
static uint32_t handlers;		/* that run; atomic */
static uint32_t repeats;
static bool is_over, is_stopping, wants_timer;

static void slow(void *data)
{
	__atomic_fetch_add(&handlers, 1, __ATOMIC_SEQ_CST);
	for (volatile int i = 0; i < 200; i++)
		;
	__atomic_fetch_sub(&handlers, 1, __ATOMIC_SEQ_CST);
	if (!read_once(&is_stopping) && __atomic_fetch_add(&repeats, 1, __ATOMIC_SEQ_CST) % 4)
		timer_set(&shared, 0);
}

/* Its handler sets it here again, until the others say that they stop it. */
static void *fire_on_cpu_1(void *unused)
{
	fake_on_cpu(1);
	while (!read_once(&is_over)) {
		timer_softirq();
		if (!read_once(&is_stopping) && read_once(&wants_timer)) {
			timer_set(&shared, 0);
			write_once(&wants_timer, false);	/* last: this thread may stand still before it, but not between the two */
		}
	}
	return NULL;
}

static void after_a_stop_no_handler_runs(void)
{
	pthread_t thread;
	uint32_t running = 0;

	given_timers();
	fake_allow_waiting(true);
	timer_init(&shared, slow, NULL);
	write_once(&is_over, false);
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, fire_on_cpu_1, NULL), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		write_once(&is_stopping, false);
		write_once(&wants_timer, true);
		for (volatile int j = 0; j < (int)(i % 300); j++)
			;
		while (read_once(&wants_timer))
			;
		if (i % 2)
			timer_set(&shared, 0);		/* it comes here while its handler may run there */
		write_once(&is_stopping, true);
		timer_stop(&shared);
		running += read_once(&handlers) != 0;
	}
	write_once(&is_over, true);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(running, 0);
}

static const struct unit_case cases[] = {
	UNIT_CASE(a_timer_fires_once_at_its_deadline),
	UNIT_CASE(a_deadline_that_is_past_fires_at_once),
	UNIT_CASE(a_stopped_timer_does_not_fire),
	UNIT_CASE(a_timer_that_was_due_and_is_stopped_before_its_softirq_does_not_fire),
	UNIT_CASE(a_moved_deadline_counts),
	UNIT_CASE(a_timer_fires_where_it_was_set_last),
	UNIT_CASE(a_handler_may_set_its_timer_again),
	UNIT_CASE(many_timers_fire_in_order_as_a_model_has_them),
	UNIT_CASE(after_a_stop_no_handler_runs),
};

int main(void)
{
	return unit_run("timers", cases, ARRAY_SIZE(cases));
}
