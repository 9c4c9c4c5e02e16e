/* SPDX-License-Identifier: MIT */
/*
 * The classes of faults that can be injected into a driver domain, as docs/faults.md defines them: for the injector, skinkd, and
 * whoever lists them.
 */
#pragma once

#include <stdint.h>

/* What is demanded when one is activated. */
enum fault_group {
	FAULT_STOP,			/* fail-stop: nothing lost, nothing wrong, in any guest */
	FAULT_VALUE,			/* something is wrong and may be passed on: measured */
	FAULT_REFUSED,			/* tried as the driver would: the core has to refuse it, or to contain it */
};

struct fault_class {
	const char *name;
	enum fault_group group;
	const char *summary;		/* one line */
	const char *detector;		/* what ought to see it */
};

extern const struct fault_class fault_classes[];	/* the last has no name */

const struct fault_class *fault_class_find(const char *name);	/* NULL: there is none */
const char *fault_group_name(enum fault_group group);

#define FAULT_COUNT_MAX		10000u
#define FAULT_RATE_MIN		0.01
#define FAULT_RATE_MAX		1000.0		/* a second */
