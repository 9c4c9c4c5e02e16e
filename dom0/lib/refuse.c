/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>

#include "lib/build.h"

int build_refuse(struct build_error *error, enum build_blame blame, int result, const char *format, ...)
{
	va_list arguments;

	if (error) {
		error->blame = blame;
		va_start(arguments, format);
		vsnprintf(error->text, sizeof(error->text), format, arguments);
		va_end(arguments);
	}
	return result;
}
