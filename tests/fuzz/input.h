/* SPDX-License-Identifier: MIT */
/* The fuzzer's bytes, as decisions. When they have run out everything is 0. */
#pragma once

#include "include/types.h"

struct input {
	const uint8_t *at, *end;
};
extern struct input input;

static inline bool input_is_empty(void) { return input.at == input.end; }
static inline uint8_t take8(void) { return input_is_empty() ? 0 : *input.at++; }
static inline uint16_t take16(void) { return (uint16_t)(take8() | take8() << 8); }

static inline uint64_t take64(void)
{
	uint64_t word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | take8();
	return word;
}

static inline uint32_t take_below(uint32_t limit) { return take8() % limit; }
