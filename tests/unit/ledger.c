/* SPDX-License-Identifier: MIT */
/* protocols/ledger.h: what a take-over refuses, and every comparison where indices wrap. */
#include "../../protocols/ledger.h"

#include "unit.h"

#define SLOTS	32u

/* Before, at and behind the wrap, and half way round. */
static const uint32_t beginnings[] = { 0, 1, 0x7fffffe0u, 0x7fffffffu, 0x80000000u, 0xffffffe0u, 0xfffffff0u, 0xffffffffu };

static struct ledger_entry given_entry(uint32_t index, uint32_t generation)
{
	struct ledger_entry entry = { .response = { 7, 0, 0, 0, 0, 0, 0, 0, 1 }, .index = index, .generation = generation, .ring = 3 };

	entry.sum = ledger_entry_sum(&entry);
	return entry;
}

static void entry_with_any_bit_changed_is_refused(void)		/* L5 */
{
	uint64_t commit = ledger_commit_pack(0xfffffff1u, 9);

	for (unsigned int bit = 0; bit < 8 * sizeof(struct ledger_entry); bit++) {
		struct ledger_entry entry = given_entry(0xfffffff0u, 9);

		CU_ASSERT_TRUE(ledger_entry_agrees(&entry, 3, 0xfffffff0u, commit));
		((uint8_t *)&entry)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 3, 0xfffffff0u, commit));
	}
}

static void entry_of_zeros_is_refused(void)			/* L5 */
{
	struct ledger_entry entry = { .index = 0 };

	CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 0, 0, ledger_commit_pack(1, 0)));
}

static void whole_entry_of_another_place_is_refused(void)	/* L5 */
{
	struct ledger_entry entry = given_entry(64, 9);

	CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 3, 64 + SLOTS, ledger_commit_pack(64 + SLOTS + 1, 9)));
	CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 4, 64, ledger_commit_pack(65, 9)));
	CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 3, 64, ledger_commit_pack(65, 10)));
	CU_ASSERT_FALSE(ledger_entry_agrees(&entry, 3, 64, ledger_commit_pack(65, 8)));
}

static void commit_with_any_bit_changed_is_refused(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		uint64_t commit = ledger_commit_pack(beginnings[i], 0x1fffe);

		CU_ASSERT_TRUE(ledger_commit_is_whole(commit));
		CU_ASSERT_EQUAL(ledger_commit_index(commit), beginnings[i]);
		CU_ASSERT_EQUAL(ledger_commit_generation(commit), 0xfffe);
		for (unsigned int bit = 0; bit < 64; bit++)
			CU_ASSERT_FALSE(ledger_commit_is_whole(commit ^ (uint64_t)1 << bit));
	}
	CU_ASSERT_FALSE(ledger_commit_is_whole(0));
	CU_ASSERT_FALSE(ledger_commit_is_whole(~(uint64_t)0));
}

static void only_indices_in_order_within_one_ring_agree(void)	/* L3 */
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		for (int rsp = -2; rsp < 40; rsp++) {
			for (int commit = -2; commit < 40; commit++) {
				for (int req = -2; req < 80; req++) {
					uint32_t at = beginnings[i];
					bool expected = rsp >= 0 && rsp <= commit && commit <= req && commit <= (int)SLOTS &&
							req - rsp <= (int)SLOTS;

					if (ledger_indices_agree(at, at + (uint32_t)rsp, at + (uint32_t)commit, at + (uint32_t)req, SLOTS) != expected)
						CU_FAIL("L3");
				}
			}
		}
	}
}

static void take_over_wakes_whoever_asked_and_nobody_else(void)	/* L4, L8 */
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		uint32_t rsp_prod = beginnings[i];

		CU_ASSERT_FALSE(ledger_take_over_sends(rsp_prod, rsp_prod + 1));
		CU_ASSERT_TRUE(ledger_take_over_sends(rsp_prod, rsp_prod));
		CU_ASSERT_TRUE(ledger_take_over_sends(rsp_prod, rsp_prod - SLOTS + 1));
		CU_ASSERT_FALSE(ledger_take_over_sends(rsp_prod, rsp_prod + SLOTS));
	}
}

static void serving_wakes_once_for_each_response_asked_for(void)	/* L9 */
{
	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		uint32_t old = beginnings[i];

		CU_ASSERT_FALSE(ledger_serving_sends(old, old, old));
		CU_ASSERT_FALSE(ledger_serving_sends(old + 3, old, old));
		CU_ASSERT_TRUE(ledger_serving_sends(old + 3, old, old + 1));
		CU_ASSERT_TRUE(ledger_serving_sends(old + 3, old, old + 3));
		CU_ASSERT_FALSE(ledger_serving_sends(old + 3, old, old + 4));
	}
}

static const struct unit_case cases[] = {
	UNIT_CASE(entry_with_any_bit_changed_is_refused),
	UNIT_CASE(entry_of_zeros_is_refused),
	UNIT_CASE(whole_entry_of_another_place_is_refused),
	UNIT_CASE(commit_with_any_bit_changed_is_refused),
	UNIT_CASE(only_indices_in_order_within_one_ring_agree),
	UNIT_CASE(take_over_wakes_whoever_asked_and_nobody_else),
	UNIT_CASE(serving_wakes_once_for_each_response_asked_for),
};

int main(void)
{
	return unit_run("ledger", cases, ARRAY_SIZE(cases));
}
