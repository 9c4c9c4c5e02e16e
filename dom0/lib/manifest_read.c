/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_names.h"
#include "manifest_read.h"
#include "manifest_value.h"
#include "need.h"

#define CMDLINE_BYTES_MAX	1023		/* MAX_GUEST_CMDLINE of xen.h, less its NUL */
#define SPACES		" \t\r\n"
#define MEMORY_KIB_MAX		(1ull << 34)	/* 16 TiB */

/* ---- the tree ---- */

static bool has_name(const xmlNode *node, const char *name, const char *space)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0 &&
	       strcmp(node->ns ? (const char *)node->ns->href : "", space) == 0;
}

static const xmlNode *child_in(const xmlNode *parent, const char *name, const char *space)
{
	const xmlNode *child = parent ? parent->children : NULL;

	while (child && !has_name(child, name, space))
		child = child->next;
	return child;
}

const xmlNode *read_child(const xmlNode *parent, const char *name)
{
	return child_in(parent, name, "");
}

const xmlNode *read_our_child(const xmlNode *parent, const char *name)
{
	return child_in(parent, name, MANIFEST_NAMESPACE);
}

const xmlNode *read_next(const xmlNode *child)
{
	const xmlNode *next = child->next;

	while (next && !has_name(next, (const char *)child->name, child->ns ? (const char *)child->ns->href : ""))
		next = next->next;
	return next;
}

static const char *keep(struct reader *reader, xmlChar *text)
{
	char *collapsed;

	if (!text)
		return NULL;
	collapsed = value_collapsed((const char *)text);
	xmlFree(text);
	*NEED_ONE_MORE(reader->texts, reader->text_count) = collapsed;
	return collapsed;
}

const char *read_text(struct reader *reader, const xmlNode *node)
{
	return node ? keep(reader, xmlNodeGetContent(node)) : NULL;
}

