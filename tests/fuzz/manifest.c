/* SPDX-License-Identifier: MIT */
/* Any bytes as a manifest; what is taken for good is written, read again, and compared. Seeds: tests/manifests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/manifest.h"
#include "lib/manifest_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "manifest: %s\n", what);
	abort();
}

/* N2 */
static void check_writing(const struct manifest *manifest)
{
	struct manifest_changes changes;
	struct report report = { 0 };
	struct manifest *again;
	char *text = manifest_write(manifest);

	if (!manifest_parse(text, strlen(text), "again.xml", &again, &report)) {
		report_print(&report, stderr);
		must(false, "N2: what was written is refused");
	}
	manifest_compare(manifest, again, &changes);
	must(changes.count == 0, "N2: what was written is read differently");
	manifest_changes_free(&changes);
	report_free(&report);
	manifest_free(again);
	free(text);
}

/* libxml2 holds no integer of more than 24 digits, and then says so. */
static bool has_long_number(const char *text, size_t size)
{
	size_t digits = 0;

	for (size_t i = 0; i < size && digits <= 24; i++)
		digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
	return digits > 24;
}

/* S1 */
static void check_agreement(const char *text, size_t size)
{
	struct report report = { 0 };
	struct document document;
	unsigned line = 0;
	char *message = NULL;

	if (document_open(&document, text, size, "x.xml", &report) && document_parse(&document)) {
		bool is_valid = schema_validates(schema_get(), document.xml, &line, &message);

		manifest_explain(&document, schema_get());
		if (is_valid != (report.error_count == 0)) {
			fprintf(stderr, "libxml2: line %u: %s\n", line, message ? message : "valid");
			report_print(&report, stderr);
			must(false, "S1: the explanation and the validator differ");
		}
	}
	free(message);
	document_close(&document);
	report_free(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct report report = { 0 };
	struct manifest *manifest;
	bool is_good = manifest_parse(text, size, "x.xml", &manifest, &report);

	must(is_good == (report.error_count == 0) && is_good == (manifest != NULL), "an answer without a reason");
	if (is_good) {
		manifest_check_set(&manifest, 1, &report);
		check_writing(manifest);
	}
	if (!has_long_number(text, size))
		check_agreement(text, size);
	report_free(&report);
	manifest_free(manifest);
	return 0;
}
