/* SPDX-License-Identifier: MIT */
/* Small things about text: sets of CPUs, the end of a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skinkd/conf.h"

/* "0-3,5" or "all"; bits in *cpus. False: it is neither, or names a CPU beyond 63. */
bool cpus_parse(const char *text, uint64_t *cpus);

#define CPUS_TEXT	256
/* "all" if every one of the machine's is in it. */
void cpus_print(uint64_t cpus, uint32_t cpu_count, char text[CPUS_TEXT]);

/* Printable ASCII, not empty: what a name out of the store must be. */
bool text_is_plain(const char *text);

/* Makes UTF-8 of what may be anything, in place: what is not stands as '?'. */
void text_make_utf8(char *text);

/* The last lines of what may be anything, which is changed; there is room for one byte more. NULL: nothing. The caller frees it. */
char *text_tail(char *text, size_t bytes, size_t lines);

#define CONSOLE_PATH	(CONF_TEXT + 300)
/* Where xenconsoled logs what a domain's console says. */
void console_path(char path[CONSOLE_PATH], const char *domain);

/* The last bytes of it, at most `room`: how many there are. */
size_t console_end(const char *domain, char *text, size_t room);

/* The last lines of it; NULL: nothing is there. The caller frees both (file may be NULL). */
char *console_tail(const char *domain, size_t lines, char **file);
