/* SPDX-License-Identifier: MIT */
/* Options of the core's command line: words apart by blanks; of several for one name the last counts. */
#include "boot/boot_info.h"

#include "lib/string.h"

bool option_text(const char *name, char *value, size_t room)
{
	const char *word = boot_info.command_line, *end;
	size_t length = strlen(name);
	bool found = false;

	string_copy(value, "", room);
	for (; *word; word = *end ? end + 1 : end) {
		for (end = word; *end && *end != ' ' && *end != '\t';)
			end++;
		if (strncmp(word, name, length) || (word + length != end && word[length] != '='))
			continue;
		word = MIN(word + length + 1, end);
		string_copy(value, word, MIN(room, (size_t)(end - word) + 1));
		found = true;
	}
	return found;
}

bool option_flag(const char *name, bool otherwise)
{
	static const char *const off[] = { "0", "no", "off", "false" };
	char text[8];

	if (!option_text(name, text, sizeof(text)))
		return otherwise;
	for (size_t i = 0; i < ARRAY_SIZE(off); i++)
		if (!strcmp(text, off[i]))
			return false;
	return true;
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
