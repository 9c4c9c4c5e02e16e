/* SPDX-License-Identifier: MIT */
/* Memory that a program of Dom0 cannot go on without: what these return is never NULL. */
#pragma once

#include <stdarg.h>
#include <stddef.h>

void *need_zeroed(size_t count, size_t bytes);
void *need_resized(void *old, size_t count, size_t bytes);
char *need_copy(const char *text);
char *need_copy_of(const char *text, size_t length);
char *need_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *need_vtext(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* One more element at the end of an array that has count of them; the new one is all zero. */
#define NEED_ONE_MORE(array, count) \
	((array) = need_grown((array), (count), sizeof(*(array))), &(array)[(count)++])
void *need_grown(void *array, size_t count, size_t bytes);
