/* SPDX-License-Identifier: MIT */
/*
 * disk DEVICE JOBS REQUESTS: writes, reads and flushes of 1 to 256 sectors at random places, 16 at once from each job, each of which has 4 MiB of the
 * disk for itself and knows what every sector of it must hold. Prints "disk: right", or what is not.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR		512
#define DEPTH		16
#define SECTORS		8192		/* of one job */
#define SECTORS_MAX	256		/* of one request */

struct request {
	struct iocb iocb;
	uint32_t first, count, version;
	bool is_write;
	uint8_t *data;
};

static int disk;
static uint64_t base, seed;		/* this job's first sector */
static uint32_t version[SECTORS];	/* what each holds: that of the write that was answered last */
static uint8_t busy[SECTORS];		/* a request is about it */
static struct request request[DEPTH];

static uint32_t below(uint32_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % limit;
}

static void fill(uint8_t *at, uint64_t sector, uint32_t which)
{
	uint64_t word = (sector << 24 ^ which) * 0x9e3779b97f4a7c15u;

	for (unsigned int i = 0; i < SECTOR / 8; i++)
		((uint64_t *)at)[i] = which ? word + i : 0;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void begin(aio_context_t context, struct request *one)
{
	struct iocb *iocb = &one->iocb;
	static uint32_t versions;

	one->is_write = below(2);
	one->version = ++versions;
	memset(&busy[one->first], 1, one->count);
	for (uint32_t i = 0; i < one->count; i++)
		fill(one->data + i * SECTOR, base + one->first + i, one->is_write ? one->version : UINT32_MAX);
	*iocb = (struct iocb){ .aio_fildes = (uint32_t)disk, .aio_buf = (uint64_t)one->data, .aio_nbytes = one->count * SECTOR,
			       .aio_offset = (int64_t)(base + one->first) * SECTOR, .aio_data = (uint64_t)one,
			       .aio_lio_opcode = one->is_write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD };
	if (syscall(SYS_io_submit, context, 1, &iocb) != 1)
		die("io_submit");
	if (below(50) == 0 && fdatasync(disk))
		die("fdatasync");
}

/* False: what it would be about is under way. */
static bool choose(struct request *one)
{
	one->count = 1 + below(below(3) ? 16 : SECTORS_MAX);
	one->first = below(SECTORS - one->count + 1);
	return !memchr(&busy[one->first], 1, one->count);
}

static void end(struct request *one)
{
	uint8_t wanted[SECTOR];

	for (uint32_t i = 0; i < one->count; i++) {
		uint32_t sector = one->first + i;

		if (one->is_write)
			version[sector] = one->version;
		fill(wanted, base + sector, version[sector]);
		if (!one->is_write && memcmp(wanted, one->data + i * SECTOR, SECTOR)) {
			printf("disk: sector %lu does not hold version %u\n", base + sector, version[sector]);
			exit(1);
		}
	}
	memset(&busy[one->first], 0, one->count);
	one->count = 0;
}

static void wipe(void)
{
	uint8_t *zeros = aligned_alloc(4096, SECTORS * SECTOR);

	memset(zeros, 0, SECTORS * SECTOR);
	if (pwrite(disk, zeros, SECTORS * SECTOR, (int64_t)base * SECTOR) != SECTORS * SECTOR)
		die("pwrite");
	free(zeros);
}

static void job(uint32_t requests)
{
	struct io_event event[DEPTH];
	aio_context_t context = 0;
	uint32_t begun = 0, ended = 0;

	if (syscall(SYS_io_setup, DEPTH, &context))
		die("io_setup");
	for (unsigned int i = 0; i < DEPTH; i++)
		request[i].data = aligned_alloc(4096, SECTORS_MAX * SECTOR);
	wipe();
	while (ended < requests) {
		for (unsigned int i = 0; i < DEPTH && begun < requests; i++)
			if (!request[i].count) {
				if (choose(&request[i])) {
					begin(context, &request[i]);
					begun++;
				} else {
					request[i].count = 0;
				}
			}
		for (long got = begun == ended ? 0 : syscall(SYS_io_getevents, context, 1, DEPTH, event, NULL); got > 0; got--) {
			struct request *one = (struct request *)event[got - 1].data;

			if (event[got - 1].res != one->count * SECTOR) {
				printf("disk: %ld for %u sectors at %lu\n", (long)event[got - 1].res, one->count, base + one->first);
				exit(1);
			}
			end(one);
			ended++;
		}
	}
}

int main(int count, char **arguments)
{
	unsigned int jobs = count == 4 ? (unsigned int)atoi(arguments[2]) : 0;
	uint64_t bytes;
	int wrong = 0, status;

	if (!jobs)
		return 2;
	disk = open(arguments[1], O_RDWR | O_DIRECT);
	if (disk < 0 || ioctl(disk, BLKGETSIZE64, &bytes))
		die(arguments[1]);
	for (unsigned int i = 0; i < jobs; i++) {
		cpu_set_t cpus;

		base = bytes / SECTOR / jobs * i / 8 * 8;
		seed = 88172645463325252u + i;
		if (fork())
			continue;
		CPU_ZERO(&cpus);
		CPU_SET((int)i % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
		job((uint32_t)atoi(arguments[3]));
		return 0;
	}
	while (wait(&status) > 0)
		wrong |= status;
	puts(wrong ? "disk: wrong" : "disk: right");
	return wrong != 0;
}
