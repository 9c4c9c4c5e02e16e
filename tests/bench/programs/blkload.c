/* SPDX-License-Identifier: MIT */
/*
 * blkload DEVICE NAME read|write random|sequential BYTES DEPTH COUNT ROUNDS: O_DIRECT, as many threads as the depth, the same
 * places in each round. Times are the time stamp counter's, from when the first thread begins until the last is done: the threads are there before. A round to
 * warm up comes first and is not printed. Lines as netload's: requests or bytes in a second for each round, and how long single requests took.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

enum { DEPTH_MAX = 64, ALIGNMENT = 4096, WORDS = 9 };

static struct {
	int file;
	int is_write, is_random;
	size_t bytes;
	uint64_t blocks, count;
	atomic_ulong next;
	uint64_t *took;
	int rounds;
	pthread_barrier_t turn;		/* of all threads and main(): a round begins, a round ends */
	atomic_ulong began;		/* the first thread's beginning in this round; 0: none has */
} load;

static void must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static uint64_t place(uint64_t number)
{
	uint64_t block = load.is_random ? (number * 6364136223846793005ull + 1442695040888963407ull) >> 20 : number;

	return block % load.blocks * load.bytes;
}

static void one_round(void *buffer)
{
	uint64_t i, none = 0;

	atomic_compare_exchange_strong(&load.began, &none, __rdtsc());
	while ((i = atomic_fetch_add(&load.next, 1)) < load.count) {
		uint64_t began = __rdtsc();
		ssize_t done = load.is_write ? pwrite(load.file, buffer, load.bytes, (off_t)place(i)) :
					       pread(load.file, buffer, load.bytes, (off_t)place(i));

		must(done == (ssize_t)load.bytes, "request");
		load.took[i] = __rdtsc() - began;
	}
}

static void *work(void *buffer)
{
	for (int round = 0; round <= load.rounds; round++) {
		pthread_barrier_wait(&load.turn);
		one_round(buffer);
		pthread_barrier_wait(&load.turn);
	}
	return NULL;
}

/* How long it took. */
static uint64_t turn(void)
{
	atomic_store(&load.next, 0);
	atomic_store(&load.began, 0);
	pthread_barrier_wait(&load.turn);
	pthread_barrier_wait(&load.turn);
	return __rdtsc() - atomic_load(&load.began);
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void tell(const char *name, uint64_t took)
{
	double seconds = (double)took / 1e9;

	if (load.is_random)
		printf("BENCH %s %.1f requests/s\n", name, (double)load.count / seconds);
	else
		printf("BENCH %s %.2f MB/s\n", name, (double)(load.count * load.bytes) / seconds / 1e6);
}

/* Of the last round. */
static void tell_spread(const char *name)
{
	uint64_t n = load.count;

	qsort(load.took, n, sizeof(*load.took), by_size);
	printf("SPREAD %s.latency instructions %lu %lu %lu %lu\n", name, n, load.took[n / 2], load.took[n * 99 / 100], load.took[n - 1]);
}

int main(int count, char **words)
{
	void *buffer[DEPTH_MAX];
	pthread_t thread;
	unsigned int depth;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count != WORDS) {
		fprintf(stderr, "usage: blkload DEVICE NAME read|write random|sequential BYTES DEPTH COUNT ROUNDS\n");
		return 2;
	}
	load.is_write = words[3][0] == 'w';
	load.is_random = words[4][0] == 'r';
	load.bytes = (size_t)atol(words[5]);
	depth = (unsigned int)atoi(words[6]);
	load.count = (uint64_t)atol(words[7]);
	load.rounds = atoi(words[8]);
	load.file = open(words[1], O_RDWR | O_DIRECT);
	must(load.file >= 0, words[1]);
	load.blocks = load.bytes ? (uint64_t)lseek(load.file, 0, SEEK_END) / load.bytes : 0;
	load.took = calloc(load.count + 1, sizeof(*load.took));
	if (!load.blocks || !depth || depth > DEPTH_MAX || !load.count || load.rounds < 1 || !load.took) {
		fprintf(stderr, "blkload: %s is too small, or a number is out of range (a depth of 1 to %d)\n", words[1], DEPTH_MAX);
		return 2;
	}
	for (unsigned int i = 0; i < depth; i++) {
		must(posix_memalign(&buffer[i], ALIGNMENT, load.bytes) == 0, "memory");
		memset(buffer[i], 0x5a, load.bytes);
	}
	must(pthread_barrier_init(&load.turn, NULL, depth + 1) == 0, "barrier");
	for (unsigned int i = 0; i < depth; i++)
		must(pthread_create(&thread, NULL, work, buffer[i]) == 0, "thread");
	for (int round = 0; round <= load.rounds; round++) {
		uint64_t took = turn();

		if (round)
			tell(words[2], took);
	}
	tell_spread(words[2]);
	return 0;
}
