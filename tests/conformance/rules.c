/* SPDX-License-Identifier: MIT */
#include "rules.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum level { MUST, SHOULD, MAY };

static const struct {
	const char *name;
	enum level level;
	enum role roles;
	const char *text;
} rules[] = {
#define RULE(name, level, roles, text) { #name, level, roles, text },
#include "rules.def"
#undef RULE
};

static struct {
	bool kept, broken;
	char *expected, *seen, *dump;
} verdicts[RULES];

static void (*dump_rings)(FILE *to);
static void (*stop_walk)(void);

void rules_begin(void (*stop)(void)) { stop_walk = stop; }
void rules_dump_set(void (*dump)(FILE *to)) { dump_rings = dump; }
void rule_kept(enum rule rule) { verdicts[rule].kept = true; }
bool rule_is_for(enum rule rule, enum role role) { return rules[rule].roles & role; }

static void rings_note(enum rule rule)
{
	size_t size;
	FILE *dump = open_memstream(&verdicts[rule].dump, &size);

	if (!dump)
		return;
	if (dump_rings)
		dump_rings(dump);
	fclose(dump);
}

void rule_broken(enum rule rule, const char *expected, const char *seen, ...)
{
	va_list arguments;

	if (verdicts[rule].broken)
		return;
	verdicts[rule].broken = true;
	verdicts[rule].expected = strdup(expected);
	va_start(arguments, seen);
	if (vasprintf(&verdicts[rule].seen, seen, arguments) < 0)
		verdicts[rule].seen = NULL;
	va_end(arguments);
	rings_note(rule);
	if (rules[rule].level == MUST)
		stop_walk();
}

/* "BLK_17", as it is written: "BLK-17". */
static const char *rule_name(enum rule rule)
{
	static char name[16];

	snprintf(name, sizeof(name), "%s", rules[rule].name);
	*strchr(name, '_') = '-';
	return name;
}

enum rule rule_find(const char *name)
{
	for (unsigned int rule = 0; rule < RULES; rule++)
		if (!strcmp(name, rules[rule].name) || !strcmp(name, rule_name(rule)))
			return rule;
	return RULES;
}

/* A text of several lines, each behind the same blanks. */
static void print_indented(FILE *to, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		fprintf(to, "      %.*s\n", (int)length, text);
		text += length + (text[length] == '\n');
	}
}

/* YAML's scalars are quoted: what was seen has colons. */
static void print_quoted(FILE *to, const char *key, const char *text)
{
	fprintf(to, "  %s: \"", key);
	for (; text && *text; text++)
		fprintf(to, strchr("\"\\", *text) ? "\\%c" : (unsigned char)*text < ' ' ? "\\x%02x" : "%c", *text);
	fprintf(to, "\"\n");
}

static void rule_report(FILE *to, enum rule rule, unsigned int number)
{
	static const char *const levels[] = { "MUST", "SHOULD", "MAY" };
	bool broken = verdicts[rule].broken;

	fprintf(to, "%s %u - %s %s %s%s%s\n", broken ? "not ok" : "ok", number, rule_name(rule), levels[rules[rule].level],
		rules[rule].text, broken && rules[rule].level != MUST ? " # TODO it need not" : "",
		broken || verdicts[rule].kept ? "" : " # SKIP nothing was seen of it");
	if (!broken)
		return;
	fprintf(to, "  ---\n");
	print_quoted(to, "expected", verdicts[rule].expected);
	print_quoted(to, "seen", verdicts[rule].seen);
	if (verdicts[rule].dump && *verdicts[rule].dump) {
		fprintf(to, "  rings: |\n");
		print_indented(to, verdicts[rule].dump);
	} else {
		print_quoted(to, "rings", "none is mapped yet");
	}
	fprintf(to, "  ...\n");
}

unsigned int rules_report(FILE *to, enum role role, enum rule only)
{
	unsigned int count = 0, number = 0, broken = 0;

	for (unsigned int rule = 0; rule < RULES; rule++)
		count += rule_is_for(rule, role) && (only == RULES || only == rule);
	fprintf(to, "TAP version 13\n1..%u\n", count);
	for (unsigned int rule = 0; rule < RULES; rule++) {
		if (!rule_is_for(rule, role) || (only != RULES && only != rule))
			continue;
		rule_report(to, rule, ++number);
		broken += verdicts[rule].broken && rules[rule].level == MUST;
	}
	fflush(to);
	return broken;
}
