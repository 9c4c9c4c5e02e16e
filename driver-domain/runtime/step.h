/* SPDX-License-Identifier: MIT */
/* STEP(): between two steps that a reset may come between. The tests on the host die there; in a driver domain it is nothing. */
#pragma once

#ifdef SKINK_HOST
void step(void);
#define STEP() step()
#else
#define STEP() ((void)0)
#endif
