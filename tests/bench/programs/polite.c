/* SPDX-License-Identifier: MIT */
/*
 * polite [quiet]: does the same mixture of work again and again, for ever: arithmetic, memory, system calls, a mapping, now and then a child.
 * Ten times a second of the machine's time it prints "WORK ticks units": the time stamp counter, and how many rounds it has done since it began.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ticks.h"

enum { STEPS = 20000, CALLS = 20, MAPPED = 4 * PAGE, TOUCHED = 64 << 10, CHILD_EVERY = 64 };
#define TELL_EVERY 100000000u

static uint64_t sum;

static void compute(void)
{
	static char area[TOUCHED];

	for (int i = 0; i < STEPS; i++)
		sum = sum * 6364136223846793005ull + 1442695040888963407ull;
	memset(area, (int)sum, sizeof(area));
	asm volatile("" : : "r"(area) : "memory");
}

static void ask_kernel(void)
{
	char *area;

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	area = pages(MAPPED);
	for (size_t i = 0; i < MAPPED; i += PAGE)
		area[i] = 1;
	must(munmap(area, MAPPED) == 0, "munmap");
}

static void have_child(void)
{
	pid_t child = fork();

	must(child >= 0, "fork");
	if (child == 0)
		_exit(0);
	must(waitpid(child, NULL, 0) == child, "waitpid");
}

int main(int count, char **words)
{
	int is_quiet = count > 1 && !strcmp(words[1], "quiet");
	uint64_t told = ticks();

	for (uint64_t units = 1;; units++) {
		compute();
		ask_kernel();
		if (units % CHILD_EVERY == 0)
			have_child();
		if (is_quiet || ticks() - told < TELL_EVERY)
			continue;
		told = ticks();
		printf("WORK %llu %llu\n", (unsigned long long)told, (unsigned long long)units);
		fflush(stdout);
	}
}
