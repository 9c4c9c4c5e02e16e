/* SPDX-License-Identifier: MIT */
/*
 * Strings, byte by byte. The functions that move memory are in cpu/memory.c, and what the host's libc lacks is
 * in lib/format.c: the host builds take libc's in place of this file.
 */

int memcmp(const void *a, const void *b, size_t bytes)
{
	const uint8_t *left = a, *right = b;

	for (; bytes > 0; bytes--, left++, right++)
		if (*left != *right)
			return *left - *right;
	return 0;
}

size_t strlen(const char *text)
{
	const volatile char *end = text;	/* volatile: or the compiler calls strlen here */

	while (*end)
		end++;
	return (size_t)(end - text);
}

int strncmp(const char *a, const char *b, size_t limit)
{
	for (; limit > 0; limit--, a++, b++)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }
