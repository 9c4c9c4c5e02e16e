/* SPDX-License-Identifier: MIT */
/* The end of the core when it finds itself broken: one CPU tells why, all stop. */
#include "lib/log.h"

#include "cpu/cpu.h"
#include "lib/backtrace.h"

/* Of those that come here only the first speaks; if it comes again, printing is what is broken. */
static bool panicking;

void panic_begin(void)
{
	if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
		cpu_halt_all();
	log_seize();
	log_error("\n");
	log_error("SKINK PANIC: ");
}

void panic(const char *format, ...)
{
	va_list arguments;

	panic_begin();
	va_start(arguments, format);
	log_print_list(LOG_ERROR, format, arguments);
	va_end(arguments);
	log_error("\n");
	backtrace_print((uint64_t)(uintptr_t)__builtin_return_address(0) - 1,
			*(uint64_t *)__builtin_frame_address(0));
	cpu_halt_all();
}

void refuse_to_run(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_print_list(LOG_ERROR, format, arguments);
	va_end(arguments);
	log_error("\n");
	cpu_halt_all();
}

void assert_failed(const char *what, const char *invariant, const char *file, int line)
{
	panic("%s: %s (%s:%d)", invariant, what, file, line);
}
