/* SPDX-License-Identifier: MIT */
/* Numbers with units. */
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	double factor;
};

static const struct unit size_units[] = {
	{"", 0x1p20},	 {"b", 1},	  {"bytes", 1},	   {"k", 0x1p10},   {"kb", 0x1p10},
	{"kib", 0x1p10}, {"m", 0x1p20},	  {"mb", 0x1p20},  {"mib", 0x1p20}, {"g", 0x1p30},
	{"gb", 0x1p30},	 {"gib", 0x1p30}, {"t", 0x1p40},   {"tb", 0x1p40},  {"tib", 0x1p40},
	{NULL, 0},
};

static const struct unit duration_units[] = {
	{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"min", 60}, {"h", 3600}, {NULL, 0},
};

/* Digits, perhaps a fraction, then a unit: neither a sign nor hex, "inf" or "nan", which strtod() would take. */
static bool parse_with_unit(const char *text, const struct unit *units, double *result)
{
	size_t digits = strspn(text, "0123456789.");
	char *end;
	double number;

	if (digits == 0 || digits > 20)
		return false;
	number = strtod(text, &end);
	if (end != text + digits)
		return false;
	while (*end == ' ')
		end++;
	for (; units->name; units++) {
		if (strcasecmp(end, units->name) == 0) {
			*result = number * units->factor;
			return true;
		}
	}
	return false;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	double result;

	if (!parse_with_unit(text, size_units, &result) || result < 1 || result > 0x1p60)
		return false;
	*bytes = (uint64_t)result;
	return true;
}

bool parse_duration(const char *text, double *seconds)
{
	return parse_with_unit(text, duration_units, seconds) && *seconds <= 1e9;
}

bool parse_count(const char *text, uint64_t lowest, uint64_t highest, uint64_t *count)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18 || text[digits])
		return false;
	*count = strtoull(text, NULL, 10);
	return *count >= lowest && *count <= highest;
}

const char *format_size(char buffer[UNITS_TEXT], uint64_t bytes)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double shown = (double)bytes;
	unsigned int unit = 0;

	/* 8192 MiB is easier to compare than 8 GiB is; but nobody wants to read 100000 MiB. */
	while (unit < 4 && (shown >= 10000 || (unit < 2 && shown >= 1024))) {
		shown /= 1024;
		unit++;
	}
	if (shown == (double)(uint64_t)shown || shown >= 1000)
		snprintf(buffer, UNITS_TEXT, "%.0f %s", shown, names[unit]);
	else
		snprintf(buffer, UNITS_TEXT, "%.1f %s", shown, names[unit]);
	return buffer;
}

const char *format_duration(char buffer[UNITS_TEXT], double seconds)
{
	unsigned long whole = seconds > 0 ? (unsigned long)seconds : 0;

	if (whole < 60)
		snprintf(buffer, UNITS_TEXT, "%.1fs", seconds > 0 ? seconds : 0);
	else if (whole < 3600)
		snprintf(buffer, UNITS_TEXT, "%lum%02lus", whole / 60, whole % 60);
	else if (whole < 86400)
		snprintf(buffer, UNITS_TEXT, "%luh%02lum", whole / 3600, whole / 60 % 60);
	else
		snprintf(buffer, UNITS_TEXT, "%lud%02luh", whole / 86400, whole / 3600 % 24);
	return buffer;
}

const char *format_count(char buffer[UNITS_TEXT], double count)
{
	static const char *const names[] = {"", "k", "M", "G", "T"};
	unsigned int unit = 0;

	while (unit < 4 && count >= 9999.5) {
		count /= 1000;
		unit++;
	}
	snprintf(buffer, UNITS_TEXT, unit && count < 100 ? "%.1f%s" : "%.0f%s", count, names[unit]);
	return buffer;
}
