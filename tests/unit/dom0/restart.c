/* SPDX-License-Identifier: MIT */
/* When a driver that has died is restarted, and when no more. */
#include "lib/restart.h"

#include <CUnit/Basic.h>

#define SECOND	1000000UL
#define MIDDLE	0x80000000u	/* of all chances: no jitter */

static struct restart_history history;

static struct manifest_restart given_policy(void)
{
	restart_forget(&history);
	return (struct manifest_restart){ .is_automatic = true, .is_armed = true, .limit = 5, .within_us = 60 * SECOND,
					  .backoff_us = 1000, .backoff_max_us = 30 * SECOND, .jitter_percent = 20 };
}

static void given_restarts(uint32_t count, uint64_t at_us)
{
	for (uint32_t i = 0; i < count; i++)
		restart_count(&history, at_us + i);
}

static uint64_t pause_at(const struct manifest_restart *policy, uint64_t now_us, uint32_t chance)
{
	uint64_t pause_us = 0;

	CU_ASSERT_EQUAL(restart_judge(policy, &history, now_us, chance, &pause_us), RESTART_AFTER);
	return pause_us;
}

static void never_more_than_the_limit_in_any_such_time(void)	/* RS1 */
{
	struct manifest_restart policy = given_policy();
	uint64_t pause_us;

	given_restarts(5, 100 * SECOND);
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, 100 * SECOND + 10, MIDDLE, &pause_us), RESTART_EXHAUSTED);
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, 160 * SECOND - 1, MIDDLE, &pause_us), RESTART_EXHAUSTED);
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, 160 * SECOND, MIDDLE, &pause_us), RESTART_AFTER);
}

static void highest_limit_is_kept_too(void)	/* RS1 */
{
	struct manifest_restart policy = given_policy();
	uint64_t pause_us;

	policy.limit = RESTARTS_MAX;
	given_restarts(RESTARTS_MAX - 1, SECOND);
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, 2 * SECOND, MIDDLE, &pause_us), RESTART_AFTER);
	given_restarts(3, 2 * SECOND);
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, 3 * SECOND, MIDDLE, &pause_us), RESTART_EXHAUSTED);
}

static void pauses_double_from_the_second_on(void)	/* RS2 */
{
	struct manifest_restart policy = given_policy();

	policy.limit = 100;
	CU_ASSERT_EQUAL(pause_at(&policy, SECOND, MIDDLE), 0);
	for (uint64_t expected = 1000, i = 0; i < 14; i++, expected *= 2) {
		restart_count(&history, SECOND);
		CU_ASSERT_EQUAL(pause_at(&policy, SECOND, MIDDLE), expected);
	}
	given_restarts(3, SECOND);
	CU_ASSERT_EQUAL(pause_at(&policy, 2 * SECOND, MIDDLE), 30 * SECOND);
	CU_ASSERT_EQUAL(pause_at(&policy, 200 * SECOND, MIDDLE), 0);
}

static void jitter_is_as_much_to_both_sides(void)
{
	struct manifest_restart policy = given_policy();

	restart_count(&history, SECOND);
	CU_ASSERT_EQUAL(pause_at(&policy, SECOND, 0), 800);
	CU_ASSERT_EQUAL(pause_at(&policy, SECOND, UINT32_MAX), 1199);
	policy.jitter_percent = 100;
	CU_ASSERT_EQUAL(pause_at(&policy, SECOND, 0), 0);
	policy.jitter_percent = 0;
	CU_ASSERT_EQUAL(pause_at(&policy, SECOND, UINT32_MAX), 1000);
}

static void core_may_do_only_what_would_be_done_at_once(void)	/* RS3 */
{
	struct manifest_restart policy = given_policy();
	uint64_t again_us;

	CU_ASSERT_TRUE(restart_may_arm(&policy, &history, SECOND, &again_us));
	restart_count(&history, SECOND);
	CU_ASSERT_FALSE(restart_may_arm(&policy, &history, 2 * SECOND, &again_us));
	CU_ASSERT_EQUAL(again_us, 61 * SECOND);
	CU_ASSERT_TRUE(restart_may_arm(&policy, &history, again_us, &again_us));
	policy.backoff_us = 0;		/* there are no pauses */
	CU_ASSERT_TRUE(restart_may_arm(&policy, &history, 2 * SECOND, &again_us));
	given_restarts(4, 3 * SECOND);
	CU_ASSERT_FALSE(restart_may_arm(&policy, &history, 4 * SECOND, &again_us));
	CU_ASSERT_EQUAL(again_us, 61 * SECOND);
	policy.is_armed = false;
	CU_ASSERT_FALSE(restart_may_arm(&policy, &history, 1000 * SECOND, &again_us));
	CU_ASSERT_EQUAL(again_us, UINT64_MAX);
}

static void without_automatic_restarts_it_waits_for_a_hand(void)
{
	struct manifest_restart policy = given_policy();
	uint64_t pause_us, again_us;

	policy.is_automatic = false;
	CU_ASSERT_EQUAL(restart_judge(&policy, &history, SECOND, MIDDLE, &pause_us), RESTART_BY_HAND);
	CU_ASSERT_FALSE(restart_may_arm(&policy, &history, SECOND, &again_us));
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("restart", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(never_more_than_the_limit_in_any_such_time);
	TEST(highest_limit_is_kept_too);
	TEST(pauses_double_from_the_second_on);
	TEST(jitter_is_as_much_to_both_sides);
	TEST(core_may_do_only_what_would_be_done_at_once);
	TEST(without_automatic_restarts_it_waits_for_a_hand);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
