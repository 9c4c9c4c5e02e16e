/* SPDX-License-Identifier: MIT */
/* The schema and the manifest, side by side: what is there and may not be, what is not there and must be. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manifest.h"
#include "manifest_schema.h"
#include "manifest_value.h"
#include "need.h"

/* One element of the manifest beside its shape. */
struct place {
	const struct document *document;
	const xmlNode *node;
	const struct shape *shape;
	const xmlNode **first;	/* for each particle, where it stands first: an element or an attribute; NULL: nowhere */
};

static const char *name_of(const xmlNode *node)
{
	return (const char *)node->name;
}

static bool is_ours(const xmlNode *node)
{
	return node->ns && strcmp((const char *)node->ns->href, MANIFEST_NAMESPACE) == 0;
}

/* "skink:" for what is ours. */
static const char *prefix_of(bool ours)
{
	return ours ? "skink:" : "";
}

/* ---- what somebody may have meant ---- */

static size_t distance(const char *a, const char *b)
{
	size_t row[33], width = strlen(b);

	if (width > 32 || strlen(a) > 32)
		return 32;
	for (size_t i = 0; i <= width; i++)
		row[i] = i;
	for (size_t line = 1; *a; a++, line++) {
		size_t diagonal = row[0];

		row[0] = line;
		for (size_t i = 1; i <= width; i++) {
			size_t replaced = diagonal + (tolower((unsigned char)*a) != tolower((unsigned char)b[i - 1]));
			size_t moved = (row[i] < row[i - 1] ? row[i] : row[i - 1]) + 1;

			diagonal = row[i];
			row[i] = replaced < moved ? replaced : moved;
		}
	}
	return row[width];
}

static const struct particle *nearest(const struct shape *shape, const char *name, bool is_attribute)
{
	const struct particle *best = NULL;
	size_t best_distance = strlen(name) < 4 ? 2 : 3;

	for (size_t i = 0; i < shape->particle_count; i++) {
		const struct particle *particle = &shape->particles[i];
		size_t apart = particle->is_attribute == is_attribute ? distance(name, particle->name) : best_distance;

		if (apart < best_distance) {
			best = particle;
			best_distance = apart;
		}
	}
	return best;
}

/* "'a', 'b'" or "<a>, <b>"; what would only be warned of is left out. */
static char *known(const struct shape *shape, bool is_attribute)
{
	char *text = need_copy("");

	for (size_t i = 0; i < shape->particle_count; i++) {
		const struct particle *particle = &shape->particles[i];
		char *longer;

		if (particle->is_attribute != is_attribute || schema_note(particle->node, "harmless"))
			continue;
		longer = need_text(is_attribute ? "%s%s'%s%s'" : "%s%s<%s%s>", text, *text ? ", " : "",
				   prefix_of(particle->is_ours), particle->name);
		free(text);
		text = longer;
	}
	return text;
}

/* "write ... instead" for a name that is not known here; the caller frees it. */
static char *instead_of(const struct place *place, const char *name, bool is_attribute)
{
	const struct particle *meant = nearest(place->shape, name, is_attribute);
	const char *brackets = is_attribute ? "''" : "<>";
	char *all, *text;

	if (meant)
		return need_text("did you mean %c%s%s%c?", brackets[0], prefix_of(meant->is_ours), meant->name, brackets[1]);
	all = known(place->shape, is_attribute);
	text = *all ? need_text("leave it out; here may stand %s", all) : need_copy("leave it out");
	free(all);
	return text;
}

/* ---- complaints ---- */

