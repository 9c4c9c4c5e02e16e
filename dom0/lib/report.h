/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a file, or with the system that it asks for: where, what, and what to write instead.
 * One report may hold the complaints about several files. A complaint is one line:
 *     web.xml:12:5: <memory>: '64TiB' is more than this machine has, 7.2 GiB: write 7 GiB or less
 * R1  A report never holds more than REPORT_ENTRIES_MAX complaints; it counts those it left out.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REPORT_ENTRIES_MAX	100

/* Both count from 1, the column in characters. Line 0: the file as a whole. */
struct position {
	uint32_t line;
	uint32_t column;
};

enum severity {
	SEVERITY_WARNING,	/* what the file asks for is not done, and that is harmless */
	SEVERITY_ERROR,
};

struct report_entry {
	enum severity severity;
	struct position at;
	char *file;		/* as the user named it */
	char *element;		/* without brackets: "memory", "skink:restart" */
	char *what;
	char *remedy;		/* what to write or to do instead */
};

struct report {
	struct report_entry *entries;	/* see NEED_ONE_MORE() */
	size_t entry_count;
	size_t left_out;	/* R1 */
	size_t error_count;	/* those left out included */
	size_t warning_count;
};

/* { 0 } is an empty report too. */
void report_init(struct report *report);
void report_free(struct report *report);

/* Whom a complaint is about. */
struct blame {
	const char *file;
	struct position at;
	const char *element;
};

/* The text is "what is wrong" and "what to do instead" with a line feed between: "'%s' is no size\nwrite 512". */
void report_error(struct report *report, const struct blame *blame, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_warning(struct report *report, const struct blame *blame, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void report_add(struct report *report, enum severity severity, const struct blame *blame, const char *format,
		va_list arguments) __attribute__((format(printf, 4, 0)));

/* R1: whatever comes now is counted and not kept, so it need not be worded with care. */
static inline bool report_is_full(const struct report *report)
{
	return report->entry_count == REPORT_ENTRIES_MAX;
}

/* In the order of the files as they were first named, then of lines and columns. */
void report_sort(struct report *report);

/* "file:line:column: <element>: what: remedy", with "warning: " before the element of a warning. The caller frees it. */
char *report_line(const struct report_entry *entry);

/* All lines, and how many were left out. */
void report_print(const struct report *report, FILE *stream);
