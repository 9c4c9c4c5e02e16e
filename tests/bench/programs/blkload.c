/* SPDX-License-Identifier: MIT */
/*
 * blkload DEVICE NAME read|write random|sequential BYTES DEPTH COUNT ROUNDS [aio|stalls]: O_DIRECT, as many threads as the depth, or with "aio"
 * one that has so many requests under way (io_submit(2), as fio's libaio does), the same places in each round. Times are the time stamp
 * counter's, from when the first thread begins until the last is done: the threads are there before. A round to warm up comes first and
 * is not printed. Lines as netload's: requests or bytes in a second for each round, and how long single requests took; with "stalls" also
 * each request that took longer than a millisecond, at once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

enum { DEPTH_MAX = 64, ALIGNMENT = 4096, WORDS = 9, HOW = 9, STALL = 1000000 };

static struct {
	int file;
	int is_write, is_random, is_aio, tells_stalls;
	unsigned int depth;
	char *buffer;			/* of depth * bytes */
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

static void one_after_another(char *buffer)
{
	uint64_t i;

	while ((i = atomic_fetch_add(&load.next, 1)) < load.count) {
		uint64_t began = __rdtsc();
		ssize_t done = load.is_write ? pwrite(load.file, buffer, load.bytes, (off_t)place(i)) :
					       pread(load.file, buffer, load.bytes, (off_t)place(i));

		must(done == (ssize_t)load.bytes, "request");
		load.took[i] = __rdtsc() - began;
		if (load.tells_stalls && load.took[i] > STALL)
			printf("STALL %lu\n", load.took[i]);
	}
}

/* Of those that have an answer, the next ones; false: there are no more. */
static size_t fill(struct iocb *request, struct iocb **list, const uint16_t *idle, size_t idle_count)
{
	size_t count = 0;
	uint64_t i;

	while (count < idle_count && (i = atomic_load(&load.next)) < load.count) {
		struct iocb *one = &request[idle[count]];

		atomic_store(&load.next, i + 1);
		one->aio_offset = (int64_t)place(i);
		one->aio_data = i << 16 | idle[count];
		load.took[i] = __rdtsc();
		list[count++] = one;
	}
	return count;
}

static void side_by_side(void)
{
	static aio_context_t context;
	struct iocb request[DEPTH_MAX] = {}, *list[DEPTH_MAX];
	struct io_event answer[DEPTH_MAX];
	uint16_t idle[DEPTH_MAX];
	size_t idle_count = load.depth, count, under_way = 0;

	must(context || syscall(SYS_io_setup, DEPTH_MAX, &context) == 0, "io_setup");
	for (uint16_t i = 0; i < load.depth; i++) {
		request[i].aio_fildes = (uint32_t)load.file;
		request[i].aio_lio_opcode = load.is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		request[i].aio_buf = (uint64_t)(load.buffer + i * load.bytes);
		request[i].aio_nbytes = load.bytes;
		idle[i] = i;
	}
	while ((count = fill(request, list, idle, idle_count)) || under_way) {
		if (count)
			must(syscall(SYS_io_submit, context, count, list) == (long)count, "io_submit");
		under_way += count;
		memmove(idle, idle + count, (idle_count - count) * sizeof(*idle));
		idle_count -= count;
		long answers = syscall(SYS_io_getevents, context, 1, under_way, answer, NULL);

		must(answers > 0, "io_getevents");
		for (long i = 0; i < answers; i++) {
			must(answer[i].res == (int64_t)load.bytes, "request");
			load.took[answer[i].data >> 16] = __rdtsc() - load.took[answer[i].data >> 16];
			idle[idle_count++] = (uint16_t)answer[i].data;
		}
		under_way -= (size_t)answers;
	}
}

static void one_round(char *buffer)
{
	uint64_t none = 0;

	atomic_compare_exchange_strong(&load.began, &none, __rdtsc());
	if (load.is_aio)
		side_by_side();
	else
		one_after_another(buffer);
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
	pthread_t thread;
	unsigned int threads;

	setvbuf(stdout, NULL, _IOLBF, 0);
	load.is_aio = count == WORDS + 1 && !strcmp(words[HOW], "aio");
	load.tells_stalls = count == WORDS + 1 && !strcmp(words[HOW], "stalls");
	if (count != WORDS + load.is_aio + load.tells_stalls) {
		fprintf(stderr, "usage: blkload DEVICE NAME read|write random|sequential BYTES DEPTH COUNT ROUNDS [aio|stalls]\n");
		return 2;
	}
	load.is_write = words[3][0] == 'w';
	load.is_random = words[4][0] == 'r';
	load.bytes = (size_t)atol(words[5]);
	load.depth = (unsigned int)atoi(words[6]);
	threads = load.is_aio ? 1 : load.depth;
	load.count = (uint64_t)atol(words[7]);
	load.rounds = atoi(words[8]);
	load.file = open(words[1], O_RDWR | O_DIRECT);
	must(load.file >= 0, words[1]);
	load.blocks = load.bytes ? (uint64_t)lseek(load.file, 0, SEEK_END) / load.bytes : 0;
	load.took = calloc(load.count + 1, sizeof(*load.took));
	if (!load.blocks || !load.depth || load.depth > DEPTH_MAX || !load.count || load.rounds < 1 || !load.took) {
		fprintf(stderr, "blkload: %s is too small, or a number is out of range (a depth of 1 to %d)\n", words[1], DEPTH_MAX);
		return 2;
	}
	must(posix_memalign((void **)&load.buffer, ALIGNMENT, load.depth * load.bytes) == 0, "memory");
	memset(load.buffer, 0x5a, load.depth * load.bytes);
	must(pthread_barrier_init(&load.turn, NULL, threads + 1) == 0, "barrier");
	for (unsigned int i = 0; i < threads; i++)
		must(pthread_create(&thread, NULL, work, load.buffer + i * load.bytes) == 0, "thread");
	for (int round = 0; round <= load.rounds; round++) {
		uint64_t took = turn();

		if (round)
			tell(words[2], took);
	}
	tell_spread(words[2]);
	return 0;
}
