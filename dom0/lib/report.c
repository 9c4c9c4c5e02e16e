/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "need.h"
#include "report.h"

void report_init(struct report *report)
{
	*report = (struct report) { 0 };
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->entry_count; i++) {
		free(report->entries[i].file);
		free(report->entries[i].element);
		free(report->entries[i].what);
		free(report->entries[i].remedy);
	}
	free(report->entries);
	*report = (struct report) { 0 };
}

/* Lines are shown on terminals, and what they quote is anybody's: no control characters, C1 in UTF-8 included. */
static char *harmless_text(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return text;
}

void report_add(struct report *report, enum severity severity, const struct blame *blame, const char *format,
		va_list arguments)
{
	struct report_entry *entry;
	char *text, *remedy;

	if (severity == SEVERITY_ERROR)
		report->error_count++;
	else
		report->warning_count++;
	if (report->entry_count == REPORT_ENTRIES_MAX) {	/* R1 */
		report->left_out++;
		return;
	}
	text = need_vtext(format, arguments);
	remedy = strrchr(text, '\n');
	if (remedy)
		*remedy++ = 0;

	entry = NEED_ONE_MORE(report->entries, report->entry_count);
	entry->severity = severity;
	entry->at = blame->at;
	entry->file = harmless_text(need_copy(blame->file));
	entry->element = harmless_text(need_copy(blame->element));
	entry->remedy = harmless_text(need_copy(remedy ? remedy : ""));
	entry->what = harmless_text(text);
}

void report_error(struct report *report, const struct blame *blame, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, SEVERITY_ERROR, blame, format, arguments);
	va_end(arguments);
}

void report_warning(struct report *report, const struct blame *blame, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report_add(report, SEVERITY_WARNING, blame, format, arguments);
	va_end(arguments);
}

static bool stands_after(const struct report_entry *a, const struct report_entry *b)
{
	if (strcmp(a->file, b->file) != 0)
		return false;
	return a->at.line > b->at.line || (a->at.line == b->at.line && a->at.column > b->at.column);
}

/* Insertion: stable, and there are at most REPORT_ENTRIES_MAX. Complaints about one file stand together already. */
void report_sort(struct report *report)
{
	for (size_t i = 1; i < report->entry_count; i++) {
		struct report_entry entry = report->entries[i];
		size_t place = i;

		for (; place > 0 && stands_after(&report->entries[place - 1], &entry); place--)
			report->entries[place] = report->entries[place - 1];
		report->entries[place] = entry;
	}
}

char *report_line(const struct report_entry *entry)
{
	const char *warning = entry->severity == SEVERITY_WARNING ? "warning: " : "";
	const char *colon = entry->remedy[0] ? ": " : "";

	return need_text("%s:%u:%u: %s<%s>: %s%s%s", entry->file, entry->at.line, entry->at.column, warning,
			 entry->element, entry->what, colon, entry->remedy);
}

void report_print(const struct report *report, FILE *stream)
{
	for (size_t i = 0; i < report->entry_count; i++) {
		char *line = report_line(&report->entries[i]);

		fprintf(stream, "%s\n", line);
		free(line);
	}
	if (report->left_out)
		fprintf(stream, "and %zu more: mend these first\n", report->left_out);
}
