/* SPDX-License-Identifier: MIT */
/*
 * lib/health.h on a driver and a machine that are played here, 10 us at a time: HE1 to HE9. A fault is found when it should be, and
 * none where there is none.
 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/health.h"

#define US		1000UL
#define MS		(1000 * US)
#define S		(1000 * MS)
#define TICK		(10 * US)
#define ROUND		(40 * US)	/* of the driver's loop */

static const struct health_setting setting = { 5 * MS, 1 * S, 1 * S };

/* What the driver is like, and what the machine does to it. */
static struct world {
	uint32_t share_percent;		/* of a CPU, that it gets when it wants it, in slices of 10 ms */
	uint32_t stolen_percent;	/* how often what is below this machine takes its CPU away, for 5 to 25 ms */
	uint32_t looker_late_ns;	/* a look comes late by up to this */
	uint32_t look_takes_ns;		/* of the CPU's time, before it has seen anything, and as much afterwards */
	bool works;			/* it has something to do all the time */
	uint64_t idle_wakes_ns;		/* it does not: it wakes so often */
	bool answers, has_work;
	bool says_rest;			/* when it finds nothing to do, which it does while it does not work */
	uint32_t waiting;		/* requests, if it has work; 0: one */
	uint64_t rests_ns, loops_ns;	/* it rests so often though it works; from then on its rounds lead nowhere */
	uint64_t hangs_ns, deaf_ns;	/* from then on it loops inside a round; sleeps and never wakes */

	uint64_t now_ns, cpu_ns, stolen_until_ns, round_ns, ran_until_ns;
	uint64_t heartbeat, answered;
	bool is_blocked;
	uint32_t rested;
} world;

static struct health health;
static uint64_t suspicious_looks, looks;

static void given(struct world what)
{
	world = what;
	world.rested = world.says_rest;
	srand(1);
	suspicious_looks = looks = 0;
	health_begin(&health, &setting, &(struct health_look){ 0 });
}

static bool has_cpu(void)
{
	return world.now_ns / (10 * MS) % 100 * world.share_percent / 100 != (world.now_ns / (10 * MS) + 1) % 100 * world.share_percent / 100 ||
	       world.share_percent == 100;
}

static void runs(void)
{
	world.cpu_ns += TICK;
	if (world.stolen_until_ns > world.now_ns)
		return;				/* it seems to run */
	if (world.hangs_ns && world.now_ns >= world.hangs_ns)
		return;
	world.round_ns += TICK;
	if (world.round_ns < ROUND)
		return;
	world.round_ns = 0;
	world.heartbeat++;
	if (world.loops_ns && world.now_ns >= world.loops_ns)
		return;
	world.answered += world.answers;
	world.rested += world.says_rest && (!world.works || (world.rests_ns && world.now_ns % world.rests_ns < ROUND));
}

static bool wants_cpu(void)
{
	if (world.deaf_ns && world.now_ns >= world.deaf_ns)
		return false;
	if (world.works || (world.hangs_ns && world.now_ns >= world.hangs_ns))
		return true;
	if (world.idle_wakes_ns && world.now_ns % world.idle_wakes_ns < TICK)
		world.ran_until_ns = world.now_ns + ROUND;
	return world.now_ns < world.ran_until_ns;
}

static void time_passes(void)
{
	world.now_ns += TICK;
	if (world.stolen_until_ns <= world.now_ns && (uint32_t)rand() % 100000 < world.stolen_percent * 8)
		world.stolen_until_ns = world.now_ns + (5 + (uint64_t)rand() % 20) * MS;
	world.is_blocked = !wants_cpu();
	if (!world.is_blocked && has_cpu())
		runs();
}

/* A close look stops the driver: so it waits until it is really there. */
static struct health_look look(bool is_close)
{
	while (is_close && world.stolen_until_ns > world.now_ns)
		time_passes();
	looks++;
	suspicious_looks += is_close;
	return (struct health_look){ .now_ns = world.now_ns, .cpu_ns = world.cpu_ns, .heartbeat = world.heartbeat, .answered = world.answered,
				     .is_whole = looks % 4 == 0, .waiting = world.has_work ? world.waiting + !world.waiting : 0,
				     .rested = world.rested, .is_blocked = world.is_blocked, .is_close = is_close };
}

static enum health_verdict watch_until(uint64_t end_ns)
{
	enum health_verdict verdict = HEALTH_WELL;

