/* SPDX-License-Identifier: MIT */
/* What the compiler expects a C library to have, and barriers. */
#ifndef RUNTIME_LIB_H
#define RUNTIME_LIB_H

#include <stddef.h>
#include <stdint.h>

void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);
char *strstr(const char *text, const char *part);

#define barrier() __asm__ volatile("" ::: "memory")
#define memory_barrier() __asm__ volatile("mfence" ::: "memory")

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

#endif
