/* SPDX-License-Identifier: MIT */
/* fill: takes memory until somebody stops it. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(void)
{
	const size_t step = 4 << 20;

	for (;;) {
		char *piece = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (piece == MAP_FAILED)
			return perror("fill: mmap"), 1;
		memset(piece, 0xa5, step);
	}
}
