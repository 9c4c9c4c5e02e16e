/* SPDX-License-Identifier: MIT */
/*
 * Moving memory, eight bytes at a time where it can be. By string instructions: the compiler makes calls of these
 * functions out of loops, so that a loop in here would call itself.
 */

void *memcpy(void *to, const void *from, size_t bytes)
{
	void *result = to;
	size_t words = bytes / 8;

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	words = bytes % 8;
	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	return result;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	char *last_to = (char *)to + bytes - 1;
	const char *last_from = (const char *)from + bytes - 1;

	if ((uintptr_t)to - (uintptr_t)from >= bytes)
		return memcpy(to, from, bytes);
	asm volatile("std\n\trep movsb\n\tcld"
		     : "+D"(last_to), "+S"(last_from), "+c"(bytes) : : "memory");
	return to;
}

uint32_t page_difference(const uint64_t *a, const uint64_t *b, uint32_t word)
{
	uint64_t left = PAGE_SIZE / 8 - word;
	bool is_same = true;

	a += word;
	b += word;
	if (left)
		asm volatile("repe cmpsq" : "+S"(a), "+D"(b), "+c"(left), "=@cce"(is_same) : : "memory");
	return (uint32_t)(PAGE_SIZE / 8 - left) - !is_same;
}

void *memset(void *to, int value, size_t bytes)
{
	void *result = to;
	uint64_t pattern = (uint8_t)value * 0x0101010101010101ULL;
	size_t words = bytes / 8;

	asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	words = bytes % 8;
	asm volatile("rep stosb" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	return result;
}
