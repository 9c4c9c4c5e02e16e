/* SPDX-License-Identifier: MIT */
/* lib/standstill.h: a ring that stands still is found, and a front-end alone cannot make one. */
#include <CUnit/Basic.h>

#include "lib/standstill.h"

#define MS		1000000UL
#define DEVICE		(1000 * MS)
#define STEP		(DEVICE / 32)

static struct standstill ring;
static struct standstill_look look;
static uint32_t asked;
static bool obeys;			/* the driver looks when it is asked, */
static uint32_t sees;			/* and sees this */
static bool others_go_on;

static void given_ring(void)
{
	ring = (struct standstill){ 0 };
	look = (struct standstill_look){ .fair_ns = 5 * DEVICE, .device_ns = DEVICE, .published = UINT32_MAX - 2, .has_work = true,
					 .changed = UINT32_MAX, .looked = UINT32_MAX };
	asked = 0;
	sees = 3;
	obeys = others_go_on = true;
}

static enum standstill_verdict after(uint64_t ns)
{
	enum standstill_verdict verdict = RING_GOES_ON;

	for (uint64_t end = look.fair_ns + ns; look.fair_ns < end && verdict != RING_STANDS; look.fair_ns += STEP) {
		look.answered += others_go_on;
		verdict = standstill_judge(&ring, &look);
		if (verdict != RING_ASK)
			continue;
		asked++;
		look.changed++;
		if (obeys) {
			look.looked = look.changed;
			look.seen = sees;
		}
	}
	return verdict;
}

static void ring_that_stands_still_is_found(void)
{
	for (unsigned int obeying = 0; obeying < 2; obeying++) {
		given_ring();
		obeys = obeying;
		CU_ASSERT_EQUAL(after(DEVICE), RING_GOES_ON);
		CU_ASSERT_EQUAL(asked, 1);
		CU_ASSERT_EQUAL(after(DEVICE / 2), RING_STANDS);
		CU_ASSERT_EQUAL(standstill_judge(&ring, &look), RING_STANDS);
		look.published++;
		CU_ASSERT_EQUAL(after(DEVICE), RING_GOES_ON);
	}
}

static void ring_without_work_is_not_asked_about(void)
{
	given_ring();
	look.has_work = false;
	CU_ASSERT_EQUAL(after(100 * DEVICE), RING_GOES_ON);
	CU_ASSERT_EQUAL(asked, 0);
}

static void ring_that_goes_on_slowly_is_well(void)
{
	given_ring();
	for (uint32_t i = 0; i < 100; i++, look.published++)
		CU_ASSERT_EQUAL(after(DEVICE), RING_GOES_ON);
}

/* Its page says that there is work whenever Domain-0 looks, and never when the driver does. */
static void front_end_cannot_have_its_driver_reset(void)	/* ST1 */
{
	given_ring();
	sees = look.published;
	CU_ASSERT_EQUAL(after(100 * DEVICE), RING_GOES_ON);
	CU_ASSERT_TRUE(asked > 300);
}

/* What the driver has seen counts from then on, whatever the page says afterwards. */
static void requests_that_were_seen_are_not_taken_back(void)	/* ST1 */
{
	given_ring();
	CU_ASSERT_EQUAL(after(DEVICE / 2), RING_GOES_ON);
	look.has_work = false;
	CU_ASSERT_EQUAL(after(DEVICE), RING_STANDS);
}

static void driver_that_answers_nobody_is_not_judged_here(void)	/* ST2 */
{
	given_ring();
	others_go_on = false;
	CU_ASSERT_EQUAL(after(100 * DEVICE), RING_GOES_ON);
	look.answered++;
	CU_ASSERT_EQUAL(after(STEP), RING_STANDS);
}

static void slow_answer_to_the_question_is_no_standstill(void)
{
	given_ring();
	obeys = false;
	CU_ASSERT_EQUAL(after(DEVICE), RING_GOES_ON);
	look.looked = look.changed;
	look.seen = look.published;
	CU_ASSERT_EQUAL(after(DEVICE), RING_GOES_ON);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("standstill", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(ring_that_stands_still_is_found);
	TEST(ring_without_work_is_not_asked_about);
	TEST(ring_that_goes_on_slowly_is_well);
	TEST(front_end_cannot_have_its_driver_reset);
	TEST(requests_that_were_seen_are_not_taken_back);
	TEST(driver_that_answers_nobody_is_not_judged_here);
	TEST(slow_answer_to_the_question_is_no_standstill);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
