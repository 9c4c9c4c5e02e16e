/* SPDX-License-Identifier: MIT */
#include "lib/openmetrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static const double bounds[METRICS_BUCKETS] = {
	10e-6, 20e-6, 50e-6, 75e-6, 100e-6, 150e-6, 250e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5, 1, 5, 10,
};

void metrics_family(struct metrics *metrics, enum metrics_type type, const char *name, const char *unit, const char *help)
{
	static const struct { const char *name, *suffix; } types[] = {
		[METRICS_GAUGE] = { "gauge", "" }, [METRICS_COUNTER] = { "counter", "_total" }, [METRICS_INFO] = { "info", "_info" },
		[METRICS_STATESET] = { "stateset", "" }, [METRICS_HISTOGRAM] = { "histogram", "" },
	};

	metrics->family = name;
	metrics->suffix = types[type].suffix;
	fprintf(metrics->to, "# TYPE %s %s\n", name, types[type].name);
	if (unit)
		fprintf(metrics->to, "# UNIT %s %s\n", name, unit);
	fprintf(metrics->to, "# HELP %s %s\n", name, help);
}

/* OM2 */
static void put_escaped(FILE *to, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '\n')
			fputs("\\n", to);
		else if (*text == '"' || *text == '\\')
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
	}
}

static void put_label(FILE *to, bool is_first, const char *name, const char *value)
{
	fprintf(to, "%s%s=\"", is_first ? "{" : ",", name);
	put_escaped(to, value);
	fputc('"', to);
}

static void put_value(FILE *to, double value)
{
	if (value == floor(value) && fabs(value) < 1e15)
		fprintf(to, " %.0f\n", value);
	else
		fprintf(to, " %.9g\n", value);
}

void metrics_put(struct metrics *metrics, double value, ...)
{
	va_list labels;
	const char *name;
	bool is_first = true;

	fprintf(metrics->to, "%s%s", metrics->family, metrics->suffix);
	va_start(labels, value);
	while ((name = va_arg(labels, const char *))) {
		put_label(metrics->to, is_first, name, va_arg(labels, const char *));
		is_first = false;
	}
	va_end(labels);
	if (!is_first)
		fputc('}', metrics->to);
	put_value(metrics->to, value);
}

void metrics_state(struct metrics *metrics, const char *label, const char *value, const char *const *states, const char *state)
{
	for (; *states; states++)
		metrics_put(metrics, !strcmp(*states, state), label, value, metrics->family, *states, NULL);
}

void metrics_histogram_add(struct metrics_histogram *histogram, double seconds)
{
	size_t bucket = 0;

	while (bucket < METRICS_BUCKETS && seconds > bounds[bucket])
		bucket++;
	histogram->count[bucket]++;
	histogram->sum += seconds;
}

void metrics_histogram_put(struct metrics *metrics, const struct metrics_histogram *histogram, const char *label, const char *value)
{
	uint64_t below = 0;

	for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
		fprintf(metrics->to, "%s_bucket", metrics->family);
		put_label(metrics->to, true, label, value);
		if (i < METRICS_BUCKETS)
			fprintf(metrics->to, ",le=\"%g\"}", bounds[i]);
		else
			fputs(",le=\"+Inf\"}", metrics->to);
		below += histogram->count[i];
		put_value(metrics->to, (double)below);
	}
	fprintf(metrics->to, "%s_count", metrics->family);
	put_label(metrics->to, true, label, value);
	fputc('}', metrics->to);
	put_value(metrics->to, (double)below);
	fprintf(metrics->to, "%s_sum", metrics->family);
	put_label(metrics->to, true, label, value);
	fprintf(metrics->to, "} %.9g\n", histogram->sum);
}

void metrics_end(struct metrics *metrics)
{
	fputs("# EOF\n", metrics->to);
}
