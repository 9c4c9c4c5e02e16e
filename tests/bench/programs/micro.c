/* SPDX-License-Identifier: MIT */
/* micro: what an operating system does all day: its own calls and traps. Between processes: traffic.c, which it becomes when it is done. */
#define _GNU_SOURCE
#include "ticks.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *self;
static char command[256];

static void null_syscall(int count)
{
	while (count--)
		syscall(SYS_getppid);
}

static void clock_read(int count)
{
	struct timespec now;

	while (count--)
		clock_gettime(CLOCK_MONOTONIC, &now);
}

enum exec { NOTHING, BY_ITSELF, BY_SHELL };

static void child_lives(enum exec exec)
{
	int status;
	pid_t child = fork();

	must(child >= 0, "fork");
	if (child == 0 && exec == BY_ITSELF)
		execl(self, self, "exit", NULL);
	if (child == 0 && exec == BY_SHELL)
		execl("/bin/sh", "sh", "-c", command, NULL);
	if (child == 0)
		_exit(0);
	must(waitpid(child, &status, 0) == child && status == 0, "waitpid");
}

static void fork_exit(int count)
{
	while (count--)
		child_lives(NOTHING);
}

static void fork_exec(int count)
{
	while (count--)
		child_lives(BY_ITSELF);
}

static void sh_exec(int count)
{
	while (count--)
		child_lives(BY_SHELL);
}

/* One byte there and back: two hops. */
static void pipe_hop(int count)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;

	must(!pipe(there) && !pipe(back), "pipe");
	child = fork();
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			must(write(back[1], &byte, 1) == 1, "write");
		_exit(0);
	}
	for (int i = 0; i < count; i += 2) {
		must(write(there[1], &byte, 1) == 1, "write");
		must(read(back[0], &byte, 1) == 1, "read");
	}
	close(there[0]), close(there[1]), close(back[0]), close(back[1]);
	waitpid(child, NULL, 0);
}

static void page_fault(int count)
{
	char *area = pages((size_t)count * PAGE);

	madvise(area, (size_t)count * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < count; i++)
		area[(size_t)i * PAGE] = 1;
	munmap(area, (size_t)count * PAGE);
}

static void mmap_populated(int count)
{
	while (count--) {
		void *area = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		must(area != MAP_FAILED, "mmap");
		munmap(area, MIB);
	}
}

static void mprotect_page(int count)
{
	char *area = pages(PAGE);

	area[0] = 1;
	for (int i = 0; i < count; i++)
		mprotect(area, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
	munmap(area, PAGE);
}

static void nothing(int number)
{
	(void)number;
}

static void signal_self(int count)
{
	signal(SIGUSR1, nothing);
	while (count--)
		syscall(SYS_kill, getpid(), SIGUSR1);
}

static volatile char *guarded;

static void unprotect(int number)
{
	(void)number;
	mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
}

static void protection_fault(int count)
{
	guarded = pages(PAGE);
	signal(SIGSEGV, unprotect);
	while (count--) {
		mprotect((void *)guarded, PAGE, PROT_READ);
		guarded[0] = 1;
	}
	munmap((void *)guarded, PAGE);
}

static void yield_to_other(int count)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			sched_yield();
	while (count--)
		sched_yield();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* The control plane's way to a hypercall: sched_op is refused to it, so xen_version (17), command 0. */
static void null_hypercall(int count)
{
	struct { uint64_t op, arg[5]; } call = { 17, { 0 } };
	int privcmd = open("/dev/xen/privcmd", O_RDWR);

	if (privcmd < 0)
		return;
	while (count--)
		must(ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof(call)), &call) > 0, "privcmd");
	close(privcmd);
}

static const struct bench benches[] = {
	{ "null_syscall", null_syscall, 20000 },
	{ "clock_gettime", clock_read, 20000 },
	{ "fork_exit", fork_exit, 50 },
	{ "fork_exec", fork_exec, 50 },
	{ "sh", sh_exec, 20 },
	{ "pipe_hop", pipe_hop, 2000 },
	{ "sched_yield", yield_to_other, 2000 },
	{ "page_fault", page_fault, 2000 },
	{ "mmap_1mib", mmap_populated, 20 },
	{ "mprotect", mprotect_page, 2000 },
	{ "signal", signal_self, 2000 },
	{ "protection_fault", protection_fault, 1000 },
	{ "hypercall_ioctl", null_hypercall, 5000 },
};

int main(int argc, char **argv)
{
	self = argv[0][0] == '/' ? argv[0] : "/bin/micro";
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 0;
	snprintf(command, sizeof(command), "%s exit", self);
	for (unsigned int i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		if (benches[i].run != null_hypercall || !access("/dev/xen/privcmd", R_OK))
			measure(&benches[i]);
	/* The rest is another program beside this one. */
	must(!fflush(stdout) && execl("/bin/traffic", "/bin/traffic", NULL) == 0, "/bin/traffic");
	return 1;
}
