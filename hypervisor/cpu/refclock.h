/* SPDX-License-Identifier: MIT */
/* Clocks of known rate, to measure the others by: the ACPI PM timer, the HPET, or the PIT. And the calendar. */
#ifndef SKINK_REFCLOCK_H
#define SKINK_REFCLOCK_H

#include "include/types.h"

struct refclock {
	const char *name;
	uint64_t hz;
	uint64_t mask;			/* of the bits that it has */
	uint64_t (*read)(void);		/* counts up */
};

/* The best that the machine has, running. After acpi_init(). */
const struct refclock *refclock_start(void);

#endif
