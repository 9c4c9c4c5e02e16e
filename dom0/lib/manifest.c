/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "manifest_names.h"
#include "manifest_read.h"
#include "manifest_schema.h"
#include "manifest_value.h"
#include "need.h"

/* S1: what we find nothing wrong with, libxml2 shall find nothing wrong with either. */
static void ask_validator(const struct document *document, const struct schema *schema)
{
	struct blame blame = { document->file, { 1, 1 }, "domain" };
	char *message;

	if (schema_validates(schema, document->xml, &blame.at.line, &message))
		return;
	report_error(document->report, &blame, "the schema does not allow it, libxml2 says: %s\n"
		     "compare the element with /usr/share/skink/manifest.md", message ? message : "invalid");
	free(message);
}

static struct manifest *read_manifest(const struct document *document)
{
	struct manifest *manifest = need_zeroed(1, sizeof(*manifest));
	struct reader reader = { .document = document, .manifest = manifest };

	manifest->file = need_copy(document->file);
	read_domain(&reader, xmlDocGetRootElement(document->xml));
	for (size_t i = 0; i < reader.text_count; i++)
		free(reader.texts[i]);
	free(reader.texts);
	return manifest;
}

static bool is_domain(const xmlNode *root)
{
	return !root->ns && strcmp((const char *)root->name, "domain") == 0;
}

bool manifest_parse(const char *text, size_t length, const char *file, struct manifest **manifest, struct report *report)
{
	const struct schema *schema = schema_get();
	size_t errors_before = report->error_count;
	struct document document;
	struct manifest *found = NULL;

	if (document_open(&document, text, length, file, report) && document_parse(&document)) {
		manifest_explain(&document, schema);
		if (report->error_count == errors_before)
			ask_validator(&document, schema);
		if (is_domain(xmlDocGetRootElement(document.xml)))
			found = read_manifest(&document);
	}
	document_close(&document);
	report_sort(report);
	if (report->error_count != errors_before) {
		manifest_free(found);
		found = NULL;
	}
	*manifest = found;
	return found;
}

/* ---- */

static void free_disk(struct manifest_disk *disk)
{
	for (size_t i = 0; i < disk->extent_count; i++)
		free(disk->extents[i].name);
	free(disk->extents);
	free(disk->target);
	free(disk->driver);
}

static void free_interface(struct manifest_interface *interface)
{
	for (size_t i = 0; i < interface->address_count; i++)
		free(interface->addresses[i]);
	free(interface->addresses);
	free(interface->vlans);
	free(interface->driver);
}

void manifest_free(struct manifest *manifest)
{
	if (!manifest)
		return;
	for (size_t i = 0; i < manifest->disk_count; i++)
		free_disk(&manifest->disks[i]);
	for (size_t i = 0; i < manifest->interface_count; i++)
		free_interface(&manifest->interfaces[i]);
	free(manifest->disks);
	free(manifest->interfaces);
	free(manifest->devices);
	free(manifest->driver.fallback);
	free(manifest->driver.hook.command);
	free(manifest->driver.hook.user);
	free(manifest->kernel);
	free(manifest->initrd);
	free(manifest->cmdline);
	free(manifest->name);
	free(manifest->title);
	free(manifest->description);
	free(manifest->metadata);
	free(manifest->file);
	free(manifest);
}

/* ---- devices that come and go ---- */

void manifest_take_devices(struct manifest *to, struct manifest *from)
{
	for (size_t i = 0; i < from->disk_count; i++)
		*NEED_ONE_MORE(to->disks, to->disk_count) = from->disks[i];
	for (size_t i = 0; i < from->interface_count; i++)
		*NEED_ONE_MORE(to->interfaces, to->interface_count) = from->interfaces[i];
	from->disk_count = from->interface_count = 0;
}

/* An array's capacity is known by its count (need.h): what is left goes into a new one. */
void manifest_drop_disk(struct manifest *manifest, size_t index)
{
	struct manifest_disk *old = manifest->disks;
	size_t count = manifest->disk_count;

	free_disk(&old[index]);
	manifest->disks = NULL;
	manifest->disk_count = 0;
	for (size_t i = 0; i < count; i++)
		if (i != index)
			*NEED_ONE_MORE(manifest->disks, manifest->disk_count) = old[i];
	free(old);
}

void manifest_drop_interface(struct manifest *manifest, size_t index)
{
	struct manifest_interface *old = manifest->interfaces;
	size_t count = manifest->interface_count;

	free_interface(&old[index]);
	manifest->interfaces = NULL;
	manifest->interface_count = 0;
	for (size_t i = 0; i < count; i++)
		if (i != index)
			*NEED_ONE_MORE(manifest->interfaces, manifest->interface_count) = old[i];
	free(old);
}

/* ---- whom to blame ---- */

static bool is_there(const struct manifest *manifest, enum manifest_element element)
{
	struct position at = manifest->at[element], of_domain = manifest->at[MANIFEST_DOMAIN];

	return at.line != of_domain.line || at.column != of_domain.column;
}

/* Where the same could have been said: the default of one comes from the other. */
static enum manifest_element instead_of(enum manifest_element element)
{
	switch (element) {
	case MANIFEST_CURRENT_MEMORY:
		return MANIFEST_MEMORY;
	case MANIFEST_CPUTUNE:
		return MANIFEST_VCPU;
	case MANIFEST_FALLBACK:
	case MANIFEST_DMA:
	case MANIFEST_RESTART:
	case MANIFEST_HOOK:
		return MANIFEST_DRIVER;
	default:
		return MANIFEST_DOMAIN;
	}
}

struct blame manifest_blame(const struct manifest *manifest, enum manifest_element element)
{
	if (!is_there(manifest, element))
		element = instead_of(element);
	if (!is_there(manifest, element))
		element = MANIFEST_DOMAIN;
	return (struct blame) { manifest->file, manifest->at[element], manifest_element_name(element) };
}

struct blame manifest_blame_disk(const struct manifest *manifest, size_t index)
{
	return (struct blame) { manifest->file, manifest->disks[index].at, "disk" };
}

struct blame manifest_blame_extent(const struct manifest *manifest, size_t disk, size_t extent)
{
	return (struct blame) { manifest->file, manifest->disks[disk].extents[extent].at, "source" };
}

struct blame manifest_blame_interface(const struct manifest *manifest, size_t index)
{
	return (struct blame) { manifest->file, manifest->interfaces[index].at, "interface" };
}

struct blame manifest_blame_device(const struct manifest *manifest, size_t index)
{
	return (struct blame) { manifest->file, manifest->devices[index].at, "hostdev" };
}
