/* SPDX-License-Identifier: MIT */
#include "skinkd/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void say(const char *format, ...)
{
	va_list arguments;
	char text[2048];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "skinkd: %s\n", text);
}

void *need_memory(void *memory)
{
	if (memory)
		return memory;
	say("out of memory: ending; the domains go on");
	abort();
}

struct outcome outcome(int code, const char *format, ...)
{
	struct outcome result = { .code = code };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result.message, sizeof(result.message), format, arguments);
	va_end(arguments);
	return result;
}
