/* SPDX-License-Identifier: MIT */
/*
 * Lines that arrive in pieces.
 * L1  A line is at most LINES_MAX bytes long: whoever sends more gets no more memory.
 */
#pragma once

#include <stddef.h>

#define LINES_MAX (16UL << 20)

struct lines {
	char *buffer;
	size_t begin, searched, end, room;	/* begin <= searched <= end <= room */
};

enum lines_state { LINES_MORE, LINES_END, LINES_TOO_LONG };

/* The next whole line without its line feed, or NULL; valid until the next call of any of these. */
const char *lines_next(struct lines *lines, size_t *length);

/* Reads once, what there is. */
enum lines_state lines_fill(struct lines *lines, int fd);

void lines_free(struct lines *lines);
