/* SPDX-License-Identifier: MIT */
/* Metrics as text: what a collector can read, whatever the names are. */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/openmetrics.h"

static char *text;
static size_t bytes;

static struct metrics given_metrics(void)
{
	free(text);
	text = NULL;
	return (struct metrics){ .to = open_memstream(&text, &bytes) };
}

static const char *then(struct metrics *metrics)
{
	fclose(metrics->to);
	return text;
}

static void a_hostile_name_stays_within_its_quotes(void)	/* OM2 */
{
	struct metrics metrics = given_metrics();

	metrics_family(&metrics, METRICS_GAUGE, "x", NULL, "Help");
	metrics_put(&metrics, 1, "domain", "a\"} 7\n# EOF\\", NULL);

	CU_ASSERT_STRING_EQUAL(then(&metrics), "# TYPE x gauge\n# HELP x Help\nx{domain=\"a\\\"} 7\\n# EOF\\\\\"} 1\n");
}

static void a_label_without_a_value_is_empty(void)
{
	struct metrics metrics = given_metrics();

	metrics_family(&metrics, METRICS_INFO, "x", NULL, "Help");
	metrics_put(&metrics, 1, "uuid", NULL, "role", "net", NULL);

	CU_ASSERT_PTR_NOT_NULL(strstr(then(&metrics), "x_info{uuid=\"\",role=\"net\"} 1\n"));
}

static void counters_have_their_suffix_and_large_ones_all_digits(void)
{
	struct metrics metrics = given_metrics();

	metrics_family(&metrics, METRICS_COUNTER, "x_bytes", "bytes", "Help");
	metrics_put(&metrics, 123456789012345, NULL);
	metrics_put(&metrics, 0.25, NULL);

	CU_ASSERT_PTR_NOT_NULL(strstr(then(&metrics), "# UNIT x_bytes bytes\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "x_bytes_total 123456789012345\nx_bytes_total 0.25\n"));
}

static void a_state_set_has_one_that_is_so(void)
{
	static const char *const states[] = { "on", "off", NULL };
	struct metrics metrics = given_metrics();

	metrics_family(&metrics, METRICS_STATESET, "s", NULL, "Help");
	metrics_state(&metrics, "driver", "net0", states, "off");

	CU_ASSERT_PTR_NOT_NULL(strstr(then(&metrics), "s{driver=\"net0\",s=\"on\"} 0\ns{driver=\"net0\",s=\"off\"} 1\n"));
}

static void a_time_is_in_its_bucket_and_all_above(void)
{
	struct metrics_histogram histogram = { 0 };
	struct metrics metrics = given_metrics();

	metrics_histogram_add(&histogram, 100e-6);
	metrics_histogram_add(&histogram, 100.1e-6);
	metrics_histogram_add(&histogram, 3600);
	metrics_family(&metrics, METRICS_HISTOGRAM, "h_seconds", "seconds", "Help");
	metrics_histogram_put(&metrics, &histogram, "driver", "net0");

	CU_ASSERT_PTR_NOT_NULL(strstr(then(&metrics), "h_seconds_bucket{driver=\"net0\",le=\"7.5e-05\"} 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "le=\"0.0001\"} 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "le=\"0.00015\"} 2\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "le=\"10\"} 2\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "le=\"+Inf\"} 3\nh_seconds_count{driver=\"net0\"} 3\nh_seconds_sum{driver=\"net0\"} 3600.0002\n"));
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("openmetrics", NULL, NULL);
	CU_ADD_TEST(suite, a_hostile_name_stays_within_its_quotes);
	CU_ADD_TEST(suite, a_label_without_a_value_is_empty);
	CU_ADD_TEST(suite, counters_have_their_suffix_and_large_ones_all_digits);
	CU_ADD_TEST(suite, a_state_set_has_one_that_is_so);
	CU_ADD_TEST(suite, a_time_is_in_its_bucket_and_all_above);
	CU_basic_run_tests();
	free(text);
	return CU_get_number_of_failures() != 0;
}
