/* SPDX-License-Identifier: MIT */
/*
 * verify ROOT FILE KIB PAUSE-MS	fio, as Debian has it under ROOT: it writes a file with O_DIRECT, several requests at a time, makes it durable now and then, and
 *					verifies each block of it (crc32c), over and over, with a pause after each few
 *
 * Prints what fio counts, once a second, as load.c does:
 *
 *	load fio t=8123 write=4096 read=8192 bad=0 error=0
 *
 * bad    blocks that fio says are not what it wrote
 * error  requests of which it was told that they failed; and each time that it ended: then it begins again
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REST_S		1		/* before it begins again */
#define TOLD_MOST	20		/* complaints that are passed on, of each fio */

/* Of fio's terse lines, version 3: what was read and written, in KiB, since it began. */
enum { TERSE_READ = 5, TERSE_WRITTEN = 46 };

static uint64_t before_read, before_written, now_read, now_written, bad, errors;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t field(const char *line, int number)
{
	for (; line && number; number--) {
		line = strchr(line, ';');
		line = line ? line + 1 : NULL;
	}
	return line ? strtoull(line, NULL, 10) : 0;
}

static void count(void)
{
	printf("load fio t=%lu write=%lu read=%lu bad=%lu error=%lu\n", now_ms(), (before_written + now_written) * 1024,
	       (before_read + now_read) * 1024, bad, errors);
}

/* What it complains of: a block ("crc32c: verify failed at file ...", "verify: bad magic header ... at file ..."), or a request. */
static void take(const char *line, unsigned int *told)
{
	bool is_block = strstr(line, "verify") && strstr(line, " at file "), is_request = strstr(line, "io_u error on file ") || strstr(line, "fsync error");

	if (!strncmp(line, "3;fio-", 6)) {
		now_read = field(line, TERSE_READ);
		now_written = field(line, TERSE_WRITTEN);
		count();
		return;
	}
	bad += is_block;
	errors += is_request;
	if ((is_block || is_request) && (*told)++ < TOLD_MOST)
		printf("load: fio: %s\n", line);
}

static _Noreturn void become_fio(char **arguments, int output)
{
	char file[256], size[64], pause[64];

	snprintf(file, sizeof(file), "--filename=%s", arguments[1]);
	snprintf(size, sizeof(size), "--size=%sk", arguments[2]);
	snprintf(pause, sizeof(pause), "--thinktime=%s000", arguments[3]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (!chroot(arguments[0]) && !chdir("/"))
		execl("/usr/bin/fio", "fio", "--name=campaign", file, size, pause, "--thinktime_blocks=4", "--rw=randrw", "--bsrange=4k-32k", "--ioengine=libaio", "--direct=1", "--iodepth=8",
		      "--fsync=16", "--verify=crc32c", "--do_verify=1", "--continue_on_error=verify", "--loops=100000000", "--thread", "--status-interval=1",
		      "--output-format=terse", "--terse-version=3", (char *)NULL);
	perror("load: fio");
	_exit(127);
}

/* Until it has ended; its exit status. */
static int run_fio(char **arguments)
{
	int ends[2], status = -1;
	unsigned int told = 0;
	char line[8192];
	FILE *from;
	pid_t child;

	if (pipe(ends))
		return -1;
	child = fork();
	if (!child)
		become_fio(arguments, ends[1]);
	close(ends[1]);
	from = fdopen(ends[0], "r");
	while (from && fgets(line, sizeof(line), from)) {
		line[strcspn(line, "\n")] = 0;
		take(line, &told);
	}
	if (from)
		fclose(from);
	waitpid(child, &status, 0);
	return status;
}

int main(int arguments, char **argument)
{
	setvbuf(stdout, NULL, _IOLBF, 512);
	if (arguments != 5) {
		fputs("verify ROOT FILE KIB PAUSE-MS\n", stderr);
		return 2;
	}
	for (;;) {
		int status = run_fio(argument + 1);

		errors++;
		printf("load: fio: it has ended, status %x\n", (unsigned int)status);
		before_read += now_read;
		before_written += now_written;
		now_read = now_written = 0;
		count();
		sleep(REST_S);
	}
}
