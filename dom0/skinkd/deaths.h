/* SPDX-License-Identifier: MIT */
/*
 * Post-mortems of driver domains: one file for each death, in LOG_DIR/deaths, as JSON.
 *
 *   monitor_died() --a moment later--> the table, rings, ledger, log as they are then --a worker's thread--> names, back trace, the file
 *
 * PM1  A driver that died is back before anything of this is done, or waits for its turn; what this costs delays nobody's return.
 * PM2  What is kept is bounded: post_mortems_kept files, DEATHS_WAITING that wait; a death beyond those is counted, in the next file.
 * PM3  A driver that dies again and again pushes its own files out: of each there is its newest, as long as there is room for one of each.
 */
#pragma once

#include <jansson.h>

#include "skinkd/monitor.h"

#define DEATHS_WAITING	8

struct death {
	char name[64];			/* of the driver domain */
	domid_t id;
	struct monitor_death how;
	uint64_t log_before;		/* bytes of its log that were there when it had died the last time */
};

void deaths_open(void);

/* The newest post-mortem of a driver domain, also of one that is gone; NULL: there is none. */
json_t *death_last(const char *name);

void deaths_folder(char path[], size_t room);

/* ---- deaths_file.c ---- */

/* Takes `json`, what the loop has seen. `image`: the file that the driver runs; NULL: nobody knows. */
void death_write(const struct death *death, const char *image, json_t *json, void (*done)(void));
