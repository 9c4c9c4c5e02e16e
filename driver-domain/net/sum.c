/* SPDX-License-Identifier: MIT */
#include "net/sum.h"

#define TURN 32u	/* words */

/*
 * Words of eight bytes, at least one, the carry from one to the next: what counts and what steps leaves it alone. The first turn begins in its middle, so that
 * only as many words are left of it as are no whole turn. All additions are four bytes long, since no offset is 0; they go from 124 before `at` to 124 behind it.
 */
static inline uint64_t sum_words(uint64_t sum, const uint8_t *bytes, uint32_t words)
{
	uint64_t turns = (words + TURN - 1) / TURN, skip = -(uint64_t)words % TURN, entry;
	uintptr_t at = (uintptr_t)bytes + 124 - 8 * skip;

	__asm__("leaq 1f(%%rip), %[entry]\n\tleaq (%[entry], %[skip], 4), %[entry]\n\tclc\n\tjmp *%[entry]\n"
		"1:\n\t.set offset, -124\n\t.rept 32\n\tadcq offset(%[at]), %[sum]\n\t.set offset, offset + 8\n\t.endr\n\t"
		"leaq 256(%[at]), %[at]\n\tdecq %[turns]\n\tjnz 1b\n\tadcq $0, %[sum]"
		: [sum] "+r"(sum), [at] "+S"(at), [turns] "+r"(turns), [entry] "=&r"(entry) : [skip] "r"(skip) : "cc", "memory");
	return sum;
}

/* Fewer than eight. */
static uint64_t sum_rest(const uint8_t *bytes, uint32_t count)
{
	uint64_t sum = 0;
	uint32_t four;
	uint16_t two;

	if (count & 4) {
		__builtin_memcpy(&four, bytes, 4);
		sum += four;
	}
	if (count & 2) {
		__builtin_memcpy(&two, bytes + (count & 4), 2);
		sum += two;
	}
	return count & 1 ? sum + bytes[count - 1] : sum;
}

uint64_t sum_native(uint64_t sum, const uint8_t *bytes, uint32_t count)
{
	uint64_t rest;

	if (count >= 8)
		sum = sum_words(sum, bytes, count / 8);
	if (count % 8) {
		rest = sum_rest(bytes + (count & ~7u), count % 8);
		sum += rest;
		sum += sum < rest;
	}
	return sum;
}

/* Added up as they lie in memory; then turned round, once more if they begin in the middle of a word. */
uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, uint32_t count, bool *is_odd)
{
	uint16_t turned = sum_fold(sum_native(0, bytes, count));

	if (!*is_odd)
		turned = (uint16_t)(turned << 8 | turned >> 8);
	*is_odd ^= count & 1;
	return sum + turned;
}

uint16_t sum_pseudo(const uint8_t *ip, bool is_4, uint32_t protocol, uint32_t bytes)
{
	bool is_odd = false;

	return sum_fold(sum_bytes(protocol + (bytes & 0xffff) + (bytes >> 16), is_4 ? ip + 12 : ip + 8, is_4 ? 8 : 32, &is_odd));
}