const char *read_attribute(struct reader *reader, const xmlNode *node, const char *name)
{
	return node ? keep(reader, xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

/* ---- values ---- */

bool read_unsigned(struct reader *reader, const xmlNode *node, const char *name, uint64_t *result)
{
	const char *text = read_attribute(reader, node, name);

	return text && value_unsigned(text, result);
}

bool read_number_of(struct reader *reader, const xmlNode *node, uint64_t *result)
{
	const char *text = read_text(reader, node);

	return text && value_unsigned(text, result);
}

bool read_duration(struct reader *reader, const xmlNode *node, const char *name, uint64_t least, uint64_t most, uint64_t *us)
{
	const char *text = read_attribute(reader, node, name);
	uint64_t found;

	if (!text || !value_duration(text, &found))
		return false;
	if (found < least || found > most) {
		char *limit = value_duration_text(found < least ? least : most);

		read_error(reader, node, name, "%s='%s' is too %s\nwrite %s or %s", name, text,
			   found < least ? "short" : "long", limit, found < least ? "more" : "less");
		free(limit);
		return false;
	}
	*us = found;
	return true;
}

bool read_yes(struct reader *reader, const xmlNode *node, const char *name, bool *result)
{
	const char *text = read_attribute(reader, node, name);

	if (text)
		*result = strcmp(text, "yes") == 0;
	return text;
}

/* ---- complaints ---- */

static struct blame blame_for(struct reader *reader, const xmlNode *node, const char *name)
{
	const xmlAttr *attribute = name ? xmlHasNsProp(node, (const xmlChar *)name, NULL) : NULL;

	return attribute ? document_blame_attribute(reader->document, attribute) : document_blame(reader->document, node);
}

struct position read_position(struct reader *reader, const xmlNode *node)
{
	return document_blame(reader->document, node).at;
}

void read_error(struct reader *reader, const xmlNode *node, const char *name, const char *format, ...)
{
	struct blame blame = blame_for(reader, node, name);
	va_list arguments;

	va_start(arguments, format);
	report_add(reader->document->report, SEVERITY_ERROR, &blame, format, arguments);
	va_end(arguments);
}

void read_warning(struct reader *reader, const xmlNode *node, const char *name, const char *format, ...)
{
	struct blame blame = blame_for(reader, node, name);
	va_list arguments;

	va_start(arguments, format);
	report_add(reader->document->report, SEVERITY_WARNING, &blame, format, arguments);
	va_end(arguments);
}

/* ---- the domain ---- */

static void mark(struct reader *reader, enum manifest_element element, const xmlNode *node)
{
	if (node)
		reader->manifest->at[element] = read_position(reader, node);
}

static void mark_all(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *os = read_child(domain, "os"), *driver = read_our_child(domain, "driver");

	for (size_t i = 0; i < MANIFEST_ELEMENTS; i++)
		mark(reader, i, domain);
	mark(reader, MANIFEST_NAME, read_child(domain, "name"));
	mark(reader, MANIFEST_UUID, read_child(domain, "uuid"));
	mark(reader, MANIFEST_MEMORY, read_child(domain, "memory"));
	mark(reader, MANIFEST_CURRENT_MEMORY, read_child(domain, "currentMemory"));
	mark(reader, MANIFEST_VCPU, read_child(domain, "vcpu"));
	mark(reader, MANIFEST_CPUTUNE, read_child(domain, "cputune"));
	mark(reader, MANIFEST_SCHED, read_our_child(domain, "sched"));
	mark(reader, MANIFEST_LIMITS, read_our_child(domain, "limits"));
	mark(reader, MANIFEST_KERNEL, read_child(os, "kernel"));
	mark(reader, MANIFEST_INITRD, read_child(os, "initrd"));
	mark(reader, MANIFEST_CMDLINE, read_child(os, "cmdline"));
	mark(reader, MANIFEST_ON_CRASH, read_child(domain, "on_crash"));
	mark(reader, MANIFEST_CONSOLE, read_child(read_child(domain, "devices"), "console"));
	mark(reader, MANIFEST_DRIVER, driver);
	mark(reader, MANIFEST_FALLBACK, read_our_child(driver, "fallback"));
	mark(reader, MANIFEST_DMA, read_our_child(driver, "dma"));
	mark(reader, MANIFEST_RESTART, read_our_child(driver, "restart"));
	mark(reader, MANIFEST_HOOK, read_our_child(driver, "hook"));
}

static void read_name(struct reader *reader, const xmlNode *node)
{
	const char *name = read_text(reader, node);
	uint8_t uuid[16];

	if (!name || !*name)
		return;
	reader->manifest->name = need_copy(name);
	if (name[strspn(name, "0123456789")] == 0)
		read_error(reader, node, NULL, "'%.64s' would be taken for the id of a domain\nput a letter into it", name);
	else if (strlen(name) == 36 && value_uuid(name, uuid))
		read_error(reader, node, NULL, "'%.64s' would be taken for the UUID of a domain\nwrite a shorter name", name);
	else if (strcmp(name, "Domain-0") == 0)
		read_error(reader, node, NULL, "'Domain-0' is the domain that Skink's own tools run in\nwrite another name");
}

static void read_uuid(struct reader *reader, const xmlNode *node)
{
	static const uint8_t of_dom0[16];
	const char *text = read_text(reader, node);
	struct manifest *manifest = reader->manifest;

	manifest->has_uuid = text && value_uuid(text, manifest->uuid);
	if (manifest->has_uuid && memcmp(manifest->uuid, of_dom0, sizeof(of_dom0)) == 0)
		read_error(reader, node, NULL, "all zero is the UUID of Domain-0\nleave it out, or write what uuidgen prints");
}

static char *copy_of(const char *text)
{
	return text ? need_copy(text) : NULL;
}

/* As it is, but for white space at its ends: what is between may stand in quotes. NULL: not there. */
static char *trimmed_text(const xmlNode *node)
{
	xmlChar *content = node ? xmlNodeGetContent(node) : NULL;
	const char *text = content ? (const char *)content + strspn((const char *)content, SPACES) : "";
	size_t length = strlen(text);
	char *trimmed;

	while (length && strchr(SPACES, text[length - 1]))
		length--;
	trimmed = node ? need_copy_of(text, length) : NULL;
	xmlFree(content);
	return trimmed;
}

/* As it is written, with the declarations of the prefixes that it uses. */
static char *read_metadata(const xmlNode *node)
{
	xmlDoc *copy = xmlNewDoc((const xmlChar *)"1.0");
	xmlBuffer *buffer = xmlBufferCreate();
	xmlNode *root = xmlDocCopyNode((xmlNode *)node, copy, 1);
	char *text;

	xmlDocSetRootElement(copy, root);
	xmlNodeDump(buffer, copy, root, 0, 0);
	text = need_copy((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	xmlFreeDoc(copy);
	return text;
}

static void read_texts(struct reader *reader, const xmlNode *domain)
{
	struct manifest *manifest = reader->manifest;
	const xmlNode *metadata = read_child(domain, "metadata");

	read_name(reader, read_child(domain, "name"));
	read_uuid(reader, read_child(domain, "uuid"));
	manifest->title = copy_of(read_text(reader, read_child(domain, "title")));
	manifest->description = trimmed_text(read_child(domain, "description"));
	manifest->metadata = metadata ? read_metadata(metadata) : NULL;
}

static bool read_memory_of(struct reader *reader, const xmlNode *node, uint64_t *kib)
{
	const char *number = read_text(reader, node), *unit = read_attribute(reader, node, "unit");
	uint64_t count, one;

	if (!number || !value_unsigned(number, &count) || count == 0 || !value_memory("1", unit, &one))
		return false;
	if (!value_memory(number, unit, kib) || *kib > MEMORY_KIB_MAX) {
		read_error(reader, node, NULL, "'%.20s' %s is more than any machine has\nwrite 16 TiB or less", number,
			   unit ? unit : "KiB");
		return false;
	}
	if (*kib < MANIFEST_MEMORY_KIB_MIN) {
		read_error(reader, node, NULL, "'%.20s' %s is too little for any kernel\nwrite 1 MiB or more; Debian's wants "
			   "64 MiB%s", number, unit ? unit : "KiB", unit ? "" : ". Without unit= it is in KiB");
		return false;
	}
	return true;
}

static void read_memory(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *current = read_child(domain, "currentMemory");
	struct manifest *manifest = reader->manifest;
	bool is_known = read_memory_of(reader, read_child(domain, "memory"), &manifest->memory_kib);

	manifest->current_memory_kib = manifest->memory_kib;
	if (read_memory_of(reader, current, &manifest->current_memory_kib) && is_known &&
	    manifest->current_memory_kib > manifest->memory_kib)
		read_error(reader, current, NULL, "%llu KiB is more than <memory> allows, %llu KiB\nwrite that much or less, "
			   "or raise <memory>", (unsigned long long)manifest->current_memory_kib,
			   (unsigned long long)manifest->memory_kib);
}

static bool read_path(struct reader *reader, const xmlNode *node, char **path)
{
	const char *text = read_text(reader, node);

	*path = copy_of(text);
	return text;
}

static void read_cmdline(struct reader *reader, const xmlNode *node)
{
	char *text = trimmed_text(node);
	size_t length = text ? strlen(text) : 0;

	reader->manifest->cmdline = text ? text : need_copy("");
	if (strpbrk(reader->manifest->cmdline, "\r\n\t"))
		read_error(reader, node, NULL, "the command line goes on in another line, or has a tab\n"
			   "write it on one line, with spaces");
	if (length > CMDLINE_BYTES_MAX)
		read_error(reader, node, NULL, "the command line has %zu bytes, a kernel takes %d\nshorten it", length,
			   CMDLINE_BYTES_MAX);
}

static void read_os(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *os = read_child(domain, "os");
	const xmlNode *initrd = read_child(os, "initrd");
	struct manifest *manifest = reader->manifest;

	read_path(reader, read_child(os, "kernel"), &manifest->kernel);
	read_path(reader, initrd, &manifest->initrd);
	read_cmdline(reader, read_child(os, "cmdline"));
	if (!manifest->kernel && manifest->role == ROLE_GUEST)
		read_error(reader, os ? os : domain, NULL, "has no <kernel>\nwrite %s<kernel>/boot/vmlinuz-…</kernel>%s into it",
			   os ? "" : "<os>", os ? "" : "</os>");
	if (initrd && manifest->role != ROLE_GUEST)
		read_error(reader, initrd, NULL, "a driver domain's image is all there is to it\nleave it out");
	else if (initrd && manifest->kernel && manifest->initrd && strcmp(manifest->kernel, manifest->initrd) == 0)
		read_error(reader, initrd, NULL, "is the same file as <kernel>\nname the initrd, or leave it out");
}

static void read_action(struct reader *reader, const xmlNode *node, enum manifest_action *action)
{
	const char *text = read_text(reader, node);

	for (enum manifest_action i = ACTION_DESTROY; text && i <= ACTION_COREDUMP_RESTART; i++)
		if (strcmp(text, manifest_action_name(i)) == 0)
			*action = i;
}

static void read_actions(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *on_crash = read_child(domain, "on_crash");
	struct manifest *manifest = reader->manifest;

	manifest->on_poweroff = ACTION_DESTROY;
	manifest->on_reboot = ACTION_RESTART;
	manifest->on_crash = ACTION_DESTROY;
	read_action(reader, read_child(domain, "on_poweroff"), &manifest->on_poweroff);
	read_action(reader, read_child(domain, "on_reboot"), &manifest->on_reboot);
	read_action(reader, on_crash, &manifest->on_crash);
	if (on_crash && manifest->role != ROLE_GUEST)
		read_error(reader, on_crash, NULL, "what follows the death of a driver is said elsewhere\n"
			   "leave it out, and write <skink:restart> into <skink:driver>");
}

static void read_clock(struct reader *reader, const xmlNode *clock)
{
	const char *offset = read_attribute(reader, clock, "offset"), *adjustment = read_attribute(reader, clock, "adjustment");
	struct manifest *manifest = reader->manifest;

	for (enum manifest_clock i = CLOCK_UTC; offset && i <= CLOCK_VARIABLE; i++)
		if (strcmp(offset, manifest_clock_name(i)) == 0)
			manifest->clock = i;
	/* "reset" is what libvirt writes where the guest's own changes are forgotten, and they always are. */
	if (!adjustment || strcmp(adjustment, "reset") == 0)
		return;
	if (manifest->clock != CLOCK_VARIABLE)
		read_error(reader, clock, "adjustment", "'adjustment' is for offset='variable' only\nleave it out, or write that");
	else
		value_signed(adjustment + (*adjustment == '+'), &manifest->clock_adjustment_s);
}

void read_domain(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *driver = read_our_child(domain, "driver");
	const char *role = read_attribute(reader, driver, "role");

	reader->manifest->role = driver ? ROLE_NET : ROLE_GUEST;
	for (enum manifest_role i = ROLE_NET; role && i <= ROLE_BLK; i++)
		if (strcmp(role, manifest_role_name(i)) == 0)
			reader->manifest->role = i;
	mark_all(reader, domain);
	read_texts(reader, domain);
	read_memory(reader, domain);
	read_tuning(reader, domain);
	read_os(reader, domain);
	read_actions(reader, domain);
	read_clock(reader, read_child(domain, "clock"));
	read_driver(reader, domain);
	read_devices(reader, read_child(domain, "devices"));
}
