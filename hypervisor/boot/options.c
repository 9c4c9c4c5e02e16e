/* SPDX-License-Identifier: MIT */
/* Options of the core's command line: words apart by blanks; of several for one name the last counts. */
#include "boot/boot_info.h"

#include "lib/string.h"

bool option_text(const char *name, char *value, size_t room)
{
	const char *word = boot_info.command_line, *key, *end, *start;
	size_t length = strlen(name);
	bool found = false;

	string_copy(value, "", room);
	for (; *word; word = *end ? end + 1 : end) {
		for (end = word; *end && *end != ' ' && *end != '\t';)
			end++;
		key = word + (strncmp(word, "no-", 3) ? 0 : 3);
		if (strncmp(key, name, length) || (key + length != end && key[length] != '='))
			continue;
		start = key == word ? MIN(key + length + 1, end) : "no";
		string_copy(value, start, key == word ? MIN(room, (size_t)(end - start) + 1) : room);
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
