/* SPDX-License-Identifier: MIT */
/* What monitor.c (the line), monitor_thread.c, monitor_tell.c and monitor_record.c (the loop's side) have in common: nobody else's. */
#pragma once

#include "skinkd/monitor.h"

extern struct monitor *monitors;	/* under monitor_lock() */

uint64_t monitor_now_us(void);

/* A line's end: the loop has deaths to tell. Allocates nothing. */
void monitor_tell_later(void);
bool monitor_tell_open(void);

/* DR1: a time that a driver says of its way back from this death; false: of an earlier one, or senseless. */
bool monitor_is_after(uint64_t report_ns, uint64_t ns);

/* Takes the oldest death that has not been told. False: there is none. */
bool monitor_next_death(struct monitor *monitor, struct monitor_death *death);

/* It died before it was ready, so there is nothing to go back to; its pause is over. */
void monitor_dies_early(struct monitor *monitor, const char *text);
bool monitor_is_to_be_built(const struct monitor *monitor);

/* Now, and it is not counted: of one that serves, or is let go. 0, or the core's -errno. */
int monitor_by_hand(struct monitor *monitor);

/* ---- the thread's (monitor_thread.c), under the lock ---- */

/* The lock, and the way to the core. 0 or -errno. */
int monitor_line_open(void);
/* Something has changed in some driver: what is it in this one? */
void monitor_look_at(struct monitor *monitor);
/* What the clock asks for. Returns when it will again: CLOCK_MONOTONIC, UINT64_MAX: not by itself. */
uint64_t monitor_do_due(struct monitor *monitor, uint64_t now_us);
/* It looks at everything again. */
void monitor_wake(void);

/* ---- between monitor.c and monitor_image.c, under the lock ---- */

void monitor_tell(struct monitor *monitor, const struct monitor_death *death);
void monitor_pause_it(struct monitor *monitor, bool is_on);
int monitor_ask(struct monitor *monitor, struct skink_driver_info *info);
struct monitor_death monitor_death_now(const struct monitor *monitor, enum fault_kind kind, const struct skink_driver_info *info);

int monitor_images_open(void);
/* A skinkd before this one was ended when it had let another image begin; or before, and there is none in it. */
void monitor_change_found(struct monitor *monitor);
void monitor_has_no_image(struct monitor *monitor);
void monitor_images_free(struct monitor *monitor);
/* CHANGING: has it said ready? */
void monitor_change_look(struct monitor *monitor, const struct skink_driver_info *info);
/* What is due of that, and when more is: UINT64_MAX: not by itself. */
uint64_t monitor_images_due(struct monitor *monitor, uint64_t now_us);
/* True: the death was this image's last, and another has been loaded. Within its first minute; when its restarts are used up. */
bool monitor_gives_way(struct monitor *monitor, struct monitor_death *death);
bool monitor_falls_back(struct monitor *monitor, struct monitor_death *death);
