/* SPDX-License-Identifier: MIT */
/*
 * skink-validate: are manifests right? It needs no skinkd; what only the running host shows (a kernel file, free memory) is for create, plan
 * and apply. All of skink is in it, and this besides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "files.h"
#include "lib/manifest.h"
#include "lib/need.h"
#include "message.h"
#include "verbs.h"

static json_t *complaint_json(const struct report_entry *entry)
{
	return json_pack("{s:s, s:i, s:i, s:s?, s:s, s:s?, s:s?}", "file", entry->file ? entry->file : "", "line",
			 (int)entry->at.line, "column", (int)entry->at.column, "element", entry->element, "severity",
			 entry->severity == SEVERITY_ERROR ? "error" : "warning", "what", entry->what, "remedy",
			 entry->remedy);
}

static void print_report(const struct report *report)
{
	for (size_t i = 0; i < report->entry_count; i++) {
		char *line = report_line(&report->entries[i]);

		note("%s", line);
		free(line);
	}
	if (report->left_out)
		note("%zu more: mend these first", report->left_out);
}

static void print_report_json(const struct report *report)
{
	json_t *complaints = json_array();

	for (size_t i = 0; i < report->entry_count; i++)
		json_array_append_new(complaints, complaint_json(&report->entries[i]));
	print_json(complaints);
	json_decref(complaints);
}

/* Manifests under examination. */
struct set {
	struct manifest **manifests;
	size_t count, files;
	bool unreadable;
	struct report report;
};

static void add_file(struct set *set, const char *path)
{
	struct manifest *manifest;
	char *text;

	set->files++;
	if (!files_read(path, &text)) {
		set->unreadable = true;
		return;
	}
	if (manifest_parse(text, strlen(text), path, &manifest, &set->report)) {
		set->manifests = need_resized(set->manifests, set->count + 1, sizeof(*set->manifests));
		set->manifests[set->count++] = manifest;
	}
	free(text);
}

/* A file, or all of a directory. */
static void add_path(struct set *set, const char *path)
{
	char **names;
	size_t count;

	if (!files_of(path, &names, &count)) {
		set->unreadable = true;
		return;
	}
	if (count == 0)
		note("%s: there is no *.xml in it", path);
	for (size_t i = 0; i < count; i++)
		add_file(set, names[i]);
	files_free(names);
}

static void free_set(struct set *set)
{
	for (size_t i = 0; i < set->count; i++)
		manifest_free(set->manifests[i]);
	free(set->manifests);
	report_free(&set->report);
}

int verb_validate(const struct invocation *invocation)
{
	struct set set = {.count = 0};
	bool json = invocation->given[OPTION_JSON];
	int code;

	for (int i = 0; i < invocation->operand_count; i++)
		add_path(&set, invocation->operands[i]);
	manifest_check_set(set.manifests, set.count, &set.report);
	report_sort(&set.report);
	if (json)
		print_report_json(&set.report);
	else
		print_report(&set.report);
	code = set.unreadable || set.report.error_count ? EXIT_BAD_INPUT : EXIT_DONE;
	if (code == EXIT_DONE && !json)
		printf("%zu %s good\n", set.files, set.files == 1 ? "manifest is" : "manifests are");
	free_set(&set);
	return code;
}