static void complain_unknown_element(const struct place *place, const xmlNode *child)
{
	struct blame blame = document_blame(place->document, child);
	const char *inside = document_blame(place->document, place->node).element;
	const xmlNode *refused = child->ns ? NULL : schema_refused(place->shape->node, "name", name_of(child));
	bool ours = is_ours(child);
	const struct shape *parent = (child->ns && !ours) || report_is_full(place->document->report) ?
		NULL : schema_parent_of(name_of(child), ours);
	char shown[VALUE_SHOWN], *instead;

	if (refused) {
		report_error(place->document->report, &blame, "is refused, %s\n%s", schema_attribute(refused, "what"),
			     schema_attribute(refused, "instead"));
		return;
	}
	if (child->ns && !ours) {
		value_show((const char *)child->ns->href, shown);
		report_error(place->document->report, &blame, "the namespace '%s' is not Skink's\n"
			     "leave it out, or move what another program keeps here into <metadata>", shown);
		return;
	}
	if (report_is_full(place->document->report))
		instead = need_copy("leave it out");
	else if (parent && !nearest(place->shape, name_of(child), false))
		instead = need_text("it belongs into <%s>", schema_attribute(parent->node, "name"));
	else
		instead = instead_of(place, name_of(child), false);
	report_error(place->document->report, &blame, "is not known in <%s>\n%s", inside, instead);
	free(instead);
}

static void complain_unknown_attribute(const struct place *place, const xmlAttr *attribute)
{
	struct blame blame = document_blame_attribute(place->document, attribute);
	const char *name = (const char *)attribute->name;
	const xmlNode *refused = attribute->ns ? NULL : schema_refused(place->shape->node, "attribute", name);
	char shown[VALUE_SHOWN], *instead;

	value_show(name, shown);
	if (refused) {
		report_error(place->document->report, &blame, "'%s' is refused, %s\n%s", shown, schema_attribute(refused, "what"),
			     schema_attribute(refused, "instead"));
		return;
	}
	instead = instead_of(place, name, true);
	report_error(place->document->report, &blame, "has no attribute '%s%s%s'\n%s",
		     attribute->ns && attribute->ns->prefix ? (const char *)attribute->ns->prefix : "",
		     attribute->ns ? ":" : "", shown, instead);
	free(instead);
}

static void complain_missing(const struct place *place, const struct particle *particle)
{
	struct blame blame = document_blame(place->document, place->node);
	const char *example = schema_note(particle->node, "example");

	if (particle->is_attribute)
		report_error(place->document->report, &blame, "has no '%s'\nwrite %s='%s'", particle->name, particle->name,
			     example ? example : "…");
	else
		report_error(place->document->report, &blame, "has no <%s%s>\nwrite %s into it", prefix_of(particle->is_ours),
			     particle->name, example ? example : "one");
}

static void complain_again(const struct place *place, const xmlNode *child, const xmlNode *first)
{
	struct blame blame = document_blame(place->document, child);

	report_error(place->document->report, &blame, "stands here a second time, the first is in line %u\nkeep one of them",
		     document_blame(place->document, first).at.line);
}

static void warn_unused(const struct place *place, struct blame blame, const char *attribute, const char *because)
{
	if (attribute)
		report_warning(place->document->report, &blame, "'%s' is not used, %s\nleave it out", attribute, because);
	else
		report_warning(place->document->report, &blame, "is not used, %s\nleave it out", because);
}

/* ---- the walk ---- */

static void explain_attribute(struct place *place, const xmlAttr *attribute)
{
	const char *name = (const char *)attribute->name;
	const struct particle *particle = attribute->ns ? NULL : schema_find(place->shape, name, false, true);
	const char *harmless = particle ? schema_note(particle->node, "harmless") : NULL;
	struct blame blame;
	char *text, *why = NULL;

	if (!particle) {
		complain_unknown_attribute(place, attribute);
		return;
	}
	place->first[particle - place->shape->particles] = (const xmlNode *)attribute;
	text = (char *)xmlNodeGetContent((const xmlNode *)attribute);
	if (!value_fits(particle->node, text, &why)) {
		blame = document_blame_attribute(place->document, attribute);
		report_error(place->document->report, &blame, "%s=%s", name, why);
	} else if (harmless) {
		warn_unused(place, document_blame_attribute(place->document, attribute), name, harmless);
	}
	free(why);
	xmlFree(text);
}

static void explain_element(const struct document *document, const xmlNode *node, const struct shape *shape);

static void explain_child(struct place *place, const xmlNode *child)
{
	bool foreign = child->ns && !is_ours(child);
	const struct particle *particle = foreign ? NULL : schema_find(place->shape, name_of(child), is_ours(child), false);
	const xmlNode **first;

	if (!particle) {
		complain_unknown_element(place, child);
		return;
	}
	first = &place->first[particle - place->shape->particles];
	if (*first && !particle->may_repeat)
		complain_again(place, child, *first);
	else if (!*first)
		*first = child;
	if (schema_note(particle->node, "harmless"))
		warn_unused(place, document_blame(place->document, child), NULL, schema_note(particle->node, "harmless"));
	explain_element(place->document, child, schema_shape(particle));
}

