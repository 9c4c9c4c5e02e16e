/* SPDX-License-Identifier: MIT */
/* Values against the patterns of the schema: whether they fit, and if not, what is wrong and what to write. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlregexp.h>

#include "manifest_schema.h"
#include "manifest_value.h"
#include "need.h"

/* <data> or <choice> in `holder`, through any <ref>s. */
static const xmlNode *pattern_in(const xmlNode *holder)
{
	for (const xmlNode *child = holder->children; child; child = child->next) {
		if (schema_is(child, "data") || schema_is(child, "choice"))
			return child;
		if (schema_is(child, "ref") && pattern_in(schema_define(child)))
			return pattern_in(schema_define(child));
	}
	return NULL;
}

static const xmlNode *param(const xmlNode *data, const char *name)
{
	for (const xmlNode *child = data->children; child; child = child->next)
		if (schema_is(child, "param") && strcmp(schema_attribute(child, "name"), name) == 0)
			return child;
	return NULL;
}

static long long number_param(const xmlNode *data, const char *name, long long otherwise)
{
	const xmlNode *node = param(data, name);

	return node ? strtoll((const char *)node->children->content, NULL, 10) : otherwise;
}

/* ---- choices ---- */

/* "'a', 'b' or 'c'" */
static char *values_of(const xmlNode *choice)
{
	char *text = need_copy("");
	const xmlNode *next;

	for (const xmlNode *value = choice->children; value; value = next) {
		char *longer;

		for (next = value->next; next && !schema_is(next, "value"); next = next->next)
			;
		if (!schema_is(value, "value"))
			continue;
		longer = need_text("%s%s'%s'", text, !*text ? "" : next ? ", " : " or ", value->children->content);
		free(text);
		text = longer;
	}
	return text;
}

static bool choice_fits(const xmlNode *choice, const char *text, char **why)
{
	const xmlNode *refused = schema_refused(choice, "value", text);
	char shown[VALUE_SHOWN];
	char *values;

	for (const xmlNode *value = choice->children; value; value = value->next)
		if (schema_is(value, "value") && strcmp((const char *)value->children->content, text) == 0)
			return true;
	value_show(text, shown);
	if (refused) {
		*why = need_text("'%s' is refused, %s\n%s", shown, schema_attribute(refused, "what"), schema_attribute(refused, "instead"));
		return false;
	}
	values = values_of(choice);
	*why = need_text("'%s' is not known here\nwrite %s", shown, values);
	free(values);
	return false;
}

/* ---- numbers and patterns ---- */

static bool is_whole_number(const char *text)
{
	text += *text == '+' || *text == '-';
	return *text && text[strspn(text, "0123456789")] == 0;
}

static bool number_fits(const xmlNode *data, const char *text, char **why)
{
	long long low = number_param(data, "minInclusive", LLONG_MIN), high = number_param(data, "maxInclusive", LLONG_MAX);
	const char *or = schema_note(data, "or"), *hint = schema_note(data, "hint");
	char shown[VALUE_SHOWN];
	long long number = strtoll(text, NULL, 10);	/* far out of range: the limits of long long, which are out too */

	value_show(text, shown);
	if (is_whole_number(text) && number >= low && number <= high)
		return true;
	if (!is_whole_number(text) && hint)
		*why = need_text("'%s' is not a whole number\n%s", shown, hint);
	else if (!is_whole_number(text))
		*why = need_text("'%s' is not a whole number\nwrite %lld to %lld", shown, low, high);
	else if (number < low)
		*why = need_text("'%s' is too small\nwrite %lld or more%s%s", shown, low, or ? ", or " : "", or ? or : "");
	else
		*why = need_text("'%s' is too large\nwrite %lld or less", shown, high);
	return false;
}

static bool pattern_fits(const xmlNode *data, const char *text, char **why)
{
	const xmlNode *pattern = param(data, "pattern");
	const char *hint = schema_note(data, "hint"), *kind = schema_note(data, "is");
	char shown[VALUE_SHOWN];

	if (!pattern || xmlRegexpExec(pattern->_private, (const xmlChar *)text) == 1)
		return true;
	value_show(text, shown);
	*why = need_text("'%s' is not %s\n%s", shown, kind ? kind : "understood", hint ? hint : "leave it out");
	return false;
}

bool value_fits(const xmlNode *holder, const char *text, char **why)
{
	const xmlNode *pattern = pattern_in(holder);
	char *collapsed = value_collapsed(text);
	bool fits;

	if (!pattern)
		fits = true;
	else if (schema_is(pattern, "choice"))
		fits = choice_fits(pattern, collapsed, why);
	else if (strcmp(schema_attribute(pattern, "type"), "integer") == 0)
		fits = number_fits(pattern, collapsed, why);
	else
		fits = pattern_fits(pattern, collapsed, why);
	free(collapsed);
	return fits;
}
