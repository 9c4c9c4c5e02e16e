/* SPDX-License-Identifier: MIT */
/* Numbers that follow from a seed alone (splitmix64): the same seed makes the same choices. */
#pragma once

#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t mixed = random->state += 0x9e3779b97f4a7c15UL;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9UL;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebUL;
	return mixed ^ mixed >> 31;
}

/* 0 .. count - 1; count is not 0. */
static inline uint64_t random_below(struct random *random, uint64_t count)
{
	return (uint64_t)((unsigned __int128)random_next(random) * count >> 64);
}
