/* SPDX-License-Identifier: MIT */
/* Options of the core's command line: words apart by blanks; of several for one name the last counts. */
#include "boot/boot_info.h"

/* From `at` on; at the end of the line an empty one. */
static const char *next_word(const char *at, const char **end)
{
	while (*at == ' ' || *at == '\t')
		at++;
	for (*end = at; **end && **end != ' ' && **end != '\t';)
		(*end)++;
	return at;
}

static bool word_is(const char *word, const char *end, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(word, name, length) && (word + length == end || word[length] == '=');
}

bool option_text(const char *name, char *value, size_t room)
{
	const char *word = boot_info.command_line, *end;
	bool found = false;

	string_copy(value, "", room);
	for (word = next_word(word, &end); *word; word = next_word(end, &end)) {
		if (!word_is(word, end, name))
			continue;
		word = MIN(word + strlen(name) + 1, end);
		string_copy(value, word, MIN(room, (size_t)(end - word) + 1));
		found = true;
	}
	return found;
}

void options_check(void)
{
	static const char *const known[] = { "com1", "console", "dom0_max_vcpus", "dom0_mem", "iommu", "loglvl", "maxcpus",
					     "noreboot", "x2apic" };
	const char *word = boot_info.command_line, *end;
	uint32_t i;

	for (word = next_word(word, &end); *word; word = next_word(end, &end)) {
		for (i = 0; i < ARRAY_SIZE(known) && !word_is(word, end, known[i]);)
			i++;
		if (i == ARRAY_SIZE(known))
			log_warning("option %.*s is unknown: it does nothing\n", (int)(end - word), word);
	}
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
