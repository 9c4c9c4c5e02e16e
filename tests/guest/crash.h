/* SPDX-License-Identifier: MIT */
/*
 * A kernel that is to be crashed: CRASH(sentence, statements). It plans one test, says that it got this
 * far, and does what it should not survive. EXPECT in its head is what the console says then; that nothing
 * comes after it is part of what is expected.
 */
#ifndef GUEST_CRASH_H
#define GUEST_CRASH_H

#include "tap.h"

#define CRASH(sentence, ...)                                                             \
	RUNTIME_KERNEL                                                                   \
	void guest_main(void)                                                            \
	{                                                                                \
		printf("1..1\nok 1 - " sentence "\n");                                   \
		__VA_ARGS__;                                                             \
		printf("not ok 1 - it lives on\n");                                      \
	}

#endif
