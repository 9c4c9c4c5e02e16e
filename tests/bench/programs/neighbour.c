/* SPDX-License-Identifier: MIT */
/*
 * neighbour KIND: misbehaves, for ever, in one of these ways:
 *
 * fork     PARENTS processes that make children without end, which end at once
 * memory   writes to all of an area of HOG_MIB, gives it back, and takes it again
 * network  the smallest datagrams, to all on its network, as fast as they go
 * store    writes the same node of the Xen store again and again
 * events   sends to one event channel again and again. It prints "PORT number", to be bound by "neighbour drain DOMAIN PORT" in Domain-0,
 *          which takes the events. It begins when that has sent it one.
 *
 * (A disk's is blkload.)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint16_t domid_t;	/* which the next header leaves to its users */
#include <xen/evtchn.h>

#include "ticks.h"

enum { PARENTS = 64, HOG_MIB = 128, STORE_WRITE = 11 };
#define EVERYBODY "10.0.0.255"
#define NODE "data/flood\0value"

static void make_children(void)
{
	for (int i = 1; i < PARENTS; i++)
		if (fork() == 0)
			break;
	for (;;) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

static void hog_memory(void)
{
	for (;;) {
		char *area = pages((size_t)HOG_MIB * MIB);

		for (size_t i = 0; i < (size_t)HOG_MIB * MIB; i += PAGE)
			area[i] = 1;
		must(munmap(area, (size_t)HOG_MIB * MIB) == 0, "munmap");
	}
}

static void flood_network(void)
{
	struct sockaddr_in all = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr(EVERYBODY) };
	int one = 1, file = socket(AF_INET, SOCK_DGRAM, 0);

	must(file >= 0 && setsockopt(file, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)) == 0, "socket");
	for (;;)
		sendto(file, "x", 1, 0, (struct sockaddr *)&all, sizeof(all));
}

static void flood_store(void)
{
	struct {
		uint32_t type, request, transaction, length;
		char text[sizeof(NODE) - 1];
	} message = { STORE_WRITE, 0, 0, sizeof(NODE) - 1, NODE };
	char answer[4096];
	int file = open("/dev/xen/xenbus", O_RDWR);

	must(file >= 0, "/dev/xen/xenbus");
	for (;;) {
		must(write(file, &message, sizeof(message)) == sizeof(message), "store");
		must(read(file, answer, sizeof(answer)) > 0, "store");
	}
}

static int event_file(void)
{
	int file = open("/dev/xen/evtchn", O_RDWR);

	must(file >= 0, "/dev/xen/evtchn");
	return file;
}

static void take_event(int file)
{
	uint32_t port;

	must(read(file, &port, sizeof(port)) == sizeof(port), "events");
	must(write(file, &port, sizeof(port)) == sizeof(port), "events");
}

static void storm(void)
{
	struct ioctl_evtchn_bind_unbound_port offer = { .remote_domain = 0 };
	int file = event_file(), port = ioctl(file, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &offer);
	struct ioctl_evtchn_notify notify = { .port = (unsigned int)port };

	must(port > 0, "event channel");
	printf("PORT %d\n", port);
	fflush(stdout);
	take_event(file);
	for (;;)
		must(ioctl(file, IOCTL_EVTCHN_NOTIFY, &notify) == 0, "events");
}

static void drain(const char *domain, const char *remote_port)
{
	struct ioctl_evtchn_bind_interdomain bind = { (unsigned int)atoi(domain), (unsigned int)atoi(remote_port) };
	int file = event_file(), port = ioctl(file, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
	struct ioctl_evtchn_notify notify = { .port = (unsigned int)port };

	must(port > 0 && ioctl(file, IOCTL_EVTCHN_NOTIFY, &notify) == 0, "event channel");
	for (;;)
		take_event(file);
}

int main(int count, char **words)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} kinds[] = { { "fork", make_children }, { "memory", hog_memory }, { "network", flood_network }, { "store", flood_store },
		      { "events", storm } };

	if (count == 4 && !strcmp(words[1], "drain"))
		drain(words[2], words[3]);
	for (size_t i = 0; count == 2 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(words[1], kinds[i].name))
			kinds[i].run();
	fprintf(stderr, "usage: neighbour fork|memory|network|store|events, or: neighbour drain DOMAIN PORT\n");
	return 2;
}
