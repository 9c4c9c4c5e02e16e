/* SPDX-License-Identifier: MIT */
/*
 * What stands in LOG_DIR/deaths.log of a domain that has crashed: why it ended, its registers, what it said last.
 *
 *   note_begin() ---> its console's log has what is in its ring, or a second has passed: the note is written, done()
 *            \-----> note_end(), for it is destroyed meanwhile: the note is written, and nobody is told
 *
 * NO1  skinkd's loop waits for no console: while xenconsoled is at work it serves everybody else.
 * NO2  What the guest has put into its ring is in the note, whatever xenconsoled does.
 */
#pragma once

#include "skinkd/domain.h"

/* flags: the core's, of how it ended. */
typedef void (*note_fn)(struct domain *domain, uint32_t flags);

/* done() may be called before this returns. */
void note_begin(struct domain *domain, uint32_t flags, note_fn done);
void note_end(struct domain *domain);
