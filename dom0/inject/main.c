/* SPDX-License-Identifier: MIT */
/*
 * The injector: a program of its own, which skinkd starts when it is asked for faults and has seen that they are allowed. It is no part of
 * skinkd, so that nothing of it is in memory when nothing is injected, and no mistake of it ends the monitor.
 *
 *   inject DOMAIN-ID IMAGE CLASS COUNT SEED RATE
 *
 * File descriptor FAULT_PAGE_FD is a page in which skinkd sees that the driver is not free to go on (lib/fault.h).
 * A line of JSON on standard output for each fault. The seed of the fault n (from 0) is SEED + n.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "inject/faults.h"

#define READY_TRIES	600u		/* of 50 ms: a driver that is being restarted */

static void rest(double seconds)
{
	struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

/* One after the other: the next fault meets a driver that serves. */
static int wait_until_ready(struct victim *victim)
{
	int result = -EAGAIN;

	for (unsigned int i = 0; i < READY_TRIES && result == -EAGAIN; i++) {
		result = victim_begin(victim);
		if (result == -EAGAIN)
			rest(0.05);
	}
	return result;
}

static int inject_all(struct victim *victim, const char *class, uint64_t count, uint64_t seed, double rate)
{
	for (uint64_t i = 0; i < count; i++) {
		int result = wait_until_ready(victim);
		json_t *record;

		if (result) {
			fprintf(stderr, "%s\n", result == -EAGAIN ? "it has not said ready, or is dead and stays so" :
				result == -ENODEV ? "it is no driver domain that can be reset" : strerror(-result));
			return EXIT_FAILURE;
		}
		record = json_object();
		fault_inject(victim, class, seed + i, record);
		json_dumpf(record, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(record);
		if (i + 1 < count)
			rest(1 / rate);
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct fault_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, FAULT_PAGE_FD, 0);
	struct victim victim;
	int result;

	if (argc != 7 || !fault_class_find(argv[3]) || page == MAP_FAILED) {
		fprintf(stderr, "usage: inject DOMAIN-ID IMAGE CLASS COUNT SEED RATE: skinkd starts this, for 'skink inject'\n");
		return 2;
	}
	result = victim_open(&victim, (domid_t)strtoul(argv[1], NULL, 10), argv[2], page);
	if (result) {
		fprintf(stderr, "%s: %s\n", argv[2], result == -ENOEXEC ? "no ELF with symbols: build it without strip" : strerror(-result));
		return EXIT_FAILURE;
	}
	result = inject_all(&victim, argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10), strtod(argv[6], NULL));
	victim_close(&victim);
	return result;
}
