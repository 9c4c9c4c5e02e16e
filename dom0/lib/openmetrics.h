/* SPDX-License-Identifier: MIT */
/*
 * Text in OpenMetrics 1.0, as Prometheus and others read it.
 * OM1  All samples of a family stand together, under its name, type and help.
 * OM2  Whatever a label's value holds, the text stays one that can be read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define METRICS_TYPE	"application/openmetrics-text; version=1.0.0; charset=utf-8"

struct metrics {
	FILE *to;
	const char *family;		/* that samples are of: without the suffix of its type */
	const char *suffix;		/* of a counter "_total", of an info "_info", else "" */
};

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_INFO, METRICS_STATESET, METRICS_HISTOGRAM };

/* `unit` is the last word of the name, or NULL. The strings stay the caller's. */
void metrics_family(struct metrics *metrics, enum metrics_type type, const char *name, const char *unit, const char *help);

/* One sample of the family; then pairs of a label's name and value (text, NULL counts as ""), ended by NULL. */
void metrics_put(struct metrics *metrics, double value, ...) __attribute__((sentinel));

/* Of a state set: one sample for each name, 1 for the state that it is in; none of them: all are 0. */
void metrics_state(struct metrics *metrics, const char *label, const char *value, const char *const *states, const char *state);

/* Times, in buckets from 10 us to 10 s. */
#define METRICS_BUCKETS	19
struct metrics_histogram {
	uint64_t count[METRICS_BUCKETS + 1];	/* [METRICS_BUCKETS]: longer than all of them */
	double sum;
};
void metrics_histogram_add(struct metrics_histogram *histogram, double seconds);
void metrics_histogram_put(struct metrics *metrics, const struct metrics_histogram *histogram, const char *label, const char *value);

/* The last line: nothing comes behind it. */
void metrics_end(struct metrics *metrics);
