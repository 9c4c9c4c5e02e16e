/* SPDX-License-Identifier: MIT */
/*
 * The detectors: what skinkd sees of each driver domain that serves, beside its deaths. lib/health.h judges heartbeats and answers; here
 * is where the numbers come from, and what a driver may not write.
 *
 *    monitor's thread:  CPU time, heartbeat; now and then all rings, the ledger, the status --> monitor_fault()
 *    loop's thread:     which rings there are; each SLOW_MS its log, its counts, its devices --> monitor_fault()
 *
 * WA1  What a front-end could have written proves nothing against a driver. A ring's page only says whether there is work.
 * WA2  Rings come and go under monitor_lock(); the pages of each are mapped as long as it is in a list.
 * WA3  A device that stays silent after one reset is told of, and its driver left alone until something is answered.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct attachment;
struct fault_page;
struct driver;
struct monitor;

void watch_open(void);			/* before monitor_open() */

void watch_slow_open(void);		/* after it */

/* Changes with each answer that is seen. */
uint64_t watch_answered(struct monitor *monitor);

/* Since this was asked last its rings were looked at, nobody held it, and no request waited: not one, whatever keeps it from its turn. */
bool watch_was_idle(struct monitor *monitor);

/* A driver has this front-end; or has not any more: before its record, or its driver, is forgotten. */
void watch_take(struct attachment *attachment);
void watch_drop(struct attachment *attachment);

/* Who injects faults holds this driver now and then, and says so in this page (HE8), which stays until watch_held_end(). */
void watch_held_by(struct monitor *monitor, const volatile struct fault_page *page);
void watch_held_end(struct monitor *monitor, const volatile struct fault_page *page);

/* It is paused by somebody's hand, or while its memory is dumped: what it does not do then is not held against it. */
void watch_pause(struct monitor *monitor, bool is_on);

/* With its record: before it is in the list, and after. */
void watch_add(struct monitor *monitor);
void watch_free(struct monitor *monitor);
