/* SPDX-License-Identifier: MIT */
/* Text out: by hypercall as Dom0, by the console ring otherwise. */
#ifndef RUNTIME_CONSOLE_H
#define RUNTIME_CONSOLE_H

#include <stdarg.h>
#include <stddef.h>

/* %s %c %d %u %x %p, with l, a width, 0 and -; nothing else. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void console_write(const char *text, size_t size);

void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* What must hold, in every build: the domain ends if it does not. */
#define ASSERT(condition) \
	((condition) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #condition))

#endif
