/* SPDX-License-Identifier: MIT */
/* traffic: switches between processes, and what goes from one to another. */
#define _GNU_SOURCE
#include "ticks.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 16, STEPS = 800, CHUNK = 65536 };

/* ---- a token goes round among processes, each of which reads all of its own memory when it has it ---- */

static void take_and_give(int in, int out, const volatile uint64_t *area, size_t size)
{
	char token;

	if (read(in, &token, 1) != 1)
		_exit(0);
	for (size_t i = 0; i < size / sizeof(*area); i++)
		(void)area[i];
	must(write(out, &token, 1) == 1, "write");
}

static uint64_t *own_memory(size_t size)
{
	return size ? memset(pages(size), 1, size) : NULL;
}

/* Each reads from its pipe and writes to the next one's; nobody keeps an end that is not its own, so that the first to go ends all. */
static void member(int pipes[][2], int count, int mine, size_t size)
{
	int in = pipes[mine][0], out = pipes[(mine + 1) % count][1];
	uint64_t *area = own_memory(size);

	for (int i = 0; i < count; i++) {
		if (pipes[i][0] != in)
			close(pipes[i][0]);
		if (pipes[i][1] != out)
			close(pipes[i][1]);
	}
	for (;;)
		take_and_give(in, out, area, size);
}

/* Ticks for each step; with one process it is what there is beside the switch. */
static uint64_t ring_step(int processes, size_t size, int steps)
{
	int pipes[PROCESSES_MAX][2];
	uint64_t *area = own_memory(size);

	for (int i = 0; i < processes; i++)
		must(!pipe(pipes[i]), "pipe");
	for (int i = 1; i < processes; i++)
		if (fork() == 0)
			member(pipes, processes, i, size);
	must(write(pipes[0][1], "", 1) == 1, "write");
	for (int i = 0; i <= steps / processes; i++) {
		if (i == 1)
			begin();
		take_and_give(pipes[0][0], pipes[1 % processes][1], area, size);
	}
	end();
	for (int i = 0; i < processes; i++)
		close(pipes[i][0]), close(pipes[i][1]);
	while (wait(NULL) > 0)
		;
	if (size)
		munmap(area, size);
	return (ended - begun) / (uint64_t)(steps / processes * processes);
}

static uint64_t best_step(int processes, int kib)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t step = ring_step(processes, (size_t)kib * 1024, STEPS);

		best = step < best ? step : best;
	}
	return best;
}

static void context_switches(void)
{
	static const struct { int processes, kib; } sizes[] = { { 2, 0 }, { 2, 16 }, { 2, 64 }, { 8, 16 }, { 8, 64 }, { 16, 16 }, { 16, 64 } };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t alone = best_step(1, sizes[i].kib), step = best_step(sizes[i].processes, sizes[i].kib);

		printf("BENCH switch_%dp_%dk %llu\n", sizes[i].processes, sizes[i].kib, (unsigned long long)(step > alone ? step - alone : 0));
	}
}

/* ---- sockets and pipes: a byte there and back is two hops, and a MiB that another process writes ---- */

/* A child with the other end. */
static pid_t echo(int in, int out)
{
	pid_t child = fork();
	char byte;

	if (child)
		return child;
	while (read(in, &byte, 1) == 1)
		must(write(out, &byte, 1) == 1, "write");
	_exit(0);
}

static void hops(int near, int far, int count)
{
	pid_t child = echo(far, far);
	char byte = 0;

	for (int i = 0; i <= count; i += 2) {
		/* The first is not counted. */
		if (i == 2)
			begin();
		must(write(near, &byte, 1) == 1, "write");
		must(read(near, &byte, 1) == 1, "read");
	}
	end();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(near), close(far);
}

static void stream(int in, int out, int count)
{
	static char chunk[CHUNK];
	size_t left = (size_t)count * MIB;
	pid_t child;

	begin();
	child = fork();
	if (child == 0) {
		for (size_t done = 0; done < left; done += CHUNK)
			for (ssize_t part = 0, now; part < CHUNK; part += now) {
				now = write(out, chunk + part, (size_t)(CHUNK - part));
				must(now > 0, "write");
			}
		_exit(0);
	}
	while (left) {
		ssize_t now = read(in, chunk, CHUNK);

		must(now > 0, "read");
		left -= (size_t)now;
	}
	end();
	waitpid(child, NULL, 0);
	close(in), close(out);
}

static void unix_pair(int pair[2])
{
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
}

static void tcp_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	must(listener >= 0 && !ioctl(listener, SIOCSIFFLAGS, &loopback), "lo");
	must(!bind(listener, (struct sockaddr *)&address, size) && !listen(listener, 1), "bind");
	must(!getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	must(pair[0] >= 0 && !connect(pair[0], (struct sockaddr *)&address, size), "connect");
	pair[1] = accept(listener, NULL, NULL);
	must(pair[1] >= 0, "accept");
	close(listener);
}

static void unix_hop(int count)
{
	int pair[2];

	unix_pair(pair);
	hops(pair[0], pair[1], count);
}

static void tcp_hop(int count)
{
	int pair[2];

	tcp_pair(pair);
	hops(pair[0], pair[1], count);
}

static void pipe_stream(int count)
{
	int pair[2];

	must(!pipe(pair), "pipe");
	stream(pair[0], pair[1], count);
}

static void unix_stream(int count)
{
	int pair[2];

	unix_pair(pair);
	stream(pair[0], pair[1], count);
}

static void tcp_stream(int count)
{
	int pair[2];

	tcp_pair(pair);
	stream(pair[0], pair[1], count);
}

static const struct bench benches[] = {
	{ "socket_unix_hop", unix_hop, 2000 },
	{ "socket_tcp_hop", tcp_hop, 2000 },
	{ "pipe_1mib", pipe_stream, 16 },
	{ "socket_unix_1mib", unix_stream, 16 },
	{ "socket_tcp_1mib", tcp_stream, 16 },
};

int main(void)
{
	context_switches();
	for (unsigned int i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		measure(&benches[i]);
	return 0;
}
