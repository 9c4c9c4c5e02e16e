/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlregexp.h>

#include "manifest_schema.h"
#include "need.h"

#define RELAX_NG	"http://relaxng.org/ns/structure/1.0"
#define NOTES		"urn:skink:schema:1"
#define OURS		"skink:"

/* The Makefile has this object depend on the file. */
__asm__(".section .rodata\n"
	"schema_text: .incbin \"manifests/skink.rng\"\n"
	"schema_text_end: .byte 0\n"
	".previous");
extern const char schema_text[], schema_text_end[];

static struct schema schema;

bool schema_is(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && node->ns && strcmp((const char *)node->ns->href, RELAX_NG) == 0 &&
	       (!name || strcmp((const char *)node->name, name) == 0);
}

static const char *attribute_in(const xmlNode *node, const char *space, const char *name)
{
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		const char *href = attribute->ns ? (const char *)attribute->ns->href : "";

		if (strcmp((const char *)attribute->name, name) == 0 && strcmp(href, space) == 0)
			return attribute->children ? (const char *)attribute->children->content : "";
	}
	return NULL;
}

const char *schema_attribute(const xmlNode *node, const char *name)
{
	return attribute_in(node, "", name);
}

const char *schema_note(const xmlNode *node, const char *name)
{
	return attribute_in(node, NOTES, name);
}

const xmlNode *schema_define(const xmlNode *ref)
{
	const char *name = schema_attribute(ref, "name");

	for (const xmlNode *node = xmlDocGetRootElement(ref->doc)->children; node; node = node->next)
		if (schema_is(node, "define") && strcmp(schema_attribute(node, "name"), name) == 0)
			return node;
	abort();	/* libxml2 has found every define */
}

static bool is_refusal(const xmlNode *node, const char *key, const char *name)
{
	const char *value = node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, "refused") == 0 ?
		schema_attribute(node, key) : NULL;

	return value && strcmp(value, name) == 0;
}

const xmlNode *schema_refused(const xmlNode *node, const char *key, const char *name)
{
	const xmlNode *found = NULL;

	for (const xmlNode *child = node->children; child && !found; child = child->next) {
		if (is_refusal(child, key, name))
			found = child;
		else if (schema_is(child, "ref") && strcmp(schema_attribute(child, "name"), "anything") != 0)
			found = schema_refused(schema_define(child), key, name);
	}
	return found;
}

/* ---- shapes ---- */

struct context {		/* of a pattern */
	bool is_required;
	bool may_repeat;
	int choice;
	bool is_choice_required;
};

static bool has_values(const xmlNode *choice)
{
	for (const xmlNode *child = choice->children; child; child = child->next)
		if (schema_is(child, "value") || schema_is(child, "data"))
			return true;
	return false;
}

static void add_particle(struct shape *shape, const xmlNode *node, struct context context)
{
	const char *name = schema_attribute(node, "name");
	bool is_ours = strncmp(name, OURS, strlen(OURS)) == 0;
	struct particle *particle = NEED_ONE_MORE(shape->particles, shape->particle_count);

	*particle = (struct particle) {
		.node = node,
		.name = is_ours ? name + strlen(OURS) : name,
		.is_ours = is_ours,
		.is_attribute = schema_is(node, "attribute"),
		.is_required = context.is_required,
		.may_repeat = context.may_repeat,
		.choice = context.choice,
		.is_choice_required = context.is_choice_required,
	};
}

static void flatten(struct shape *shape, const xmlNode *node, struct context context);

static void flatten_choice(struct shape *shape, const xmlNode *choice, struct context context)
{
	if (!context.may_repeat) {
		context.choice = ++shape->choice_count;
		context.is_choice_required = context.is_required;
	}
	context.is_required = false;
	flatten(shape, choice, context);
}

static void flatten_ref(struct shape *shape, const xmlNode *ref, struct context context)
{
	if (strcmp(schema_attribute(ref, "name"), "anything") == 0)
		shape->is_anything = true;
	else
		flatten(shape, schema_define(ref), context);
}

static void flatten_child(struct shape *shape, const xmlNode *child, struct context context)
{
	if (schema_is(child, "attribute") || schema_is(child, "element")) {
		add_particle(shape, child, context);
	} else if (schema_is(child, "ref")) {
		flatten_ref(shape, child, context);
	} else if (schema_is(child, "choice") && !has_values(child)) {
		flatten_choice(shape, child, context);
	} else if (schema_is(child, "data") || schema_is(child, "choice")) {
		shape->value = child->parent;
	} else if (schema_is(child, "text")) {
		shape->has_text = true;
	} else {
		context.is_required &= !schema_is(child, "optional") && !schema_is(child, "zeroOrMore");
		context.may_repeat |= schema_is(child, "zeroOrMore") || schema_is(child, "oneOrMore");
		flatten(shape, child, context);
	}
}

