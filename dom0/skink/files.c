/* SPDX-License-Identifier: MIT */
/* Manifests as files. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/manifest.h"
#include "lib/manifest_text.h"
#include "lib/need.h"
#include "message.h"

bool files_exist(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0;
}

/* One byte more than is allowed is read, so that too much is seen. */
static char *read_all(FILE *file, size_t *length)
{
	char *text = need_zeroed(MANIFEST_BYTES_MAX + 2, 1);

	*length = fread(text, 1, MANIFEST_BYTES_MAX + 1, file);
	return text;
}

/* What no manifest can be, in the words that manifests are judged in. */
static void refuse(const char *path, const char *text, size_t length)
{
	struct report report = { 0 };
	struct document document;

	(void)document_open(&document, text, length, path, &report);
	document_close_text(&document);
	for (size_t i = 0; i < report.entry_count; i++) {
		char *line = report_line(&report.entries[i]);

		note("%s", line);
		free(line);
	}
	if (report.error_count == 0)
		complain("%s: it is not UTF-8: write it in UTF-8", path);
	report_free(&report);
}

static bool is_utf8(const char *text, size_t length)
{
	json_t *string = json_stringn(text, length);

	json_decref(string);
	return string != NULL;
}

static bool judge(const char *path, FILE *file, const char *text, size_t length)
{
	if (ferror(file))
		complain("%s: cannot read it: %s: name a manifest", path, strerror(errno));
	else if (length > MANIFEST_BYTES_MAX || strlen(text) != length || !is_utf8(text, length))
		refuse(path, text, length);
	else
		return true;
	return false;
}

bool files_read(const char *path, char **text)
{
	bool is_input = strcmp(path, "-") == 0, good;
	FILE *file = is_input ? stdin : fopen(path, "re");
	size_t length;

	if (!file) {
		complain("%s: cannot open it: %s: name a manifest, as in 'skink create web.xml'", path,
			 strerror(errno));
		return false;
	}
	*text = read_all(file, &length);
	good = judge(path, file, *text, length);
	if (!is_input)
		fclose(file);
	if (!good)
		free(*text);
	return good;
}

static int is_manifest(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 4 && strcmp(entry->d_name + length - 4, ".xml") == 0;
}

static bool one_file(const char *path, char ***names, size_t *count)
{
	*names = need_zeroed(2, sizeof(**names));
	(*names)[0] = need_copy(path);
	*count = 1;
	return true;
}

bool files_of(const char *path, char ***names, size_t *count)
{
	size_t length = strlen(path);
	struct dirent **entries;
	struct stat stat_of_it;
	int found;

	if (stat(path, &stat_of_it) == 0 && !S_ISDIR(stat_of_it.st_mode))
		return one_file(path, names, count);
	found = scandir(path, &entries, is_manifest, alphasort);
	if (found < 0) {
		complain("%s: cannot read it: %s: name a manifest, or a directory with manifests", path, strerror(errno));
		return false;
	}
	*names = need_zeroed((size_t)found + 1, sizeof(**names));
	for (int i = 0; i < found; i++) {
		const char *slash = length && path[length - 1] == '/' ? "" : "/";

		(*names)[i] = need_text("%s%s%s", path, slash, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	*count = (size_t)found;
	return true;
}

void files_free(char **names)
{
	for (size_t i = 0; names[i]; i++)
		free(names[i]);
	free(names);
}
