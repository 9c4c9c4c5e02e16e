/* SPDX-License-Identifier: MIT */
/*
 * What each domain uses, live. skinkd counts; the rates are the difference of two samples, by skinkd's own clock.
 * P1  The first sample has no rates: they stand as "-". A domain that is new since the last one likewise.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "lib/need.h"
#include "message.h"
#include "show.h"
#include "table.h"
#include "tty.h"
#include "units.h"
#include "verbs.h"

#define DELAY_S 3.0

enum order { BY_CPU, BY_MEMORY, BY_NAME, BY_ID };

struct top {
	const struct invocation *invocation;
	struct client *client;
	double delay;
	uint64_t iterations;		/* 0: no end */
	bool batch;
	enum order order;
	json_t *before, *now;		/* samples; before may be NULL */
};

/* One domain in the two samples. */
struct row {
	const json_t *now, *before;	/* before may be NULL */
	double seconds;			/* between them */
};

static const json_t *find(const json_t *sample, double id)
{
	const json_t *domain;
	size_t index;

	json_array_foreach(json_object_get(sample, "domains"), index, domain) {
		if (number_of(domain, "id") == id)
			return domain;
	}
	return NULL;
}

/* "used" and "hypercalls", or NULL and "cpu_ns". */
static double count_in(const json_t *domain, const char *group, const char *key)
{
	return number_of(group ? json_object_get(domain, group) : domain, key);
}

/* Per second; negative: not known (P1). A count that ran backwards is another domain of that id. */
static double rate(const struct row *row, const char *group, const char *key)
{
	double difference;

	if (!row->before || row->seconds <= 0)
		return -1;
	difference = count_in(row->now, group, key) - count_in(row->before, group, key);
	return difference < 0 ? -1 : difference / row->seconds;
}

static double cpu_percent(const struct row *row)
{
	double ns_per_second = rate(row, NULL, "cpu_ns");

	return ns_per_second < 0 ? -1 : ns_per_second / 1e7;
}

static void rate_cell(struct table *table, double rate, bool is_bytes)
{
	char text[UNITS_TEXT];

	if (rate < 0)
		table_cell(table, "-");
	else
		table_cell(table, "%s", is_bytes ? format_size(text, (uint64_t)rate) : format_count(text, rate));
}

static bool any_has(const json_t *sample, const char *group)
{
	const json_t *domain;
	size_t index;

	json_array_foreach(json_object_get(sample, "domains"), index, domain) {
		if (json_is_object(json_object_get(domain, group)))
			return true;
	}
	return false;
}

static void fill_row(struct table *table, const struct top *top, const struct row *row, bool net, bool disk)
{
	double memory = number_of(row->now, "memory_kib"), all = number_of(top->now, "memory_kib");
	double cpu = cpu_percent(row);
	const char *state = text_of(row->now, "state");
	char size[UNITS_TEXT];

	table_cell(table, "%s", text_of(row->now, "name"));
	table_cell(table, "%.0f", number_of(row->now, "id"));
	table_cell(table, "%s", state);
	table_paint(table, state_colour(state));
	table_cell(table, cpu < 0 ? "-" : "%.1f", cpu);
	table_cell(table, "%.0f", number_of(row->now, "vcpus"));
	table_cell(table, "%s", format_size(size, 1024 * (uint64_t)memory));
	table_cell(table, "%.1f", all > 0 ? 100 * memory / all : 0);
	rate_cell(table, rate(row, "used", "events"), false);
	rate_cell(table, rate(row, "used", "hypercalls"), false);
	if (net) {
		rate_cell(table, rate(row, "net", "tx_bytes"), true);
		rate_cell(table, rate(row, "net", "rx_bytes"), true);
	}
	if (disk) {
		rate_cell(table, rate(row, "disk", "read_bytes"), true);
		rate_cell(table, rate(row, "disk", "write_bytes"), true);
	}
}

static int compare(const void *left, const void *right, void *context)
{
	const struct row *a = left, *b = right;
	const enum order *order = context;
	double difference = 0;

	if (*order == BY_CPU)
		difference = cpu_percent(b) - cpu_percent(a);
	else if (*order == BY_MEMORY)
		difference = number_of(b->now, "memory_kib") - number_of(a->now, "memory_kib");
	else if (*order == BY_NAME)
		difference = strcmp(text_of(a->now, "name"), text_of(b->now, "name"));
	if (difference == 0)
		difference = number_of(a->now, "id") - number_of(b->now, "id");
	return difference < 0 ? -1 : difference > 0;
}

static struct row *sorted_rows(const struct top *top, size_t *count)
{
	const json_t *domains = json_object_get(top->now, "domains"), *domain;
	double seconds = (number_of(top->now, "time_ns") - number_of(top->before, "time_ns")) / 1e9;
	struct row *rows = need_zeroed(json_array_size(domains) + 1, sizeof(*rows));
	enum order order = top->order;
	size_t index;

	*count = json_array_size(domains);
	json_array_foreach(domains, index, domain)
		rows[index] = (struct row){.now = domain, .seconds = seconds,
					   .before = find(top->before, number_of(domain, "id"))};
	qsort_r(rows, *count, sizeof(*rows), compare, &order);
	return rows;
}

