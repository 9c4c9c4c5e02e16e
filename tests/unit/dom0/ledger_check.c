/* SPDX-License-Identifier: MIT */
/* lib/ledger_check.h: what is proof against a driver, and what is not. */
#include <CUnit/Basic.h>
#include <string.h>

#include "lib/ledger_check.h"

static const struct driver_ledger place = { .ring = 7, .slots = 32, .response_size = 16 };
static struct ledger_ring ledger;
static struct ledger_seen seen;

static void given_ledger(uint32_t published, uint32_t commit)
{
	ledger = (struct ledger_ring){ .magic = LEDGER_MAGIC, .version = LEDGER_VERSION, .response_size = 16, .slots = 32, .ring = 7,
				       .commit = ledger_commit_pack(commit, 3), .published = published };
	seen = (struct ledger_seen){ 0 };
}

static bool complains_of(const char *what)
{
	const char *said = ledger_check(&ledger, &place, &seen);

	return what ? said && strstr(said, what) : !said;
}

static void what_goes_forward_is_right(void)
{
	given_ledger(UINT32_MAX - 40, UINT32_MAX - 40);
	for (uint32_t i = 0; i < 100; i++) {
		ledger.commit = ledger_commit_pack(ledger_commit_index(ledger.commit) + 1, 3);
		CU_ASSERT_TRUE(complains_of(NULL));
		ledger.published++;
		CU_ASSERT_TRUE(complains_of(NULL));
	}
	CU_ASSERT_EQUAL(seen.commit, UINT32_MAX - 40 + 100);
}

static void what_runs_backwards_is_proof(void)
{
	given_ledger(10, 12);
	CU_ASSERT_TRUE(complains_of(NULL));
	ledger.commit = ledger_commit_pack(11, 3);
	CU_ASSERT_TRUE(complains_of("backwards"));
	ledger.commit = ledger_commit_pack(12, 3);
	CU_ASSERT_TRUE(complains_of(NULL));
	ledger.published = 9;
	CU_ASSERT_TRUE(complains_of("backwards"));
}

static void an_answer_that_was_never_decided_is_proof(void)
{
	given_ledger(13, 12);
	CU_ASSERT_TRUE(complains_of("published more"));
	given_ledger(0, UINT32_MAX);
	CU_ASSERT_TRUE(complains_of("published more"));
}

static void each_flipped_bit_of_a_commit_is_proof(void)
{
	for (uint32_t bit = 0; bit < 64; bit++) {
		given_ledger(10, 12);
		ledger.commit ^= 1UL << bit;
		CU_ASSERT_TRUE(complains_of("not whole"));
	}
}

static void dom0s_part_is_not_the_drivers(void)
{
	for (uint32_t byte = 0; byte < offsetof(struct ledger_ring, reserved); byte++) {
		given_ledger(10, 12);
		((uint8_t *)&ledger)[byte] ^= 0x10;
		CU_ASSERT_TRUE(complains_of("Domain-0's part"));
	}
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("ledger_check", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(what_goes_forward_is_right);
	TEST(what_runs_backwards_is_proof);
	TEST(an_answer_that_was_never_decided_is_proof);
	TEST(each_flipped_bit_of_a_commit_is_proof);
	TEST(dom0s_part_is_not_the_drivers);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