	while (world.now_ns < end_ns && verdict <= HEALTH_DOUBT) {
		uint64_t at = health.next_ns + (world.looker_late_ns ? (uint64_t)rand() % world.looker_late_ns : 0);
		struct health_look seen;

		while (world.now_ns < at)
			time_passes();
		world.now_ns += world.look_takes_ns;
		seen = look(verdict == HEALTH_DOUBT);
		world.now_ns += world.look_takes_ns;
		seen.is_whole |= health_wants_rings(&health, &seen);
		verdict = health_judge(&health, &seen);
	}
	return verdict > HEALTH_DOUBT ? verdict : HEALTH_WELL;
}

/* ---- what is well ---- */

static void busy_driver_is_well(void)
{
	given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
	CU_ASSERT_EQUAL(suspicious_looks, 0);
	CU_ASSERT_TRUE(looks < 20 * 405);
}

static void driver_with_half_a_cpu_is_looked_at_half_as_often(void)	/* HE5 */
{
	given((struct world){ .share_percent = 50, .works = true, .answers = true, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
	CU_ASSERT_TRUE(looks < 20 * 270);
}

static void idle_driver_is_well_and_looked_at_seldom(void)
{
	given((struct world){ .share_percent = 100, .idle_wakes_ns = 1 * S });
	CU_ASSERT_EQUAL(watch_until(60 * S), HEALTH_WELL);
	CU_ASSERT_TRUE(looks < 60 * 60);
}

static void driver_that_gets_little_of_a_cpu_is_well(void)		/* HE1 */
{
	for (uint32_t share = 1; share <= 50; share += 7) {
		given((struct world){ .share_percent = share, .works = true, .answers = true, .has_work = true, .looker_late_ns = 3 * MS });
		CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
	}
}

static void driver_that_gets_no_cpu_at_all_is_well(void)		/* HE1 */
{
	given((struct world){ .share_percent = 0, .works = true, .answers = true, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(10 * S), HEALTH_WELL);
}

static void driver_on_a_machine_that_is_not_there_is_well(void)		/* HE2, HE3 */
{
	for (uint32_t stolen = 1; stolen <= 16; stolen *= 2) {
		given((struct world){ .share_percent = 100, .stolen_percent = stolen, .works = true, .answers = true, .has_work = true,
				      .looker_late_ns = 2 * MS });
		CU_ASSERT_EQUAL(watch_until(60 * S), HEALTH_WELL);
	}
}

static void slow_device_is_not_silent(void)
{
	given((struct world){ .share_percent = 100, .idle_wakes_ns = 10 * MS, .answers = true, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
}

static void work_that_waits_for_its_turn_is_none(void)			/* HE4 */
{
	given((struct world){ .share_percent = 100, .works = true, .answers = false, .has_work = false });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
}

static void device_may_take_its_time_for_a_reset(void)
{
	struct health_look seen = { .now_ns = 0 };

	given((struct world){ .share_percent = 100 });
	for (seen.now_ns = MS; seen.now_ns < S; seen.now_ns += MS) {
		seen.cpu_ns = seen.now_ns;
		seen.is_resetting = seen.is_close = true;
		CU_ASSERT_EQUAL(health_judge(&health, &seen), HEALTH_WELL);
	}
}

static void one_that_is_held_does_not_hang(void)			/* HE8 */
{
	struct health_look seen = { .now_ns = 0 };

	given((struct world){ .share_percent = 100 });
	for (seen.now_ns = MS; seen.now_ns < 3 * S; seen.now_ns += MS) {
		seen.cpu_ns = seen.now_ns;
		seen.is_held = seen.is_close = seen.is_whole = true;
		seen.waiting = 1;
		CU_ASSERT_EQUAL(health_judge(&health, &seen), HEALTH_WELL);
	}
	for (seen.is_held = false; seen.now_ns < 4 * S && health_judge(&health, &seen) != HEALTH_HANG; seen.now_ns += MS)
		seen.cpu_ns = seen.now_ns;
	CU_ASSERT_TRUE(seen.now_ns >= 3 * S + 4 * MS && seen.now_ns <= 3 * S + 40 * MS);
}

/* ---- what is not ---- */

static void hang_is_found_within_its_deadline(void)
{
	for (uint64_t phase = 0; phase < 3 * MS; phase += 170 * US) {
		given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true, .hangs_ns = 2 * S + phase });
		CU_ASSERT_EQUAL(watch_until(4 * S), HEALTH_HANG);
		CU_ASSERT_TRUE(world.now_ns - world.hangs_ns >= 5 * MS);
		CU_ASSERT_TRUE(world.now_ns - world.hangs_ns <= 5 * MS + 5 * MS / 2 + ROUND + 2 * TICK);
	}
}

static void last_look_is_there_when_the_deadline_passes(void)		/* HE9 */
{
	for (uint32_t takes = 0; takes <= 30 * US; takes += TICK) {
		given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true, .hangs_ns = 2 * S, .look_takes_ns = takes });
		CU_ASSERT_EQUAL(watch_until(4 * S), HEALTH_HANG);
		CU_ASSERT_EQUAL(suspicious_looks, 3);
		CU_ASSERT_TRUE(world.now_ns >= health.passed_ns);
		CU_ASSERT_TRUE(world.now_ns - health.passed_ns <= 3 * takes + TICK);
	}
}

static void hang_out_of_sleep_is_found_soon_after(void)
{
	given((struct world){ .share_percent = 100, .idle_wakes_ns = 1 * S, .hangs_ns = 5 * S + 123 * MS });
	CU_ASSERT_EQUAL(watch_until(7 * S), HEALTH_HANG);
	CU_ASSERT_TRUE(world.now_ns - world.hangs_ns <= 30 * MS);
}

static void hang_is_found_by_the_time_it_was_given(void)		/* HE1 */
{
	given((struct world){ .share_percent = 25, .works = true, .answers = true, .has_work = true, .hangs_ns = 2 * S });
	CU_ASSERT_EQUAL(watch_until(4 * S), HEALTH_HANG);
	CU_ASSERT_TRUE(world.now_ns - world.hangs_ns <= 60 * MS);
}

static void hang_is_found_on_a_machine_that_is_often_away(void)
{
	given((struct world){ .share_percent = 100, .stolen_percent = 8, .works = true, .answers = true, .has_work = true, .hangs_ns = 2 * S,
			      .looker_late_ns = 3 * MS });
	CU_ASSERT_EQUAL(watch_until(6 * S), HEALTH_HANG);
	CU_ASSERT_TRUE(world.now_ns - world.hangs_ns <= 1 * S);
}

/* Each look on time, with a millisecond of CPU time and no heartbeat since the one before. */
static uint64_t looks_until_hang(bool is_close, uint64_t late_ns)
{
	struct health_look seen = { .now_ns = 0 };
	uint64_t count = 0;

	health_begin(&health, &setting, &seen);
	while (count++ < 1000) {
		seen.now_ns = health.next_ns + late_ns;
		seen.cpu_ns += MS;
		seen.is_close = is_close;
		if (health_judge(&health, &seen) == HEALTH_HANG)
			break;
	}
	return count;
}

static void looks_from_afar_prove_nothing(void)				/* HE3 */
{
	CU_ASSERT_TRUE(looks_until_hang(false, 0) > 1000);
	CU_ASSERT_EQUAL(looks_until_hang(true, 0), 5);
}

static void looks_that_come_late_count_little(void)			/* HE2 */
{
	CU_ASSERT_TRUE(looks_until_hang(true, 10 * MS) >= 60);
}

static void loop_that_answers_nothing_is_found_when_no_device_could_be_waited_for(void)
{
	given((struct world){ .share_percent = 100, .works = true, .answers = false, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(10 * S), HEALTH_LIVELOCK);
	CU_ASSERT_TRUE(world.now_ns >= 1 * S && world.now_ns < 1 * S + 12 * MS);
}

static void rounds_that_lead_nowhere_are_found_by_the_time_that_they_took(void)		/* HE6 */
{
	for (uint64_t phase = 0; phase < 3 * MS; phase += 170 * US) {
		given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true, .says_rest = true, .rests_ns = 1 * MS,
				      .loops_ns = 2 * S + phase });
		CU_ASSERT_EQUAL(watch_until(4 * S), HEALTH_LIVELOCK);
		CU_ASSERT_TRUE(world.now_ns - world.loops_ns >= 5 * MS && world.now_ns - world.loops_ns <= 18 * MS);
	}
}