static bool is_text(const xmlNode *node)
{
	return (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) && node->content;
}

/* Its own text, without that of elements in it; the caller frees it. */
static char *text_of(const xmlNode *node)
{
	size_t length = 0;
	char *text, *end;

	for (const xmlNode *child = node->children; child; child = child->next)
		length += is_text(child) ? strlen((const char *)child->content) : 0;
	text = end = need_zeroed(length + 1, 1);
	for (const xmlNode *child = node->children; child; child = child->next)
		end = is_text(child) ? stpcpy(end, (const char *)child->content) : end;
	return text;
}

static void explain_text(const struct place *place)
{
	struct blame blame = document_blame(place->document, place->node);
	char *text = text_of(place->node), *token = value_collapsed(text), *why = NULL;
	char shown[VALUE_SHOWN];

	if (place->shape->value && !*token)
		report_error(place->document->report, &blame, "is empty\nwrite its value, or leave the element out");
	else if (place->shape->value && !value_fits(place->shape->value, text, &why))
		report_error(place->document->report, &blame, "%s", why);
	if (!place->shape->value && !place->shape->has_text && *token) {
		value_show(token, shown);
		report_error(place->document->report, &blame, "text stands in it: '%s'\ntake it out", shown);
	}
	free(why);
	free(token);
	free(text);
}

/* Of those that exclude each other, one; none only if the schema says so. */
static void explain_choice(const struct place *place, int choice)
{
	const struct particle *of_choice = NULL, *found = NULL, *second = NULL;
	char *all = need_copy("");

	for (size_t i = 0; i < place->shape->particle_count; i++) {
		const struct particle *particle = &place->shape->particles[i];
		char *longer;

		if (particle->choice != choice)
			continue;
		if (place->first[i]) {
			second = found && !second ? particle : second;
			found = found ? found : particle;
		}
		longer = need_text("%s%s'%s'", all, of_choice ? ", " : "", particle->name);
		free(all);
		all = longer;
		of_choice = particle;
	}
	if (second) {
		struct blame blame = document_blame(place->document, place->node);

		report_error(place->document->report, &blame, "has both '%s' and '%s'\nkeep one of them", found->name,
			     second->name);
	} else if (of_choice && of_choice->is_choice_required && !found) {
		struct blame blame = document_blame(place->document, place->node);

		report_error(place->document->report, &blame, "says too little\nwrite one of %s", all);
	}
	free(all);
}

static void explain_missing(const struct place *place)
{
	for (size_t i = 0; i < place->shape->particle_count; i++)
		if (place->shape->particles[i].is_required && !place->first[i])
			complain_missing(place, &place->shape->particles[i]);
	for (int choice = 1; choice <= place->shape->choice_count; choice++)
		explain_choice(place, choice);
}

static void explain_element(const struct document *document, const xmlNode *node, const struct shape *shape)
{
	struct place place = { document, node, shape, NULL };

	if (shape->is_anything)
		return;
	place.first = need_zeroed(shape->particle_count, sizeof(*place.first));
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
		explain_attribute(&place, attribute);
	for (const xmlNode *child = node->children; child; child = child->next)
		if (child->type == XML_ELEMENT_NODE)
			explain_child(&place, child);
	explain_text(&place);
	explain_missing(&place);
	free(place.first);
}

void manifest_explain(const struct document *document, const struct schema *schema)
{
	const xmlNode *root = xmlDocGetRootElement(document->xml);
	struct blame blame = document_blame(document, root);

	if (strcmp(name_of(root), "domain") == 0 && !root->ns)
		explain_element(document, root, schema->root);
	else if (strcmp(name_of(root), "domain") == 0)
		report_error(document->report, &blame, "stands in the namespace '%.64s'\ntake xmlns= or the prefix away from it",
			     (const char *)root->ns->href);
	else
		report_error(document->report, &blame, "is no domain\nwrite <domain type='skink'> … </domain>");
}
