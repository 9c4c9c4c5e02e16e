/* SPDX-License-Identifier: MIT */
/*
 * netload serve: takes, gives or echoes bytes over TCP for whoever connects to port 5001, for ever.
 * netload ADDRESS NAME send|receive MIB ROUNDS: streams that much in each round, and prints what passed in the time.
 * netload ADDRESS NAME echo COUNT ROUNDS: one byte there and back.
 * netload ADDRESS NAME stalls COUNT ROUNDS: the same, and each that took longer than a millisecond is printed at once.
 * Times are the time stamp counter's. A round to warm up comes first and is not printed. Each line is
 *     BENCH name value unit            one of several rounds
 *     SPREAD name unit n p50 p99 max   of single operations
 *     STALL instructions
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

enum { PORT = 5001, PIECE = 65536, MIB = 1 << 20, TRIES = 600, TRY_US = 100000, STALL = 1000000 };

/* What a client wants, and of how much. */
struct wish {
	char mode;		/* 's'end, 'r'eceive, 'e'cho */
	char unused[7];
	uint64_t bytes;
};

static char piece[PIECE];

static void must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static void get(int socket, uint64_t bytes)
{
	while (bytes) {
		ssize_t part = read(socket, piece, bytes < PIECE ? bytes : PIECE);

		must(part > 0, "read");
		bytes -= (uint64_t)part;
	}
}

static void put(int socket, uint64_t bytes)
{
	while (bytes) {
		ssize_t part = write(socket, piece, bytes < PIECE ? bytes : PIECE);

		must(part > 0, "write");
		bytes -= (uint64_t)part;
	}
}

static void no_delay(int socket)
{
	must(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0, "TCP_NODELAY");
}

static int serve_one(int socket)
{
	struct wish wish;

	no_delay(socket);
	while (recv(socket, &wish, sizeof(wish), MSG_WAITALL) == sizeof(wish)) {
		if (wish.mode == 's') {
			get(socket, wish.bytes);
			put(socket, 1);
		} else if (wish.mode == 'r') {
			put(socket, wish.bytes);
		} else {
			for (; wish.bytes; wish.bytes--) {
				get(socket, 1);
				put(socket, 1);
			}
		}
	}
	return 0;
}

static int serve(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int door = socket(AF_INET, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	must(setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0, "SO_REUSEADDR");
	must(bind(door, (struct sockaddr *)&here, sizeof(here)) == 0 && listen(door, 16) == 0, "bind");
	for (;;) {
		int guest = accept(door, NULL, NULL);

		must(guest >= 0, "accept");
		if (fork() == 0)
			return serve_one(guest);
		close(guest);
	}
}

/* Whoever serves may still be starting. */
static int connect_to(const char *address)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	must(inet_pton(AF_INET, address, &there.sin_addr) == 1, address);
	for (int i = 0; i < TRIES; i++) {
		int line = socket(AF_INET, SOCK_STREAM, 0);

		must(line >= 0, "socket");
		if (connect(line, (struct sockaddr *)&there, sizeof(there)) == 0) {
			no_delay(line);
			return line;
		}
		close(line);
		usleep(TRY_US);
	}
	must(0, address);
	return -1;
}

static void ask(int line, char mode, uint64_t bytes)
{
	struct wish wish = { .mode = mode, .bytes = bytes };

	must(write(line, &wish, sizeof(wish)) == sizeof(wish), "write");
}

static void stream(int line, const char *name, char mode, uint64_t mib, int rounds)
{
	for (int round = -1; round < rounds; round++) {
		uint64_t bytes = mib * MIB, began = __rdtsc(), took;

		ask(line, mode, bytes);
		if (mode == 's') {
			put(line, bytes);
			get(line, 1);
		} else {
			get(line, bytes);
		}
		took = __rdtsc() - began;
		if (round < 0)
			continue;
		printf("BENCH %s %.2f MiB/s\n", name, (double)mib * 1e9 / (double)took);
		printf("BENCH %s.per_byte %.3f instructions\n", name, (double)took / (double)bytes);
	}
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void echo(int line, const char *name, uint64_t count, int rounds, bool tells_stalls)
{
	uint64_t n = count * (uint64_t)rounds, *took = calloc(n, sizeof(*took));

	must(took != NULL, "memory");
	ask(line, 'e', count + n);
	for (uint64_t i = 0; i < count + n; i++) {
		uint64_t began = __rdtsc(), spent;

		put(line, 1);
		get(line, 1);
		spent = __rdtsc() - began;
		if (i >= count)
			took[i - count] = spent;
		if (tells_stalls && spent > STALL)
			printf("STALL %lu\n", spent);
	}
	qsort(took, n, sizeof(*took), by_size);
	printf("SPREAD %s instructions %lu %lu %lu %lu\n", name, n, took[n / 2], took[n * 99 / 100], took[n - 1]);
}

int main(int count, char **words)
{
	int line, rounds;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (count == 2 && !strcmp(words[1], "serve"))
		return serve();
	if (count != 6 || atol(words[4]) < 1 || (rounds = atoi(words[5])) < 1) {
		fprintf(stderr, "usage: netload serve, or: netload ADDRESS NAME send|receive|echo|stalls MIB|COUNT ROUNDS\n");
		return 2;
	}
	line = connect_to(words[1]);
	if (!strcmp(words[3], "echo") || !strcmp(words[3], "stalls"))
		echo(line, words[2], (uint64_t)atol(words[4]), rounds, words[3][1] == 't');
	else
		stream(line, words[2], words[3][0], (uint64_t)atol(words[4]), rounds);
	return 0;
}
