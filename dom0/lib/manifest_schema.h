/* SPDX-License-Identifier: MIT */
/*
 * manifests/skink.rng, which is part of the program: in libxml2's form, to validate by, and as the shape of each element,
 * to explain by. Its form and its notes are described at its head.
 * S1  What manifest_explain() finds nothing wrong with is valid, and what it finds an error in is not.
 *     (But for values that libxml2 cannot hold: integers of more than 24 digits.)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <libxml/relaxng.h>
#include <libxml/tree.h>

#include "manifest_text.h"

/* One attribute or element that may stand in an element. */
struct particle {
	const xmlNode *node;	/* <attribute> or <element> of the schema */
	const char *name;
	bool is_ours;		/* in our namespace */
	bool is_attribute;
	bool is_required;
	bool may_repeat;
	int choice;		/* those with the same number, but 0, exclude each other */
	bool is_choice_required;
};

/* What may stand in one element: its node's _private in the schema. */
struct shape {
	const xmlNode *node;	/* <element> of the schema */
	struct particle *particles;
	size_t particle_count;
	int choice_count;
	const xmlNode *value;	/* holds the pattern of the element's text; NULL: no text */
	bool has_text;		/* any text */
	bool is_anything;	/* any attributes and elements too */
};

struct schema {
	xmlDoc *xml;
	xmlRelaxNG *relaxng;
	const struct shape *root;
};

/* Read once, then shared by all threads. */
const struct schema *schema_get(void);

const struct shape *schema_shape(const struct particle *element);
const struct particle *schema_find(const struct shape *shape, const char *name, bool is_ours, bool is_attribute);
/* The first element of that name anywhere in the schema, and where it belongs. NULL: there is none. */
const struct shape *schema_parent_of(const char *name, bool is_ours);

/* The schema's file: "optional", "value" ... of RELAX NG. */
bool schema_is(const xmlNode *node, const char *name);
/* An attribute of a node of the schema, without a namespace or, schema_note(), in the one of its notes. NULL: not there. */
const char *schema_attribute(const xmlNode *node, const char *name);
const char *schema_note(const xmlNode *node, const char *name);
const xmlNode *schema_define(const xmlNode *ref);
/* <say:refused> in a node, whose `key` (name, attribute or value) is `name`. NULL: none. */
const xmlNode *schema_refused(const xmlNode *node, const char *key, const char *name);

/* False: S1 is broken, by libxml2's word. *line and *message say how; the caller frees message. */
bool schema_validates(const struct schema *schema, xmlDoc *xml, unsigned *line, char **message);

/* Complains about all that the schema does not allow, and about what is allowed and not obeyed. manifest_explain.c */
void manifest_explain(const struct document *document, const struct schema *schema);

/* Is text what the pattern in `holder` allows? If not, *why is "what is wrong\nremedy", which the caller frees. manifest_pattern.c */
bool value_fits(const xmlNode *holder, const char *text, char **why);
