/* SPDX-License-Identifier: MIT */
/*
 * From the tree to struct manifest, and the checks that the schema cannot express. The schema has complained already
 * about what is missing or does not parse; it is passed over here, so that everything is complained about once.
 */
#pragma once

#include <stdbool.h>

#include <libxml/tree.h>

#include "manifest.h"
#include "manifest_text.h"

struct reader {
	const struct document *document;
	struct manifest *manifest;
	char **texts;		/* what read_text() and read_attribute() have returned */
	size_t text_count;
};

void read_domain(struct reader *reader, const xmlNode *domain);
void read_devices(struct reader *reader, const xmlNode *devices);	/* manifest_device.c; NULL: there are none */
void read_disk(struct reader *reader, const xmlNode *node);		/* manifest_disk.c */
void read_interface(struct reader *reader, const xmlNode *node);	/* manifest_interface.c */
void read_tuning(struct reader *reader, const xmlNode *domain);		/* manifest_tune.c: cputune, sched, limits */
void read_driver(struct reader *reader, const xmlNode *domain);		/* manifest_driver.c */

/* The first child of that name, the next sibling of the same name; NULL: none. */
const xmlNode *read_child(const xmlNode *parent, const char *name);
const xmlNode *read_our_child(const xmlNode *parent, const char *name);
const xmlNode *read_next(const xmlNode *child);

/* Collapsed, and valid as long as the reader. NULL: not there. */
const char *read_text(struct reader *reader, const xmlNode *node);
const char *read_attribute(struct reader *reader, const xmlNode *node, const char *name);

/* The attribute in the units of its type, if it is there and parses; else *result stays as it is. */
bool read_unsigned(struct reader *reader, const xmlNode *node, const char *name, uint64_t *result);
bool read_duration(struct reader *reader, const xmlNode *node, const char *name, uint64_t least, uint64_t most, uint64_t *us);
bool read_yes(struct reader *reader, const xmlNode *node, const char *name, bool *result);
bool read_number_of(struct reader *reader, const xmlNode *node, uint64_t *result);	/* the element's text */

struct position read_position(struct reader *reader, const xmlNode *node);
/* "what\nremedy"; name: the attribute to point at, NULL: the element. */
void read_error(struct reader *reader, const xmlNode *node, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void read_warning(struct reader *reader, const xmlNode *node, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
