/* SPDX-License-Identifier: MIT */
/* What monitor.c (the line) and monitor_tell.c (the loop's side) have in common: nobody else's. */
#pragma once

#include "skinkd/monitor.h"

extern struct monitor *monitors;	/* under monitor_lock() */

uint64_t monitor_now_us(void);

/* A line's end: the loop has deaths to tell. Allocates nothing. */
void monitor_tell_later(void);
bool monitor_tell_open(void);

/* Takes the oldest death that has not been told. False: there is none. */
bool monitor_next_death(struct monitor *monitor, struct monitor_death *death);

/* It died before it was ready, so there is nothing to go back to; its pause is over. */
void monitor_dies_early(struct monitor *monitor, const char *text);
bool monitor_is_to_be_built(const struct monitor *monitor);

/* Now, and it is not counted: of one that serves, or is let go. 0, or the core's -errno. */
int monitor_by_hand(struct monitor *monitor);

/* The thread looks at everything again. */
void monitor_wake(void);
