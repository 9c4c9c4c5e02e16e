/* SPDX-License-Identifier: MIT */
/* Checksums of the Internet: sums of 16-bit words, the first byte the high one, with the carry added in at the low end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Half and half, twice: the high one is both then, with the carry out of the low one. */
static inline uint16_t sum_fold(uint64_t sum)
{
	uint32_t half = (uint32_t)((sum + (sum >> 32 | sum << 32)) >> 32);

	return (uint16_t)((half + (half >> 16 | half << 16)) >> 16);
}

/* What comes behind an odd number of bytes begins in the middle of a word: *is_odd says so, from call to call. */
uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, uint32_t count, bool *is_odd);
/*
 * The same without turning words round: they are added up as they lie in memory, and what the sum is folded to is stored as it lies. What follows an odd number
 * of bytes is added to sum_turned(), and at the end a sum that was turned an odd number of times is turned once more.
 */
uint64_t sum_native(uint64_t sum, const uint8_t *bytes, uint32_t count);
static inline uint64_t sum_turned(uint64_t sum)
{
	return sum << 8 | sum >> 56;
}
/* TCP's or UDP's: addresses, protocol, and the bytes from its header on. `ip`: where the IP header is. */
uint16_t sum_pseudo(const uint8_t *ip, bool is_4, uint32_t protocol, uint32_t bytes);