static void requests_that_may_yet_be_taken_are_waited_for(void)				/* HE6 */
{
	given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true, .says_rest = true, .rests_ns = 1 * MS,
			      .waiting = 200, .loops_ns = 2 * S });
	CU_ASSERT_EQUAL(watch_until(2 * S + 200 * MS), HEALTH_WELL);
	CU_ASSERT_EQUAL(watch_until(3 * S), HEALTH_LIVELOCK);
	CU_ASSERT_TRUE(world.now_ns <= 2 * S + 230 * MS);
}

static void rounds_that_rest_wait_for_a_device(void)					/* HE6 */
{
	given((struct world){ .share_percent = 100, .works = true, .has_work = true, .says_rest = true, .rests_ns = 2 * MS });
	CU_ASSERT_EQUAL(watch_until(900 * MS), HEALTH_WELL);
}

static void rounds_without_requests_may_be_many(void)					/* HE6 */
{
	given((struct world){ .share_percent = 100, .works = true, .says_rest = true });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
}

static void rounds_that_answer_may_be_many(void)					/* HE6 */
{
	given((struct world){ .share_percent = 100, .works = true, .answers = true, .has_work = true, .says_rest = true });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_WELL);
	CU_ASSERT_TRUE(looks < 20 * 405);
}

static void one_long_round_is_no_rounds(void)						/* HE6 */
{
	given((struct world){ .share_percent = 100, .stolen_percent = 16, .works = true, .answers = true, .has_work = true, .says_rest = true });
	CU_ASSERT_EQUAL(watch_until(60 * S), HEALTH_WELL);
}

