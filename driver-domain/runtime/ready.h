/* SPDX-License-Identifier: MIT */
/*
 * Ready, and the way back (protocols/driver.md, section 6). From ready on a reset makes all memory of the domain what it was then; what the
 * successor sets up anew anyway lies in scratch pages, which a reset need not copy.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Pages, one behind the other, zeroed; before ready. A successor finds in them what its predecessor left. */
void *ready_scratch(uint32_t pages);

/*
 * Says ready, with upcalls masked. 0 the first time; n: this is the return after the reset n. Where nobody brings the domain back, 0, and
 * the log says so.
 */
uint32_t ready_say(void);
