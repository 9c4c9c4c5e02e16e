/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "manifest_put.h"

/* A carriage return that is written as itself would be read as a line feed. */
static void put_escaped(struct writer *writer, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", writer->out);
			break;
		case '<':
			fputs("&lt;", writer->out);
			break;
		case '>':
			fputs("&gt;", writer->out);
			break;
		case '\'':
			fputs("&apos;", writer->out);
			break;
		case '\r':
			fputs("&#13;", writer->out);
			break;
		default:
			fputc(*text, writer->out);
		}
	}
}

void put_indent(struct writer *writer)
{
	fprintf(writer->out, "%*s", 2 * writer->depth, "");
}

static void put_tag(struct writer *writer, const char *name, const char *end, va_list attributes)
{
	const char *key;

	put_indent(writer);
	fprintf(writer->out, "<%s", name);
	while ((key = va_arg(attributes, const char *))) {
		const char *value = va_arg(attributes, const char *);

		if (!value)
			continue;
		fprintf(writer->out, " %s='", key);
		put_escaped(writer, value);
		fputc('\'', writer->out);
	}
	fputs(end, writer->out);
}

void put_empty(struct writer *writer, const char *name, ...)
{
	va_list attributes;

	va_start(attributes, name);
	put_tag(writer, name, "/>\n", attributes);
	va_end(attributes);
}

void put_begin(struct writer *writer, const char *name, ...)
{
	va_list attributes;

	va_start(attributes, name);
	put_tag(writer, name, ">\n", attributes);
	va_end(attributes);
	writer->depth++;
}

void put_end(struct writer *writer, const char *name)
{
	writer->depth--;
	put_indent(writer);
	fprintf(writer->out, "</%s>\n", name);
}

void put_text(struct writer *writer, const char *name, const char *text)
{
	if (!text)
		return;
	put_indent(writer);
	fprintf(writer->out, "<%s>", name);
	put_escaped(writer, text);
	fprintf(writer->out, "</%s>\n", name);
}

const char *number(char text[NUMBER_TEXT], unsigned long long value)
{
	snprintf(text, NUMBER_TEXT, "%llu", value);
	return text;
}

void put_number(struct writer *writer, const char *name, uint64_t value)
{
	char text[NUMBER_TEXT];

	put_text(writer, name, number(text, value));
}
