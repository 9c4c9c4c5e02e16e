/* SPDX-License-Identifier: MIT */
#include "skinkd/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skinkd/host.h"

#define TAIL_BYTES	(256 * 1024)

static bool parse_number(const char **at, uint32_t *number)
{
	char *end;
	unsigned long value;

	if (!isdigit((unsigned char)**at))
		return false;
	value = strtoul(*at, &end, 10);
	*at = end;
	*number = (uint32_t)value;
	return value < 64;
}

bool cpus_parse(const char *text, uint64_t *cpus)
{
	uint32_t first, last;

	*cpus = UINT64_MAX;
	if (!strcmp(text, "all"))
		return true;
	for (*cpus = 0;; text++) {
		if (!parse_number(&text, &first))
			return false;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &last) || last < first)
				return false;
		}
		for (uint32_t i = first; i <= last; i++)
			*cpus |= 1UL << i;
		if (*text != ',')
			return !*text;
	}
}

void cpus_print(uint64_t cpus, uint32_t cpu_count, char text[CPUS_TEXT])
{
	uint64_t all = cpu_count >= 64 ? UINT64_MAX : (1UL << cpu_count) - 1;
	size_t at = 0;

	strcpy(text, (cpus & all) == all ? "all" : "");
	for (uint32_t i = 0; i < 64 && !(at == 0 && *text); i++) {
		uint32_t first = i;

		if (!(cpus >> i & 1))
			continue;
		while (i < 63 && cpus >> (i + 1) & 1)
			i++;
		at += (size_t)snprintf(text + at, CPUS_TEXT - at, i > first ? "%s%u-%u" : "%s%u", at ? "," : "", first, i);
	}
}

bool text_is_plain(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* How many bytes the character at `at` has; 0: it is none. */
static size_t character_bytes(const unsigned char *at)
{
	size_t bytes = *at < 0x80 ? 1 : *at >= 0xc2 && *at < 0xe0 ? 2 : *at >= 0xe0 && *at < 0xf0 ? 3 : *at >= 0xf0 && *at < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Too long, a surrogate, or beyond the last. */
	if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) || (*at == 0xf0 && at[1] < 0x90) ||
	    (*at == 0xf4 && at[1] > 0x8f))
		return 0;
	return bytes;
}

void text_make_utf8(char *text)
{
	while (*text) {
		size_t bytes = character_bytes((const unsigned char *)text);

		if (!bytes)
			*text = '?';
		text += bytes ? bytes : 1;
	}
}

/* Where the last `lines` lines of text begin. */
static char *last_lines(char *text, size_t bytes, size_t lines)
{
	char *at = text + bytes;

	if (at > text && at[-1] == '\n')
		at--;
	for (; at > text; at--)
		if (at[-1] == '\n' && --lines == 0)
			break;
	return at;
}

char *text_tail(char *text, size_t bytes, size_t lines)
{
	if (!bytes || !lines)
		return NULL;
	text[bytes] = 0;
	for (size_t i = 0; i < bytes; i++)
		if (!text[i])
			text[i] = '?';
	text_make_utf8(text);
	return need_memory(strdup(last_lines(text, bytes, lines)));
}

void console_path(char path[CONSOLE_PATH], const char *domain)
{
	snprintf(path, CONSOLE_PATH, "%s/guest-%s.log", host.conf.console_dir, domain);
}

size_t console_end(const char *domain, char *text, size_t room)
{
	char path[CONSOLE_PATH];
	ssize_t got = -1;
	off_t size;
	int file;

	console_path(path, domain);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	size = lseek(file, 0, SEEK_END);
	if (size >= 0)
		got = pread(file, text, room, size > (off_t)room ? size - (off_t)room : 0);
	close(file);
	return got > 0 ? (size_t)got : 0;
}

char *console_tail(const char *domain, size_t lines, char **file)
{
	char path[CONSOLE_PATH], *text = need_memory(malloc(TAIL_BYTES + 1)), *tail;

	console_path(path, domain);
	if (file)
		*file = need_memory(strdup(path));
	tail = text_tail(text, console_end(domain, text, TAIL_BYTES), lines);
	free(text);
	return tail;
}
