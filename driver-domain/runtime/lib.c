/* SPDX-License-Identifier: MIT */
#include "runtime/lib.h"

/* `rep` with eight bytes a turn: under icount each turn is an instruction. */
void *(memset)(void *to, int value, size_t size)
{
	uint64_t pattern = 0x0101010101010101UL * (uint8_t)value;
	uint64_t words = size / 8;
	void *end = to;

	__asm__ volatile("rep stosq" : "+D"(end), "+c"(words) : "a"(pattern) : "memory");
	size %= 8;
	__asm__ volatile("rep stosb" : "+D"(end), "+c"(size) : "a"(pattern) : "memory");
	return to;
}

void *(memcpy)(void *to, const void *from, size_t size)
{
	uint64_t words = size / 8;
	void *end = to;

	__asm__ volatile("rep movsq" : "+D"(end), "+S"(from), "+c"(words) : : "memory");
	size %= 8;
	__asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(size) : : "memory");
	return to;
}

void *(memmove)(void *to, const void *from, size_t size)
{
	const char *source = from;
	char *target = to;

	if (target <= source || target >= source + size)
		return memcpy(to, from, size);
	while (size--) {
		target[size] = source[size];
		barrier();
	}
	return to;
}

int (memcmp)(const void *left, const void *right, size_t size)
{
	const uint8_t *a = left, *b = right;
	size_t same = 0;

	/* Eight at a time as long as they are the same. */
	for (; size - same >= 8; same += 8) {
		uint64_t from, other;

		__builtin_memcpy(&from, a + same, 8);
		__builtin_memcpy(&other, b + same, 8);
		if (from != other)
			break;
	}
	for (size_t i = same; i < size; i++)
		if (a[i] != b[i])
			return a[i] - b[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

int strcmp(const char *left, const char *right)
{
	while (*left && *left == *right)
		left++, right++;
	return (uint8_t)*left - (uint8_t)*right;
}

char *strstr(const char *text, const char *part)
{
	size_t length = strlen(part);

	while (*text && memcmp(text, part, length) != 0)
		text++;
	return *text || !length ? (char *)(uintptr_t)text : NULL;
}