static void print_sample(const struct top *top, size_t most)
{
	bool net = any_has(top->now, "net"), disk = any_has(top->now, "disk");
	const char *columns[16] = {"NAME", ">ID", "STATE", ">CPU%", ">VCPUS", ">MEM", ">MEM%", ">EVENTS/s",
				   ">HYPERCALLS/s"};
	size_t column = 9, count;
	struct row *rows = sorted_rows(top, &count);
	struct table *table;

	if (net) {
		columns[column++] = ">NETTX/s";
		columns[column++] = ">NETRX/s";
	}
	if (disk) {
		columns[column++] = ">VBD-RD/s";
		columns[column++] = ">VBD-WR/s";
	}
	table = table_new(columns);
	for (size_t i = 0; i < count && i < most; i++)
		fill_row(table, top, &rows[i], net, disk);
	table_print(table);
	free(rows);
}

static void print_heading(const struct top *top)
{
	char all[UNITS_TEXT], idle[UNITS_TEXT];

	printf("skink top: %zu domains, %.0f CPUs, %s memory, %s free\n",
	       json_array_size(json_object_get(top->now, "domains")), number_of(top->now, "cpus"),
	       format_size(all, kib_of(top->now, "memory_kib")),
	       format_size(idle, kib_of(top->now, "memory_free_kib")));
}

/* A screen: it begins in the corner, and what was longer before is cleared. */
static void draw(const struct top *top)
{
	int rows, columns;

	tty_size(&rows, &columns);
	fputs("\033[H\033[J", stdout);
	print_heading(top);
	printf("%sc: by CPU  m: by memory  n: by name  i: by id  q: leave%s\n\n", colour(stdout, FAINT),
	       colour(stdout, PLAIN));
	print_sample(top, rows > 6 ? (size_t)rows - 5 : 1);
	fflush(stdout);
}

static int sample(struct top *top)
{
	const struct call call = {.method = "top", .params = json_object(), .what = "top"};
	json_t *result;
	int code = client_call(top->client, &call, &result);

	if (code)
		return code;
	json_decref(top->before);
	top->before = top->now;
	top->now = result;
	return EXIT_DONE;
}

static void show(const struct top *top)
{
	if (top->invocation->given[OPTION_JSON]) {
		print_json_line(top->now);
	} else if (top->batch) {
		print_heading(top);
		print_sample(top, SIZE_MAX);
		putchar('\n');
	} else {
		draw(top);
	}
	fflush(stdout);
}

/* False: leave. */
static bool obey(struct top *top, char key)
{
	static const char keys[] = "cmni";
	const char *found = key ? strchr(keys, key) : NULL;

	if (found) {
		top->order = (enum order)(found - keys);
		draw(top);
	}
	return key != 'q' && key != 'Q';
}

/* Until the next sample is due; false: somebody wants to leave. */
static bool pause_between(struct top *top)
{
	double until = now() + top->delay;

	while (now() < until) {
		struct pollfd fd = {.fd = top->batch ? -1 : STDIN_FILENO, .events = POLLIN};
		char key;

		if (signals_wait(&fd, 1, until - now()) > 0 &&
		    (read(STDIN_FILENO, &key, 1) != 1 || !obey(top, key)))
			return false;
		if (signal_caught())
			return false;
	}
	return true;
}

static int loop(struct top *top)
{
	for (uint64_t done = 0; !top->iterations || done < top->iterations; done++) {
		int code;

		if (done && !pause_between(top))
			break;
		code = sample(top);
		if (code)
			return code;
		show(top);
		if (ferror(stdout))
			break;
	}
	/* Ctrl-C is how one leaves; other signals are no good end. */
	return signal_caught() && (top->batch || signal_caught() != SIGINT) ? 128 + signal_caught() : EXIT_DONE;
}

static bool take_options(struct top *top)
{
	const char *const *value = top->invocation->value;

	top->delay = DELAY_S;
	if (value[OPTION_DELAY] && (!parse_duration(value[OPTION_DELAY], &top->delay) || top->delay < 0.1)) {
		complain("--delay: '%s' is not a time of 0.1 s or more: write seconds, or 500ms", value[OPTION_DELAY]);
		return false;
	}
	if (value[OPTION_ITERATIONS] && !parse_count(value[OPTION_ITERATIONS], 1, 1000000000, &top->iterations)) {
		complain("--iterations: '%s' is not a number: write one from 1 up", value[OPTION_ITERATIONS]);
		return false;
	}
	top->batch = top->invocation->given[OPTION_BATCH] || top->invocation->given[OPTION_JSON];
	if (top->batch || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		return true;
	complain("top: this is no terminal: write 'skink top --batch', with -n COUNT to end it");
	return false;
}

int verb_top(const struct invocation *invocation)
{
	struct top top = {.invocation = invocation};
	int code;

	if (!take_options(&top))
		return EXIT_BAD_INPUT;
	code = client_open(invocation->socket, false, &top.client);
	if (code)
		return code;
	if (!top.batch && tty_keys())
		tty_alternate_screen();
	code = loop(&top);
	tty_restore();
	json_decref(top.before);
	json_decref(top.now);
	client_close(top.client);
	return code;
}
