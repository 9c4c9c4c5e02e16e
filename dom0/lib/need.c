/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "need.h"

static void *there(void *memory)
{
	if (!memory) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *need_zeroed(size_t count, size_t bytes)
{
	return there(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *need_resized(void *old, size_t count, size_t bytes)
{
	return there(reallocarray(old, count ? count : 1, bytes ? bytes : 1));
}

char *need_copy(const char *text)
{
	return there(strdup(text));
}

char *need_copy_of(const char *text, size_t length)
{
	return there(strndup(text, length));
}

char *need_vtext(const char *format, va_list arguments)
{
	char *text = NULL;

	return vasprintf(&text, format, arguments) < 0 ? there(NULL) : text;
}

char *need_text(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = need_vtext(format, arguments);
	va_end(arguments);
	return text;
}

/* Capacity doubles at each power of two, so that nobody has to store it. */
void *need_grown(void *array, size_t count, size_t bytes)
{
	if ((count & (count - 1)) == 0)
		array = need_resized(array, count ? count * 2 : 1, bytes);
	memset((char *)array + count * bytes, 0, bytes);
	return array;
}
