/* SPDX-License-Identifier: MIT */
/* XML, put into a stream: indented, escaped, one element a line. */
#pragma once

#include <stdint.h>
#include <stdio.h>

struct writer {
	FILE *out;
	int depth;
};

/* Behind `name`: pairs of a name and a value, ended by a NULL for a name; a NULL for a value leaves the attribute out. */
void put_empty(struct writer *writer, const char *name, ...) __attribute__((sentinel));
void put_begin(struct writer *writer, const char *name, ...) __attribute__((sentinel));
void put_end(struct writer *writer, const char *name);

/* NULL: nothing is put. */
void put_text(struct writer *writer, const char *name, const char *text);
void put_number(struct writer *writer, const char *name, uint64_t value);
/* White space in front of what the caller writes itself. */
void put_indent(struct writer *writer);

/* A number as an attribute's value: into text, and text is returned. */
#define NUMBER_TEXT	24
const char *number(char text[NUMBER_TEXT], unsigned long long value);
