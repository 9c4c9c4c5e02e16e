/* SPDX-License-Identifier: MIT */
/* Text out: by hypercall as Dom0, by the console ring otherwise. */
#ifndef RUNTIME_CONSOLE_H
#define RUNTIME_CONSOLE_H

#include <stdarg.h>
#include <stddef.h>

#ifdef SKINK_HOST
#include <stdio.h>
#else
/* %s %c %d %u %x %p, with l, a width, 0 and -; nothing else. */
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
void console_write(const char *text, size_t size);

/* The domain ends: what was said, with registers and a back trace, is on the console and in a driver domain's log. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
struct trap_frame;
void panic_trapped(const struct trap_frame *frame) __attribute__((noreturn));

/* What must hold, in every build: the domain ends if it does not. */
#define ASSERT(condition) \
	((condition) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #condition))

#endif
