/* SPDX-License-Identifier: MIT */
#include "net/sum.h"

#define BLOCK 64u

uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Words of eight bytes. The carry goes from one to the next: what counts and what steps leaves it alone. */
static uint64_t sum_words(const uint8_t *bytes, uint32_t blocks, uint32_t words)
{
	uint64_t sum = 0;

	if (blocks)
		__asm__("clc\n"
			"1:\tadcq (%[at]), %[sum]\n\tadcq 8(%[at]), %[sum]\n\tadcq 16(%[at]), %[sum]\n\tadcq 24(%[at]), %[sum]\n\t"
			"adcq 32(%[at]), %[sum]\n\tadcq 40(%[at]), %[sum]\n\tadcq 48(%[at]), %[sum]\n\tadcq 56(%[at]), %[sum]\n\t"
			"leaq 64(%[at]), %[at]\n\tdecl %[left]\n\tjnz 1b\n\tadcq $0, %[sum]"
			: [sum] "+r"(sum), [at] "+r"(bytes), [left] "+r"(blocks) : : "cc", "memory");
	if (words)
		__asm__("clc\n"
			"1:\tadcq (%[at]), %[sum]\n\tleaq 8(%[at]), %[at]\n\tdecl %[left]\n\tjnz 1b\n\tadcq $0, %[sum]"
			: [sum] "+r"(sum), [at] "+r"(bytes), [left] "+r"(words) : : "cc", "memory");
	return (sum & UINT32_MAX) + (sum >> 32);
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

/* Added up as they lie in memory; then turned round, once more if they begin in the middle of a word. */
uint64_t sum_bytes(uint64_t sum, const uint8_t *bytes, uint32_t count, bool *is_odd)
{
	uint64_t native = sum_words(bytes, count / BLOCK, count / 8 % (BLOCK / 8));
	uint16_t turned;

	if (count % 8)
		native += sum_rest(bytes + (count & ~7u), count % 8);
	turned = sum_fold(native);
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
