/* SPDX-License-Identifier: MIT */
/*
 * Which function of an image an address belongs to, and how it came there: for who reads of a death afterwards.
 * SY1  The file and the stack are not trusted: what is wrong in them costs a name or a line, and nothing else.
 * SY2  A line that no chain of frame pointers shows is marked as a guess.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/pvelf.h"

struct symbol {
	uint64_t address, bytes;	/* bytes 0: unknown, so up to the next one */
	const char *name;		/* in the file */
};

struct symbols {
	const uint8_t *file;		/* the caller's: it stays while this is used */
	struct pvelf image;
	struct symbol *list;		/* by address */
	size_t count;
};

/* 0; or -errno, and there is nothing to free. A file without symbols has none, and is fine. */
int symbols_read(const uint8_t *file, size_t bytes, struct symbols *symbols);
void symbols_free(struct symbols *symbols);

/*
 * "queue_serve+0x1f"; false: no function, and text is the address in hexadecimal. is_return: the call before it counts, which may be
 * the last thing in its function.
 */
bool symbols_name(const struct symbols *symbols, uint64_t address, bool is_return, char *text, size_t room);

/* Whether a call could have left this address: it stands in the image, and behind a call instruction. */
bool symbols_is_return(const struct symbols *symbols, uint64_t address);

#define BACKTRACE_MAX	48

struct backtrace_step {
	uint64_t address;
	bool is_guess;			/* SY2 */
};

/* Where a vcpu stood, and the words of its stack from rsp on, as many as there are. */
struct backtrace_from {
	uint64_t rip, rsp, rbp;
	const uint64_t *stack;
	uint32_t words;
};

/* Innermost first; how many. */
size_t backtrace_make(const struct symbols *symbols, const struct backtrace_from *from, struct backtrace_step steps[BACKTRACE_MAX]);
