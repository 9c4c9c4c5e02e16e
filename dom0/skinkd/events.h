/* SPDX-License-Identifier: MIT */
/* What happened, newest last: in memory, in LOG_DIR/events.log (JSON lines, capped), and told to those who follow. */
#pragma once

#include <jansson.h>

#include "lib/core.h"

struct request;

/* A file that would grow beyond this is set aside once (.1); what was set aside before is gone. */
#define EVENTS_FILE_MAX	(1024 * 1024)

void events_open(void);

/* domain NULL: of the host. The text is one line. */
void event(const char *kind, const char *domain, int id, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The last `count`; the caller owns it. */
json_t *events_last(size_t count);

/* How many of each kind since skinkd was started; the caller owns it. */
json_t *events_counts(void);

/* Appends to LOG_DIR/NAME; a file that has grown too large is first set aside as NAME.1. */
void log_append(const char *name, const char *text, size_t bytes);
