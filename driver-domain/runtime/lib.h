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
/* A freestanding compiler takes the names for anybody's; by these it needs no call for a few bytes whose number it knows. */
#define memset(to, value, size) __builtin_memset(to, value, size)
#define memcpy(to, from, size) __builtin_memcpy(to, from, size)
#define memmove(to, from, size) __builtin_memmove(to, from, size)
#define memcmp(left, right, size) __builtin_memcmp(left, right, size)
size_t strlen(const char *text);
int strcmp(const char *left, const char *right);
char *strstr(const char *text, const char *part);

/* What most drivers never write lies with the arrays, and what all write together (runtime.lds): each page that has changed a reset has to copy. */
#define APART __attribute__((aligned(64)))

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
