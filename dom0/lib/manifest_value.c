/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "manifest_value.h"
#include "need.h"

#define SPACES	" \t\r\n"

struct unit {
	const char *name;
	uint64_t factor;
};

char *value_collapsed(const char *text)
{
	char *token = need_zeroed(strlen(text) + 1, 1);
	size_t length = 0;

	for (text += strspn(text, SPACES); *text; text += strspn(text, SPACES)) {
		size_t word = strcspn(text, SPACES);

		if (length)
			token[length++] = ' ';
		memcpy(token + length, text, word);
		length += word;
		text += word;
	}
	return token;
}

void value_show(const char *text, char shown[VALUE_SHOWN])
{
	size_t length = strlen(text), room = VALUE_SHOWN - 1;

	if (length > room)
		for (room -= strlen("…"); room > 0 && (text[room] & 0xc0) == 0x80;)
			room--;
	snprintf(shown, VALUE_SHOWN, "%.*s%s", (int)room, text, length > VALUE_SHOWN - 1 ? "…" : "");
	for (char *c = shown; *c; c++)
		if (*c == '\n' || *c == '\t' || *c == '\r')
			*c = ' ';
}

bool value_unsigned(const char *text, uint64_t *number)
{
	int base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	unsigned long long value;
	char *end;

	text += *text == '+';
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || *end)
		return false;
	*number = value;
	return true;
}

bool value_signed(const char *text, int64_t *number)
{
	long long value;
	char *end;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno || *end || end == text)
		return false;
	*number = value;
	return true;
}

/* ---- amounts ---- */

static const struct unit memory_units[] = {
	{ "b", 1 }, { "bytes", 1 },
	{ "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 }, { "TB", 1000000000000 },
	{ "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 }, { "TiB", 1ull << 40 },
	{ "k", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 }, { "T", 1ull << 40 },
	{ NULL, 0 }
};
static const struct unit size_units[] = { { "KiB", 1 }, { "MiB", 1 << 10 }, { "GiB", 1 << 20 }, { NULL, 0 } };
static const struct unit duration_units[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000 }, { "h", 3600000000 }, { NULL, 0 }
};

static uint64_t factor_of(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcmp(units->name, name) == 0)
			return units->factor;
	return 0;
}

bool value_memory(const char *number, const char *unit, uint64_t *kib)
{
	uint64_t factor = factor_of(memory_units, unit ? unit : "KiB"), count, bytes;

	if (factor == 0 || !value_unsigned(number, &count) || __builtin_mul_overflow(count, factor, &bytes))
		return false;
	*kib = bytes / 1024 + (bytes % 1024 != 0);
	return true;
}

/* Digits and a unit behind them. */
static bool amount(const char *text, const struct unit *units, uint64_t *result)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t factor = factor_of(units, text + digits), count, product;
	char *number = need_copy_of(text, digits);
	bool fits = factor && value_unsigned(number, &count) && !__builtin_mul_overflow(count, factor, &product);

	free(number);
	if (fits)
		*result = product;
	return fits;
}

bool value_size(const char *text, uint64_t *kib)
{
	return amount(text, size_units, kib);
}

bool value_duration(const char *text, uint64_t *us)
{
	return amount(text, duration_units, us);
}

/* In the largest unit that divides it. */
static char *amount_text(uint64_t amount, const struct unit *units)
{
	const struct unit *best = units;

	for (const struct unit *unit = units; amount && unit->name; unit++)
		if (amount % unit->factor == 0)
			best = unit;
	return need_text("%llu%s", (unsigned long long)(amount / best->factor), best->name);
}

char *value_duration_text(uint64_t us)
{
	return amount_text(us, duration_units);
}

char *value_size_text(uint64_t kib)
{
	return amount_text(kib, size_units);
}

/* ---- bytes ---- */

/* Two hexadecimal digits for each byte, between them whatever is no digit. */
static bool hex_bytes(const char *text, uint8_t *bytes, size_t count)
{
	uint8_t found[16];

	for (size_t i = 0; i < count; i++) {
		char pair[3] = { 0 };

		while (*text && !isxdigit((unsigned char)*text))
			text++;
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return false;
		memcpy(pair, text, 2);
		found[i] = strtoul(pair, NULL, 16);
		text += 2;
	}
	if (*text)
		return false;
	memcpy(bytes, found, count);
	return true;
}

bool value_uuid(const char *text, uint8_t uuid[16])
{
	return hex_bytes(text, uuid, 16);
}

bool value_mac(const char *text, uint8_t mac[6])
{
	return hex_bytes(text, mac, 6);
}

char *value_uuid_text(const uint8_t u[16])
{
	return need_text("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
			 u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

char *value_mac_text(const uint8_t mac[6])
{
	return need_text("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* ---- sets of CPUs ---- */

static uint64_t bits_up_to(uint64_t last)
{
	return last >= 63 ? UINT64_MAX : (1ull << (last + 1)) - 1;
}

/* One "3", "0-3" or "^2". */
static bool add_cpus(char *word, uint64_t *cpus, uint64_t *large)
{
	bool without = *word == '^';
	char *dash = strchr(word, '-');
	uint64_t first, last, bits;

	if (dash)
		*dash = 0;
	if (!value_unsigned(word + without, &first) || !value_unsigned(dash ? dash + 1 : word + without, &last) || first > last)
		return false;
	if (last >= MANIFEST_CPUS_MAX) {
		*large = last;
		return false;
	}
	bits = bits_up_to(last) & ~(first ? bits_up_to(first - 1) : 0);
	*cpus = without ? *cpus & ~bits : *cpus | bits;
	return true;
}

bool value_cpus(const char *text, uint64_t *cpus, uint64_t *large)
{
	char *copy = need_copy(text), *rest = copy, *word;
	uint64_t found = 0;
	bool fits = true;

	while (fits && (word = strsep(&rest, ", ")))
		fits = !*word || add_cpus(word, &found, large);
	free(copy);
	if (fits && found)
		*cpus = found;
	return fits && found;
}

char *value_cpus_text(uint64_t cpus)
{
	char *text = need_copy("");

	for (unsigned first = 0, last; first < MANIFEST_CPUS_MAX; first = last + 1) {
		char *longer;

		for (last = first; last + 1 < MANIFEST_CPUS_MAX && (cpus >> first & 1) && (cpus >> (last + 1) & 1);)
			last++;
		if (!(cpus >> first & 1))
			continue;
		longer = first == last ? need_text("%s%s%u", text, *text ? "," : "", first) :
			need_text("%s%s%u-%u", text, *text ? "," : "", first, last);
		free(text);
		text = longer;
	}
	return text;
}
