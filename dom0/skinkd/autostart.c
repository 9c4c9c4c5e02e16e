/* SPDX-License-Identifier: MIT */
#include "skinkd/autostart.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/manifest.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/state.h"
#include "skinkd/text.h"

#define ON		".xml"
#define OFF		".xml.disabled"
#define PATH_TEXT	(CONF_TEXT + 280)

static int is_manifest(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 4 && entry->d_name[0] != '.' && !strcmp(entry->d_name + length - 4, ".xml");
}

/* "10-web.xml" is web's, and so is "web.xml". */
static bool is_of(const char *file, const char *domain, const char *ending)
{
	size_t digits = strspn(file, "0123456789"), length = strlen(domain);

	if (!strncmp(file, domain, length) && !strcmp(file + length, ending))
		return true;
	return digits && file[digits] == '-' && !strncmp(file + digits + 1, domain, length) &&
	       !strcmp(file + digits + 1 + length, ending);
}

/* The file's whole name, or "" if there is none. */
static void find(const char *domain, const char *ending, char path[PATH_TEXT])
{
	DIR *folder = opendir(host.conf.domains_dir);
	struct dirent *entry;

	*path = 0;
	while (folder && !*path && (entry = readdir(folder)))
		if (is_of(entry->d_name, domain, ending))
			snprintf(path, PATH_TEXT, "%s/%s", host.conf.domains_dir, entry->d_name);
	if (folder)
		closedir(folder);
}

bool autostart_is_on(const char *domain)
{
	char path[PATH_TEXT];

	find(domain, ON, path);
	return *path;
}

static struct outcome ended(int result)
{
	return result ? outcome(CODE_FAILED, "%s: %s", host.conf.domains_dir, strerror(-result)) : outcome(0, "done");
}

static struct outcome move(const char *from, const char *to)
{
	return ended(rename(from, to) ? -errno : 0);
}

struct outcome autostart_enable(const char *domain, const char *xml)
{
	char path[PATH_TEXT], kept[PATH_TEXT];

	find(domain, ON, path);
	if (*path)
		return ended(0);
	find(domain, OFF, kept);
	if (*kept) {
		snprintf(path, sizeof(path), "%.*s", (int)(strlen(kept) - strlen(OFF) + strlen(ON)), kept);
		return move(kept, path);
	}
	snprintf(path, sizeof(path), "%s/%s" ON, host.conf.domains_dir, domain);
	return ended(file_replace(path, xml));
}

/* What cannot be read may be anything. */
static bool is_same(const char *path, const char *other_path)
{
	struct build_error error = { 0 };
	struct bytes one, other;
	bool is_same;

	if (file_read_all(path, MANIFEST_BYTES_MAX, BLAME_NOBODY, &one, &error))
		return false;
	is_same = !file_read_all(other_path, MANIFEST_BYTES_MAX, BLAME_NOBODY, &other, &error);
	if (is_same) {
		is_same = one.count == other.count && !memcmp(one.at, other.at, one.count);
		bytes_free(&other);
	}
	bytes_free(&one);
	return is_same;
}

struct outcome autostart_disable(const char *domain)
{
	char path[PATH_TEXT], kept[PATH_TEXT + sizeof(OFF)];
	struct stat there;

	find(domain, ON, path);
	if (!*path)
		return ended(0);
	snprintf(kept, sizeof(kept), "%.*s" OFF, (int)(strlen(path) - strlen(ON)), path);
	if (!lstat(kept, &there) && !is_same(path, kept))
		return outcome(CODE_FAILED, "%.400s is there already, and differs from %s: move it, or remove it", kept, strrchr(path, '/') + 1);
	return move(path, kept);
}

static json_t *read_one(const char *folder, const char *name)
{
	struct build_error error = { 0 };
	char path[PATH_TEXT];
	struct bytes bytes;
	json_t *one;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (file_read_all(path, MANIFEST_BYTES_MAX, BLAME_NOBODY, &bytes, &error)) {
		event("failed", NULL, 0, "%s", error.text);
		return NULL;
	}
	text_make_utf8(path);
	one = json_pack("{s:s, s:s%}", "file", path, "xml", (const char *)bytes.at, bytes.count);
	if (!one)
		event("failed", NULL, 0, "%s: it is not UTF-8: write it in UTF-8", path);
	bytes_free(&bytes);
	return one;
}

json_t *autostart_files(const char *folder)
{
	struct dirent **entries;
	json_t *files = json_array();
	int count = scandir(folder, &entries, is_manifest, alphasort);

	for (int i = 0; i < count; i++) {
		json_t *one = read_one(folder, entries[i]->d_name);

		if (one)
			json_array_append_new(files, one);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return files;
}