static void device_that_says_nothing_is_found(void)
{
	given((struct world){ .share_percent = 100, .idle_wakes_ns = 100 * MS, .answers = false, .has_work = true });
	CU_ASSERT_EQUAL(watch_until(10 * S), HEALTH_SILENT);
	CU_ASSERT_TRUE(world.now_ns >= 1 * S && world.now_ns < 1 * S + 200 * MS);
}

/* It gives a sign of life each second, and one second in three the machine is not there for three. */
static void machine_that_is_away_is_no_sleeping_driver(void)				/* HE7 */
{
	struct health_look seen = { .is_blocked = true, .is_whole = true, .waiting = 1 };

	health_begin(&health, &setting, &seen);
	for (uint64_t beats = 0; beats < 60; beats++) {
		uint64_t end_ns = seen.now_ns + 900 * MS;

		while (seen.now_ns < end_ns) {
			seen.now_ns = health.next_ns;
			CU_ASSERT_EQUAL(health_judge(&health, &seen), HEALTH_WELL);
		}
		if (beats % 3 == 0) {
			seen.now_ns += 3 * S;
			CU_ASSERT_EQUAL(health_judge(&health, &seen), HEALTH_WELL);
		}
		seen.heartbeat++;
		seen.answered++;
		seen.cpu_ns += 50 * US;
	}
}

static void sleeper_that_never_wakes_is_found(void)
{
	given((struct world){ .share_percent = 100, .idle_wakes_ns = 1 * S, .deaf_ns = 3 * S + 500 * MS });
	CU_ASSERT_EQUAL(watch_until(20 * S), HEALTH_MUTE);
	CU_ASSERT_TRUE(world.now_ns - world.deaf_ns <= 2200 * MS);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("health", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(busy_driver_is_well);
	TEST(driver_with_half_a_cpu_is_looked_at_half_as_often);
	TEST(idle_driver_is_well_and_looked_at_seldom);
	TEST(driver_that_gets_little_of_a_cpu_is_well);
	TEST(driver_that_gets_no_cpu_at_all_is_well);
	TEST(driver_on_a_machine_that_is_not_there_is_well);
	TEST(slow_device_is_not_silent);
	TEST(work_that_waits_for_its_turn_is_none);
	TEST(device_may_take_its_time_for_a_reset);
	TEST(one_that_is_held_does_not_hang);
	TEST(hang_is_found_within_its_deadline);
	TEST(last_look_is_there_when_the_deadline_passes);
	TEST(hang_out_of_sleep_is_found_soon_after);
	TEST(hang_is_found_by_the_time_it_was_given);
	TEST(hang_is_found_on_a_machine_that_is_often_away);
	TEST(looks_from_afar_prove_nothing);
	TEST(looks_that_come_late_count_little);
	TEST(loop_that_answers_nothing_is_found_when_no_device_could_be_waited_for);
	TEST(rounds_that_lead_nowhere_are_found_by_the_time_that_they_took);
	TEST(requests_that_may_yet_be_taken_are_waited_for);
	TEST(rounds_that_rest_wait_for_a_device);
	TEST(rounds_without_requests_may_be_many);
	TEST(rounds_that_answer_may_be_many);
	TEST(one_long_round_is_no_rounds);
	TEST(device_that_says_nothing_is_found);
	TEST(machine_that_is_away_is_no_sleeping_driver);
	TEST(sleeper_that_never_wakes_is_found);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
