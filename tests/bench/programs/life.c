/* SPDX-License-Identifier: MIT */
/*
 * life PROGRAM...: runs it, and prints the time stamp counter before and after. What it prints goes to /dev/null.
 * life --random: tells the kernel that it has enough randomness. Without RDRAND it would gather some for minutes, and libuuid, of
 * which xl has three UUIDs, waits a second for each.
 * life: in a guest, the first line of its init: what its first instruction left in the command line, and the time.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define DIGITS 16

static int fail(const char *what)
{
	perror(what);
	return 125;
}

static int run(char **program)
{
	uint64_t before = __rdtsc();
	pid_t child = fork();
	int status;

	if (child < 0)
		return fail("fork");
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
			_exit(fail("/dev/null"));
		execvp(program[0], program);
		_exit(fail(program[0]));
	}
	if (waitpid(child, &status, 0) != child)
		return fail("waitpid");
	printf("%llu %llu\n", (unsigned long long)before, (unsigned long long)__rdtsc());
	return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}

static int give_randomness(void)
{
	struct {
		struct rand_pool_info info;
		char bytes[64];
	} given = { .info = { .entropy_count = 512, .buf_size = 64 } };
	int file = open("/dev/random", O_RDWR);

	return file < 0 || ioctl(file, RNDADDENTROPY, &given) ? fail("/dev/random") : 0;
}

/* Each digit is a letter from 'a' on: life/first.S. */
static uint64_t first_instruction(void)
{
	char line[2048] = "";
	uint64_t stamp = 0;
	FILE *file;
	char *word;

	if (mount("proc", "/proc", "proc", 0, NULL) != 0)
		exit(fail("/proc"));
	file = fopen("/proc/cmdline", "r");
	if (!file || !fgets(line, sizeof(line), file))
		exit(fail("/proc/cmdline"));
	word = strstr(line, "first=");
	if (!word || strlen(word) < strlen("first=") + DIGITS)
		exit(fail("no first= in the command line"));
	word += strlen("first=");
	for (int i = 0; i < DIGITS; i++)
		stamp = stamp << 4 | (uint64_t)(word[i] - 'a');
	return stamp;
}

int main(int count, char **words)
{
	uint64_t now = __rdtsc();

	if (count > 1 && !strcmp(words[1], "--random"))
		return give_randomness();
	if (count > 1)
		return run(words + 1);
	printf("LIFE %llu %llu\n", (unsigned long long)first_instruction(), (unsigned long long)now);
	return 0;
}
