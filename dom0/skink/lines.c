/* SPDX-License-Identifier: MIT */
/* Lines that arrive in pieces. */
#include "lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/need.h"

#define PIECE (64UL << 10)

const char *lines_next(struct lines *lines, size_t *length)
{
	char *feed = NULL;
	const char *line;

	if (lines->searched < lines->end)
		feed = memchr(lines->buffer + lines->searched, '\n', lines->end - lines->searched);
	if (!feed) {
		lines->searched = lines->end;
		return NULL;
	}
	line = lines->buffer + lines->begin;
	*length = (size_t)(feed - line);
	lines->begin = lines->searched = (size_t)(feed - lines->buffer) + 1;
	return line;
}

static void make_room(struct lines *lines)
{
	if (lines->begin) {
		memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
		lines->searched -= lines->begin;
		lines->end -= lines->begin;
		lines->begin = 0;
	}
	if (lines->room - lines->end < PIECE) {
		lines->room = lines->room ? 2 * lines->room : 2 * PIECE;
		lines->buffer = need_resized(lines->buffer, lines->room, 1);
	}
}

enum lines_state lines_fill(struct lines *lines, int fd)
{
	ssize_t got;

	if (lines->end - lines->begin > LINES_MAX)
		return LINES_TOO_LONG;
	make_room(lines);
	got = read(fd, lines->buffer + lines->end, lines->room - lines->end);
	if (got > 0)
		lines->end += (size_t)got;
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)) ? LINES_MORE : LINES_END;
}

void lines_free(struct lines *lines)
{
	free(lines->buffer);
	*lines = (struct lines){0};
}
