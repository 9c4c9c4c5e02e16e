/* SPDX-License-Identifier: MIT */
/*
 * The few hypercalls between a driver's death and its return (protocols/control.h), for a thread that may wait for nothing:
 * 0, or the core's -errno.
 * LI1  After line_open() nothing is allocated: the arguments lie in one page that libxencall keeps in place.
 * LI2  A line is used by one thread at a time.
 */
#pragma once

#include <stdbool.h>

#include "lib/core.h"

struct line_room;

struct line {
	xencall_handle *call;
	struct line_room *room;
};

int line_open(struct line *line);
void line_close(struct line *line);

int line_reset(struct line *line, domid_t id);
int line_arm(struct line *line, domid_t id, bool is_on);
int line_info(struct line *line, domid_t id, struct skink_driver_info *info);
/* How long its vcpu has run, and whether it sleeps. */
int line_vcpu(struct line *line, domid_t id, uint64_t *cpu_ns, bool *is_blocked);
/* Counted by the core: each pause takes one unpause. */
int line_pause(struct line *line, domid_t id, bool is_on);
