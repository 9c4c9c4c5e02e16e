/* SPDX-License-Identifier: MIT */
/*
 * Whether xenstored answers: asked again and again, by a thread and on a connection of its own. A call of libxenstore waits
 * for its answer for ever; who guards its connection by a pulse does not.
 *
 *              no answer for `patience` intervals             the answer comes after all
 *   ANSWERS ------------------------------------> HANGS -------------------------------> ANSWERS
 *      |                                            |
 *      +--------------- connection lost ------------+-----> GONE (for good)
 *
 * PU1  When it becomes HANGS, the guarded connection is cut: whatever call waits on it fails, and so does each later one.
 * PU2  An interval in which all of Dom0 stood still counts as one, however long it was.
 */
#pragma once

#include <stdbool.h>

enum pulse_state { PULSE_ANSWERS, PULSE_HANGS, PULSE_GONE };

struct pulse;

struct pulse_setting {
	const char *socket;		/* xs_daemon_socket() */
	int interval_ms;
	int patience;			/* intervals */
	void (*told)(void *context);	/* on the pulse's thread, after each change of its state */
	void *context;
};

/* Asks once, and returns when that is answered, or is not. NULL: there is no xenstored. */
struct pulse *pulse_start(const struct pulse_setting *setting);

enum pulse_state pulse_state(struct pulse *pulse);

/* The socket on which libxenstore's calls wait; -1: none. False: it hangs, or has gone, and nothing is guarded. */
bool pulse_guard(struct pulse *pulse, int socket);

/* Whether what was guarded has not been cut. */
bool pulse_is_whole(struct pulse *pulse);

/* The pulse's own socket: how to tell it from others to the same daemon. */
int pulse_socket(const struct pulse *pulse);
