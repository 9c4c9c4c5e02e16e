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

/*
 * What the injector says while it works, in a page that skinkd has too: its file descriptor FAULT_PAGE_FD.
 * FP1  `steps` is odd before a driver is paused, or something stands in its way, and until it is free again.
 * FP2  `pause` says of each pause of the injector's that it is asked for before it is, and that it is there once it is.
 */
struct fault_page {
	uint32_t steps;
	uint32_t pause;			/* enum fault_pause */
};

enum fault_pause { FAULT_FREE, FAULT_PAUSING, FAULT_PAUSED, FAULT_FREEING };

#define FAULT_PAGE_FD		3

#define FAULT_COUNT_MAX		10000u
#define FAULT_RATE_MIN		0.01
#define FAULT_RATE_MAX		1000.0		/* a second */
