/* SPDX-License-Identifier: MIT */
/* forks COUNT: as many children, one after another, each with memory of its own and its own exit status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char memory[16 * 4096];

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;

	for (int i = 0; i < count; i++) {
		int status;
		pid_t child = fork();

		if (child < 0)
			return perror("fork"), 1;
		if (child == 0) {
			memset(memory, i, sizeof(memory));
			_exit(memory[i % sizeof(memory)] & 0x7f);
		}
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != (i & 0x7f))
			return printf("forks: child %d ended with status %#x\n", i, status), 1;
		if (memory[i % sizeof(memory)] != 0)
			return printf("forks: child %d wrote into its parent's memory\n", i), 1;
	}
	printf("forks: %d ok\n", count);
	return 0;
}
