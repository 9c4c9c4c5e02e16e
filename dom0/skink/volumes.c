/* SPDX-License-Identifier: MIT */
/* Volumes on the disks of driver domains. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "lib/need.h"
#include "message.h"
#include "table.h"
#include "units.h"
#include "verbs.h"

#define LIST_S	60.0
#define CHANGE_S (24 * 3600.0)		/* as long as a large disk takes to be filled */

static const char goes_on[] = "skinkd goes on with it: see 'skink events'";

static void print_pools(const json_t *pools)
{
	static const char *const columns[] = {"Volume", "Disk of", ">Size", ">Pieces", "Domain", NULL};
	struct table *table = table_new(columns);
	const json_t *pool, *volume;
	char size[UNITS_TEXT];
	size_t i, j;

	json_array_foreach(pools, i, pool)
		json_array_foreach(json_object_get(pool, "volumes"), j, volume) {
			table_cell(table, "%s", text_of(volume, "name"));
			table_cell(table, "%s", text_of(pool, "pool"));
			table_cell(table, "%s", format_size(size, count_of(volume, "bytes")));
			table_cell(table, "%lu", count_of(volume, "extents"));
			table_cell(table, "%s", json_is_true(json_object_get(volume, "unfinished")) ? "(unfinished)" :
				   *text_of(volume, "domain") ? text_of(volume, "domain") : "-");
		}
	table_print(table);
	json_array_foreach(pools, i, pool) {
		if (*text_of(pool, "error"))
			note("%s: %s", text_of(pool, "pool"), text_of(pool, "error"));
		else if (count_of(pool, "bytes"))
			note("%s: %s free", text_of(pool, "pool"), format_size(size, count_of(pool, "free_bytes")));
	}
}

int verb_volume_list(const struct invocation *invocation)
{
	const char *pool = invocation->operands[0];
	const struct call call = {.method = "volume-list", .what = "volume list", .limit_s = LIST_S,
				  .params = pool ? json_pack("{s:s}", "pool", pool) : json_object()};
	json_t *result;
	int code = ask(invocation, &call, &result);

	if (code)
		return code;
	if (invocation->given[OPTION_JSON])
		print_json(result);
	else
		print_pools(json_object_get(result, "pools"));
	json_decref(result);
	return EXIT_DONE;
}

/* Takes `more`. */
static int change(const struct invocation *invocation, const char *method, json_t *more, const char *done)
{
	struct call call = {.method = method, .what = method, .meanwhile = goes_on, .limit_s = CHANGE_S, .params = more};
	json_t *result;
	int code;

	if (!more || json_object_set_new(more, "pool", json_string(invocation->operands[0])) ||
	    json_object_set_new(more, "name", json_string(invocation->operands[1]))) {
		complain("%s: what is not UTF-8 is no name: write another", method);
		json_decref(more);
		return EXIT_BAD_INPUT;
	}
	code = ask(invocation, &call, &result);
	if (code)
		return code;
	if (invocation->given[OPTION_JSON]) {
		print_json(result);
	} else {
		print_text(stdout, invocation->operands[1]);
		printf(": %s\n", done);
	}
	json_decref(result);
	return EXIT_DONE;
}

static int change_size(const struct invocation *invocation, const char *method, const char *done)
{
	uint64_t bytes;

	if (!parse_size(invocation->operands[2], &bytes)) {
		complain("%s: '%s' is not a size: write 512MiB or 10GiB; a number alone is MiB", method, invocation->operands[2]);
		return EXIT_BAD_INPUT;
	}
	return change(invocation, method, json_pack("{s:I}", "bytes", (json_int_t)bytes), done);
}

/* skinkd has a working directory of its own. */
static int move_file(const struct invocation *invocation, const char *method, const char *done)
{
	const char *file = invocation->operands[2];
	char here[PATH_MAX], *whole;
	int code;

	whole = *file == '/' || !getcwd(here, sizeof(here)) ? need_copy(file) : need_text("%s/%s", here, file);
	code = change(invocation, method, json_pack("{s:s}", "file", whole), done);
	free(whole);
	return code;
}

int verb_volume_create(const struct invocation *invocation)
{
	return change_size(invocation, "volume-create", "created, and filled with zeros");
}

int verb_volume_resize(const struct invocation *invocation)
{
	return change_size(invocation, "volume-resize", "resized");
}

int verb_volume_delete(const struct invocation *invocation)
{
	return change(invocation, "volume-delete", json_object(), "deleted");
}

int verb_volume_import(const struct invocation *invocation)
{
	return move_file(invocation, "volume-import", "imported");
}

int verb_volume_export(const struct invocation *invocation)
{
	return move_file(invocation, "volume-export", "exported");
}
