/* SPDX-License-Identifier: MIT */
/*
 * Time stamp ticks per operation. Under QEMU's -icount shift=0 a tick is an instruction, and two runs agree to the last digit. The least
 * of some rounds counts.
 */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ROUNDS = 5, PAGE = 4096, MIB = 1 << 20 };

struct bench {
	const char *name;
	void (*run)(int count);
	int count;
};

/* What is measured: all of a round, unless it says when it begins and ends. */
static uint64_t begun, ended;

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static inline void begin(void)
{
	begun = ticks();
}

static inline void end(void)
{
	ended = ticks();
}

static inline void *pages(size_t size)
{
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(area != MAP_FAILED, "mmap");
	return area;
}

static inline void measure(const struct bench *bench)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t took;

		ended = 0;
		begin();
		bench->run(bench->count);
		took = (ended ? ended : ticks()) - begun;
		best = took < best ? took : best;
	}
	printf("BENCH %s %llu\n", bench->name, (unsigned long long)best / bench->count);
	fflush(stdout);
}

#endif
