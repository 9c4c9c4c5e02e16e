/* SPDX-License-Identifier: MIT */
/*
 * A page that is taken away is gone on every CPU: threads write to it for ever, the main thread makes it
 * read-only, and from the moment mprotect() returns no write may succeed.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRITERS_MAX = 8, ROUNDS = 200 };

static atomic_ulong *page;
static atomic_int stop;
static __thread sigjmp_buf retry;

static void on_fault(int number)
{
	(void)number;
	siglongjmp(retry, 1);
}

static void *writer(void *unused)
{
	(void)unused;
	while (!stop) {
		if (sigsetjmp(retry, 1) == 0)
			atomic_fetch_add(page, 1);
		else
			sched_yield();
	}
	return NULL;
}

int main(void)
{
	pthread_t thread[WRITERS_MAX];
	int writers = sysconf(_SC_NPROCESSORS_ONLN) < WRITERS_MAX ? sysconf(_SC_NPROCESSORS_ONLN) : WRITERS_MAX;
	unsigned long seen, before = 0;
	int moved = 0;

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGSEGV, on_fault);
	for (int i = 0; i < writers; i++)
		pthread_create(&thread[i], NULL, writer, NULL);

	for (int round = 0; round < ROUNDS; round++) {
		mprotect(page, 4096, PROT_READ);
		seen = *page;
		for (int i = 0; i < 20; i++) {
			sched_yield();
			if (*page != seen)
				return printf("tlb: written through a stale entry in round %d\n", round), 1;
		}
		moved += seen != before;
		before = seen;
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
		sched_yield();
	}
	stop = 1;
	for (int i = 0; i < writers; i++)
		pthread_join(thread[i], NULL);
	if (moved == 0)
		return printf("tlb: nobody wrote\n"), 1;
	printf("tlb: ok\n");
	return 0;
}
