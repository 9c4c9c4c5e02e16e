/* SPDX-License-Identifier: MIT */
/*
 * A manifest's text and, once it is parsed, its tree. The text itself is judged before any parser sees it; and since
 * libxml2 knows no columns, and no line beyond 65535, it is the text that tells where each tag and attribute stands.
 * X1  The text is UTF-8 without NUL, at most MANIFEST_BYTES_MAX long, and has no DOCTYPE: so no entities but XML's five.
 * X2  Every element node's _private points to its tag: start tags and elements come in the same order.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxml/tree.h>

#include "report.h"

struct tag {
	size_t offset;		/* of its '<' */
	struct position at;
	char *name;		/* as written, with its prefix */
};

struct document {
	const char *file;
	const char *text;
	size_t length;
	struct report *report;
	struct tag *tags;	/* start tags, in order */
	size_t tag_count;
	xmlDoc *xml;
};

/* X1: false, and the report says why. The text is not copied. */
bool document_open(struct document *document, const char *text, size_t length, const char *file, struct report *report);
/* Of one that was never parsed. */
void document_close_text(struct document *document);

/* To document->xml, X2. False if the text is not well formed, and the report says where. These two alone need libxml2: manifest_xml.c */
bool document_parse(struct document *document);
void document_close(struct document *document);

struct position document_position(const struct document *document, size_t offset);
/* The tag that begins at or before a place: what was open, or just closed, there. NULL: none yet. */
const struct tag *document_tag_before(const struct document *document, struct position at);

struct blame document_blame(const struct document *document, const xmlNode *element);
/* Where the attribute stands, under its element's name. */
struct blame document_blame_attribute(const struct document *document, const xmlAttr *attribute);
