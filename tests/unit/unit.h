/* SPDX-License-Identifier: MIT */
/*
 * A CUnit program of one suite: an empty fake machine before each case, 0 from main() if all is well.
 *   static const struct unit_case cases[] = { UNIT_CASE(what_must_not_happen_does_not), ... };
 *   int main(void) { return unit_run("events", cases, ARRAY_SIZE(cases)); }
 */
#ifndef SKINK_UNIT_H
#define SKINK_UNIT_H

#include <CUnit/Basic.h>

#include "fake.h"

struct unit_case {
	const char *name;
	void (*run)(void);
};

#define UNIT_CASE(function) { #function, function }

static inline int unit_run(const char *suite_name, const struct unit_case *cases, size_t count)
{
	CU_pSuite suite;
	unsigned int failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite_with_setup_and_teardown(suite_name, NULL, NULL, fake_reset, NULL);
	for (size_t i = 0; i < count; i++)
		CU_add_test(suite, cases[i].name, cases[i].run);
	CU_basic_set_mode(CU_BRM_NORMAL);
	failures = CU_basic_run_tests() == CUE_SUCCESS ? CU_get_number_of_failures() : 1;
	failures += CU_get_number_of_tests_run() != count;
	CU_cleanup_registry();
	return failures ? 1 : 0;
}

#endif
