/* SPDX-License-Identifier: MIT */
/* Waiting for a domain to become something, with a limit. */
#pragma once

#include "skinkd/domain.h"
#include "skinkd/host.h"

enum wait_for {
	WAIT_GONE,			/* that domain id is no more */
	WAIT_DOWN,			/* gone, or shut down, or already the next one */
	WAIT_REPLACED,			/* it runs again under another id */
	WAIT_RUNNING,			/* and is not paused */
	WAIT_RECOVERED,			/* the same; of a driver: its last successor has taken over all rings */
	WAIT_MEMORY,			/* it has `value` KiB, give or take what a balloon cannot do */
	WAIT_VCPUS,			/* `value` are online */
};

struct wait_request {
	enum wait_for what;
	struct target target;		/* as it is now */
	uint64_t value;
	bool needs_answer;		/* control/shutdown is written, and the guest has to take it back soon */
	double timeout_s;
};

/* done(): 0, CODE_TIMED_OUT, or CODE_FAILED and why it cannot come any more. */
void wait_start(const struct wait_request *request, done_fn done, void *context);

/* Something has changed. */
void wait_look(void);
