/* SPDX-License-Identifier: MIT */
/* Numbers with units, read from a person and written for one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UNITS_TEXT 32	/* room for what the functions below write */

/* "512", "512M", "512MiB", "1.5G"; a bare number is MiB, as xl has it. False: not a size, or 0. */
bool parse_size(const char *text, uint64_t *bytes);

/* "30", "30s", "2m", "1h", "500ms"; a bare number is seconds. */
bool parse_duration(const char *text, double *seconds);

/* A decimal number within the bounds, and nothing else. */
bool parse_count(const char *text, uint64_t lowest, uint64_t highest, uint64_t *count);

/* "128 MiB", "1.5 GiB"; results stand in the caller's buffer, which they also return. */
const char *format_size(char buffer[UNITS_TEXT], uint64_t bytes);

/* "0.3s", "12.5s", "3m05s", "2h07m", "3d04h". */
const char *format_duration(char buffer[UNITS_TEXT], double seconds);

/* "0", "950", "12.3k", "4.5M": a rate or a count. */
const char *format_count(char buffer[UNITS_TEXT], double count);
