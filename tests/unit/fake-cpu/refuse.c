/* SPDX-License-Identifier: MIT */
/* refuse_to_run() ends a test as panic() does: FAKE_DIES sees both; what it said is in fake.log. */
#include "fake.h"

#include "lib/log.h"

void refuse_to_run(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_print_list(LOG_ERROR, format, arguments);
	va_end(arguments);
	panic("refuse_to_run");
}
