/* SPDX-License-Identifier: MIT */
/*
 * What of a driver domain's CPU time went into each of its attachments. A driver works for all of them in one round, so nobody can
 * measure it: the time that it has had since the last look is divided by what was done for each meanwhile.
 */
#pragma once

struct driver;

/* Adds to busy_ns and asked_ns of each of its attachments. Often enough: what is done for an attachment after its last look is nobody's. */
void share_look(struct driver *driver);
