/* SPDX-License-Identifier: MIT */
/* Bits in words; the atomic ones for words that several CPUs or a guest write. */
#pragma once

static inline bool bit_test(const uint64_t *words, uint32_t bit) { return read_once(&words[bit / 64]) >> (bit % 64) & 1; }

/* Atomic, with a full barrier. Returns whether it was set before. */
static inline bool bit_test_and_set(uint64_t *words, uint32_t bit)
{
	uint64_t mask = 1ULL << (bit % 64);

	return __atomic_fetch_or(&words[bit / 64], mask, __ATOMIC_SEQ_CST) & mask;
}

/* Atomic, with a full barrier. Returns whether it was set before. */
static inline bool bit_test_and_clear(uint64_t *words, uint32_t bit)
{
	uint64_t mask = 1ULL << (bit % 64);

	return __atomic_fetch_and(&words[bit / 64], ~mask, __ATOMIC_SEQ_CST) & mask;
}

/* The bits of an operand of 1, 2, 4 or 8 bytes. */
static inline uint64_t operand_mask(unsigned int bytes) { return UINT64_MAX >> (64 - 8 * bytes); }

/* The lowest bit of a word that is not 0. */
static inline uint32_t bit_lowest(uint64_t word) { return (uint32_t)__builtin_ctzll(word); }

/* For each set bit in a cpumask_t or other word. */
#define bits_each(bit, word)						\
	for (uint64_t bits_left_ = (word); bits_left_ &&		\
	     ((bit) = bit_lowest(bits_left_), true); bits_left_ &= bits_left_ - 1)
