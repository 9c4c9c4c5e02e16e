/* SPDX-License-Identifier: MIT */
#include "skinkd/devices.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/need.h"
#include "skinkd/attach.h"
#include "skinkd/check.h"
#include "skinkd/events.h"

/* On a line of its own: positions are counted without it. */
#define BEFORE	"<domain type='skink' xmlns:skink='" MANIFEST_NAMESPACE "'><name>control-domain</name>" \
		"<memory unit='MiB'>64</memory><os><kernel>/boot/vmlinuz</kernel></os>"

static void count_without_first_line(struct report *report)
{
	for (size_t i = 0; i < report->entry_count; i++)
		if (report->entries[i].at.line > 1)
			report->entries[i].at.line--;
}

static struct manifest *parse_wrapped(const char *before, const char *xml, const char *after, const char *file, struct report *report)
{
	char *text = need_text("%s\n%s\n%s", before, xml, after);
	struct manifest *manifest = NULL;

	if (!manifest_parse(text, strlen(text), file, &manifest, report))
		manifest = NULL;
	free(text);
	return manifest;
}

struct manifest *devices_parse_one(struct request *request, const char *xml, const char *file, json_t **warnings)
{
	struct report report = { 0 };
	struct manifest *manifest = parse_wrapped(BEFORE "<devices>", xml, "</devices></domain>", file, &report);

	if (manifest)
		check_served(manifest, NULL, &report);
	count_without_first_line(&report);
	*warnings = report_lines(&report, SEVERITY_WARNING);
	if (report.error_count)
		rpc_fail_lines(request, CODE_BAD, "the device cannot be attached", report_lines(&report, SEVERITY_ERROR));
	else if (manifest->disk_count + manifest->interface_count != 1 || manifest->device_count)
		rpc_fail(request, CODE_BAD, "%s: one <disk> or one <interface> is attached at a time", file);
	else
		goto done;
	manifest_free(manifest);
	manifest = NULL;
	json_decref(*warnings);
done:
	report_free(&report);
	return manifest;
}

/* NULL: it is said what is wrong with it. */
static struct manifest *read_file(const char *file)
{
	struct build_error error = { 0 };
	struct report report = { 0 };
	struct manifest *manifest;
	struct bytes bytes;
	char *text;

	if (file_read_all(file, MANIFEST_BYTES_MAX, BLAME_NOBODY, &bytes, &error)) {
		event("failed", "Domain-0", 0, "%s", error.text);
		return NULL;
	}
	text = need_copy_of((const char *)bytes.at, bytes.count);
	bytes_free(&bytes);
	manifest = parse_wrapped(BEFORE, text, "</domain>", file, &report);
	free(text);
	count_without_first_line(&report);
	for (size_t i = 0; i < report.entry_count; i++) {
		text = report_line(&report.entries[i]);
		event("failed", "Domain-0", 0, "%s", text);
		free(text);
	}
	report_free(&report);
	return manifest;
}

struct manifest *devices_of_dom0(const char *file)
{
	struct manifest *manifest = access(file, F_OK) ? NULL : read_file(file);
	struct report report = { 0 };

	if (!manifest)
		manifest = parse_wrapped(BEFORE, "", "</domain>", "Domain-0", &report);
	report_free(&report);
	return need_memory(manifest);
}

void devices_forget(domid_t id, const char *key)
{
	struct manifest *manifest = attach_manifest_of(id);
	const struct manifest_interface *interface = attach_interface(manifest, key);

	if (interface)
		manifest_drop_interface(manifest, (size_t)(interface - manifest->interfaces));
	for (size_t i = 0; manifest && i < manifest->disk_count; i++)
		if (!strcmp(manifest->disks[i].target, key)) {
			manifest_drop_disk(manifest, i);
			return;
		}
}