static void flatten(struct shape *shape, const xmlNode *node, struct context context)
{
	for (const xmlNode *child = node->children; child; child = child->next)
		if (schema_is(child, NULL))
			flatten_child(shape, child, context);
}

/* <element><anyName/> has no shape. */
static void make_shapes(xmlNode *node)
{
	for (xmlNode *child = node->children; child; child = child->next) {
		if (!schema_is(child, NULL))
			continue;
		if (schema_is(child, "element") && schema_attribute(child, "name")) {
			struct shape *shape = need_zeroed(1, sizeof(*shape));

			shape->node = child;
			child->_private = shape;
			flatten(shape, child, (struct context) { .is_required = true });
		}
		make_shapes(child);
	}
}

static void compile_patterns(xmlNode *node)
{
	for (xmlNode *child = node->children; child; child = child->next) {
		const char *name = schema_is(child, "param") ? schema_attribute(child, "name") : NULL;

		if (name && strcmp(name, "pattern") == 0)
			child->_private = xmlRegexpCompile(child->children->content);
		compile_patterns(child);
	}
}

static void load(void)
{
	xmlDoc *copy = xmlReadMemory(schema_text, schema_text_end - schema_text, "skink.rng", NULL, XML_PARSE_NONET);
	xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewMemParserCtxt(schema_text, schema_text_end - schema_text);
	const xmlNode *start = NULL;

	schema.xml = copy;
	schema.relaxng = xmlRelaxNGParse(parser);
	xmlRelaxNGFreeParserCtxt(parser);
	if (!schema.xml || !schema.relaxng)
		abort();	/* the unit tests load the same bytes */
	make_shapes(xmlDocGetRootElement(schema.xml));
	compile_patterns(xmlDocGetRootElement(schema.xml));

	for (start = xmlDocGetRootElement(schema.xml)->children; !schema_is(start, "start"); start = start->next)
		;
	schema.root = schema_shape(&(struct particle) {
		.node = xmlFirstElementChild((xmlNode *)schema_define(xmlFirstElementChild((xmlNode *)start))) });
}

const struct schema *schema_get(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return &schema;
}

const struct shape *schema_shape(const struct particle *element)
{
	return element->node->_private;
}

const struct particle *schema_find(const struct shape *shape, const char *name, bool is_ours, bool is_attribute)
{
	for (size_t i = 0; i < shape->particle_count; i++) {
		const struct particle *particle = &shape->particles[i];

		if (particle->is_attribute == is_attribute && particle->is_ours == is_ours &&
		    strcmp(particle->name, name) == 0)
			return particle;
	}
	return NULL;
}

static const struct shape *parent_below(const xmlNode *node, const char *name, bool is_ours)
{
	for (const xmlNode *child = node->children; child; child = child->next) {
		const struct shape *shape = schema_is(child, "element") ? child->_private : NULL;
		const struct shape *found = shape && schema_find(shape, name, is_ours, false) ? shape :
			schema_is(child, NULL) ? parent_below(child, name, is_ours) : NULL;

		if (found)
			return found;
	}
	return NULL;
}

const struct shape *schema_parent_of(const char *name, bool is_ours)
{
	return parent_below(xmlDocGetRootElement(schema_get()->xml), name, is_ours);
}

/* ---- validation ---- */

struct verdict {
	unsigned *line;
	char **message;
};

static void on_invalid(void *context, xmlError *error)
{
	struct verdict *verdict = context;

	if (*verdict->message)
		return;
	*verdict->line = error->line > 0 ? error->line : 1;
	*verdict->message = need_copy(error->message ? error->message : "");
	(*verdict->message)[strcspn(*verdict->message, "\n")] = 0;
}

bool schema_validates(const struct schema *all, xmlDoc *xml, unsigned *line, char **message)
{
	xmlRelaxNGValidCtxt *context = xmlRelaxNGNewValidCtxt(all->relaxng);
	struct verdict verdict = { line, message };
	bool is_valid;

	*message = NULL;
	xmlRelaxNGSetValidStructuredErrors(context, on_invalid, &verdict);
	is_valid = xmlRelaxNGValidateDoc(context, xml) == 0;
	xmlRelaxNGFreeValidCtxt(context);
	if (is_valid) {
		free(*message);
		*message = NULL;
	}
	return is_valid;
}
