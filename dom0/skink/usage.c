/* SPDX-License-Identifier: MIT */
/* What domains have used, those that run and those that are gone. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "message.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

static const char *format_time(char buffer[32], const json_t *one, const char *key)
{
	time_t when = (time_t)number_of(one, key);
	struct tm parts;

	if (!when || !localtime_r(&when, &parts) || !strftime(buffer, 32, "%F %T", &parts))
		return "-";
	return buffer;
}

static void print_table(const json_t *list)
{
	static const char *const columns[] = {"Domain", "Role", "Started", "Ended", ">CPU", ">Memory*h", ">Received", ">Sent", ">Read", ">Written",
					      ">Restarts", NULL};
	static const char *const sizes[] = {"net_rx_bytes", "net_tx_bytes", "disk_read_bytes", "disk_write_bytes"};
	struct table *table = table_new(columns);
	char buffer[UNITS_TEXT], when[32];
	const json_t *one;
	size_t index;

	json_array_foreach(list, index, one) {
		table_cell(table, "%s", text_of(one, "domain"));
		table_cell(table, "%s", text_of(one, "role"));
		table_cell(table, "%s", format_time(when, one, "started"));
		table_cell(table, "%s", format_time(when, one, "ended"));
		table_cell(table, "%s", format_duration(buffer, number_of(one, "cpu_ns") / 1e9));
		table_cell(table, "%s", format_size(buffer, (uint64_t)(number_of(one, "memory_kib_seconds") * 1024 / 3600)));
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			table_cell(table, "%s", format_size(buffer, count_of(one, sizes[i])));
		table_cell(table, "%lu", count_of(one, "restarts"));
	}
	table_print(table);
}

/* As RFC 4180 has it; a name that a spreadsheet would take for a formula is one that the manifest's schema does not let in. */
static void print_csv_text(const char *text)
{
	bool is_quoted = strpbrk(text, ",\"\r\n") != NULL;

	if (is_quoted)
		putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	if (is_quoted)
		putchar('"');
}

static void print_csv(const json_t *list)
{
	static const char *const texts[] = {"domain", "uuid", "role"};
	static const char *const numbers[] = {"net_rx_bytes", "net_tx_bytes", "disk_read_bytes", "disk_write_bytes", "restarts"};
	const json_t *one;
	size_t index;

	puts("domain,uuid,role,started,ended,cpu_seconds,memory_mib_hours,net_rx_bytes,net_tx_bytes,disk_read_bytes,disk_write_bytes,restarts");
	json_array_foreach(list, index, one) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			print_csv_text(text_of(one, texts[i]));
			putchar(',');
		}
		printf("%.3f,", number_of(one, "started"));
		if (number_of(one, "ended") > 0)
			printf("%.3f", number_of(one, "ended"));
		printf(",%.6f,%.6f", number_of(one, "cpu_ns") / 1e9, number_of(one, "memory_kib_seconds") / 1024 / 3600);
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			printf(",%lu", count_of(one, numbers[i]));
		putchar('\n');
	}
}

int verb_usage(const struct invocation *invocation)
{
	const struct call call = {.method = "usage", .what = "usage", .params = json_pack("{s:s*}", "domain", invocation->operands[0])};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON])
		print_json(json_object_get(result, "usage"));
	else if (invocation->given[OPTION_CSV])
		print_csv(json_object_get(result, "usage"));
	else
		print_table(json_object_get(result, "usage"));
	json_decref(result);
	return EXIT_DONE;
}
