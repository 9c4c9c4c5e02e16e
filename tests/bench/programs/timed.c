/* SPDX-License-Identifier: MIT */
/*
 * timed NAME COUNT PROGRAM...: runs it and prints the time stamp counter's ticks from before to after for each of the COUNT operations that
 * it does, and the share of that in which its kernel was at work, for itself or for anybody, as the kernel's own clock saw it 250 times a second.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

struct spent {
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
};

static int fail(const char *what)
{
	perror(what);
	return 125;
}

static struct spent spent_by_now(void)
{
	struct spent now;
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &now.user, &now.nice, &now.system, &now.idle, &now.iowait,
			    &now.irq, &now.softirq) != 7)
		exit(fail("/proc/stat"));
	fclose(file);
	return now;
}

static void print(const char *name, uint64_t ticks, struct spent before, struct spent after)
{
	unsigned long long kernel = after.system + after.irq + after.softirq - before.system - before.irq - before.softirq;
	unsigned long long busy = kernel + after.user + after.nice - before.user - before.nice;

	printf("BENCH %s %llu\n", name, (unsigned long long)ticks);
	printf("BENCH %s.in_kernel %.1f percent\n", name, busy ? 100.0 * (double)kernel / (double)busy : 0.0);
}

int main(int count, char **words)
{
	struct spent before;
	uint64_t start, operations = count > 3 ? strtoull(words[2], NULL, 10) : 0;
	pid_t child;
	int status;

	if (!operations) {
		fprintf(stderr, "usage: timed NAME COUNT PROGRAM...\n");
		return 2;
	}
	before = spent_by_now();
	start = __rdtsc();
	child = fork();
	if (child < 0)
		return fail("fork");
	if (child == 0) {
		execvp(words[3], words + 3);
		_exit(fail(words[3]));
	}
	if (waitpid(child, &status, 0) != child)
		return fail("waitpid");
	print(words[1], (__rdtsc() - start) / operations, before, spent_by_now());
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
