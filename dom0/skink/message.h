/* SPDX-License-Identifier: MIT */
/*
 * What skink says to a person: errors, notes, the progress line, colour.
 * M1  Errors and notes go to stderr, facts to stdout.
 * M2  Colour and the progress line appear on a terminal only.
 * M3  What others wrote (names, guests' lines) reaches a terminal without control characters.
 * M4  An error or a note finds the terminal as it was found (tty.h).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum colour { PLAIN, BOLD, RED, GREEN, YELLOW, FAINT };

/* "skink: what: remedy", one line. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line on stderr that is no error. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The sequence that begins a colour on that file, or "" where there is to be none. PLAIN ends it. */
const char *colour(FILE *file, enum colour);

/* Text of others, whole lines or parts of them (M3). */
void print_text(FILE *file, const char *text);
/* The same with a length: there may be zero bytes in it. A zero byte follows. */
void print_text_of(FILE *file, const char *text, size_t length);

/* A fact as JSON on stdout, for people and in one line; on a terminal all but plain ASCII is escaped (M3). */
void print_json(const json_t *fact);
void print_json_line(const json_t *fact);

/* Shows what is being done, in place; called as often as one likes. The text is copied. */
void progress_show(const char *text);
void progress_erase(void);

/* False when something that was printed did not get out: a full disk, a closed pipe. Says so. */
bool output_flush(void);
