/* SPDX-License-Identifier: MIT */
/* What each fuzzer of a driver begins with: the input's bytes, one after the other, and zeros behind the last. */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t *at, *end;

static inline uint8_t take8(void)
{
	return at < end ? *at++ : 0;
}

static inline uint16_t take16(void)
{
	uint16_t low = take8();

	return (uint16_t)(low | take8() << 8);
}

static inline uint32_t take32(void)
{
	uint32_t low = take16();

	return low | (uint32_t)take16() << 16;
}

/* libFuzzer keeps the input of what ends here. */
static inline void must(bool is_true, const char *what)
{
	if (is_true)
		return;
	fprintf(stderr, "fuzz: %s\n", what);
	abort();
}

/* A device writes what it likes: up to 255 bytes, somewhere in the first 2 MiB of `memory`, which has so many bytes. */
static inline void scribble(uint8_t *memory, uint64_t bytes)
{
	uint64_t from = (uint64_t)take16() * 32 + take8();

	for (unsigned int count = take8(); count; count--)
		if (from < bytes)
			memory[from++] = take8();
}

#endif
