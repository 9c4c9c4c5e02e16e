/* SPDX-License-Identifier: MIT */
/* Options of the core's command line: words apart by blanks; of several for one name the last counts. */
#include "boot/boot_info.h"

#include "lib/log.h"
#include "lib/string.h"

#define WORDS_MAX 64

static uint64_t asked;		/* bit n: somebody has asked for the option in word n */

static const char *skip_blanks(const char *text)
{
	while (*text == ' ' || *text == '\t')
		text++;
	return text;
}

static size_t word_length(const char *text)
{
	size_t length = 0;

	while (text[length] && text[length] != ' ' && text[length] != '\t')
		length++;
	return length;
}

/* Is `word` name or name=...? Then *value is what follows the '='. */
static bool word_is(const char *word, size_t length, const char *name, const char **value)
{
	size_t name_length = strlen(name);

	if (length < name_length || strncmp(word, name, name_length))
		return false;
	*value = word + name_length + (length > name_length);
	return length == name_length || word[name_length] == '=';
}

/* The last word for `name` (or no-name: *negated); its value and the value's length, or NULL. */
static const char *find(const char *name, size_t *length, bool *negated)
{
	const char *word = skip_blanks(boot_info.command_line), *value, *found = NULL;
	size_t size;

	for (int i = 0; *word && i < WORDS_MAX; i++, word = skip_blanks(word + size)) {
		bool no = !strncmp(word, "no-", 3);

		size = word_length(word);
		if (!word_is(word, size, name, &value)) {
			if (!no || !word_is(word + 3, size - 3, name, &value))
				continue;
		} else {
			no = false;
		}
		asked |= 1ULL << i;
		found = value;
		*length = (size_t)(word + size - value);
		*negated = no;
	}
	return found;
}

bool option_text(const char *name, char *value, size_t room)
{
	size_t length;
	bool negated;
	const char *found = find(name, &length, &negated);

	if (!found || negated) {
		string_copy(value, "", room);
		return false;
	}
	string_copy(value, found, MIN(room, length + 1));
	return true;
}

bool option_flag(const char *name, bool otherwise)
{
	static const char *const off[] = { "0", "no", "off", "false" };
	char text[8];
	size_t length;
	bool negated;
	const char *found = find(name, &length, &negated);

	if (!found)
		return otherwise;
	string_copy(text, found, MIN(sizeof(text), length + 1));
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		if (!strcmp(text, off[i]))
			return negated;
	return !negated;
}

uint64_t option_number(const char *name, uint64_t otherwise)
{
	char text[32];
	const char *end;
	uint64_t value;

	if (!option_text(name, text, sizeof(text)))
		return otherwise;
	value = text_number(text, &end);
	return end == text || *end ? otherwise : value;
}

uint64_t option_size(const char *name, uint64_t otherwise)
{
	static const char units[] = "bkmgt";
	char text[64];
	const char *start = text, *end, *unit;
	uint64_t value;
	unsigned int shift = 10;

	if (!option_text(name, text, sizeof(text)))
		return otherwise;
	if (!strncmp(text, "max:", 4) || !strncmp(text, "min:", 4))
		start += 4;
	value = text_number(start, &end);
	if (end == start)
		return otherwise;
	unit = *end ? strchr(units, *end | 0x20) : NULL;
	if (unit)
		shift = (unsigned int)(unit - units) * 10;
	return value > UINT64_MAX >> shift ? UINT64_MAX : value << shift;
}

void option_report_unknown(void)
{
	/* Asked for at the end of the machine. */
	static const char *const late[] = { "noreboot", "reboot" };
	const char *word = skip_blanks(boot_info.command_line);
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(late); i++)
		option_flag(late[i], false);
	for (int i = 0; *word && i < WORDS_MAX; i++, word = skip_blanks(word + size)) {
		size = word_length(word);
		if (!(asked >> i & 1))
			log_warning("option '%.*s' is unknown\n", (int)size, word);
	}
}
