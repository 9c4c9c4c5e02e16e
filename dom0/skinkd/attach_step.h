/* SPDX-License-Identifier: MIT */
/* One attachment at a driver domain that is there: the next step of its hand-shake, as lib/attach.h says. */
#pragma once

#include "skinkd/attach.h"

/* False: there is no more to do for now, or it is gone. */
bool attach_step(struct attachment *attachment);

/* Its record is the driver's under the serial that it has now. */
void attach_renumber(struct attachment *attachment);

/* attach.c: an event about it; and its ends. */
void attach_told(struct attachment *attachment, const char *kind, const char *what);
void attach_drop(struct attachment *attachment);
void attach_park(struct attachment *attachment);	/* until there is a driver again */
void attach_lost(struct attachment *attachment);	/* its front-end has let go of the rings that a death of its driver has spoilt */
void attach_comes_later(struct attachment *attachment);	/* not before anew_ms, and then by itself */
