/* SPDX-License-Identifier: MIT */
/* EV1  An event that cannot be written to disk is still told: a full disk silences nobody. */
#include "skinkd/events.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "skinkd/host.h"
#include "skinkd/rpc.h"
#include "skinkd/text.h"

static json_t *kept, *counts;

static void path_in_logs(char path[CONF_TEXT + 32], const char *name)
{
	snprintf(path, CONF_TEXT + 32, "%.*s/%s", CONF_TEXT - 1, host.conf.log_dir, name);
}

void log_append(const char *name, const char *text, size_t bytes)
{
	char path[CONF_TEXT + 32], old[CONF_TEXT + 40];
	struct stat status;
	int file;

	path_in_logs(path, name);
	if (!stat(path, &status) && status.st_size + (off_t)bytes > EVENTS_FILE_MAX) {
		snprintf(old, sizeof(old), "%s.1", path);
		rename(path, old);
	}
	file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (file < 0)
		return;
	if (write(file, text, bytes) < 0)
		say("%s cannot be written", path);		/* EV1 */
	close(file);
}

static void keep(json_t *one)
{
	json_array_append_new(kept, one);
	while (json_array_size(kept) > host.conf.events_kept)
		json_array_remove(kept, 0);
}

void events_open(void)
{
	char path[CONF_TEXT + 32];
	char *line = NULL;
	size_t room = 0;
	FILE *file;

	kept = json_array();
	counts = json_object();
	path_in_logs(path, "events.log");
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0) {
		json_t *one = json_loads(line, 0, NULL);

		if (json_is_object(one))
			keep(one);
		else
			json_decref(one);
	}
	free(line);
	if (file)
		fclose(file);
}

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
	struct timespec now;
	va_list arguments;
	char *text, *line;
	json_t *one;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	text_make_utf8(need_memory(text));
	clock_gettime(CLOCK_REALTIME, &now);
	one = json_pack("{s:f, s:s, s:s?, s:o, s:s}", "time", (double)now.tv_sec + (double)now.tv_nsec / 1e9, "kind", kind,
			"domain", domain, "id", domain ? json_integer(id) : json_null(), "text", text);
	free(text);
	need_memory(one);
	say("%s%s%s: %s", domain ? domain : "", domain ? ": " : "", kind, json_string_value(json_object_get(one, "text")));
	line = need_memory(json_dumps(one, JSON_COMPACT));
	line = need_memory(realloc(line, strlen(line) + 2));
	strcat(line, "\n");
	log_append("events.log", line, strlen(line));
	free(line);
	json_object_set_new(counts, kind, json_integer(json_integer_value(json_object_get(counts, kind)) + 1));
	rpc_tell_followers(one);
	keep(one);
}

json_t *events_counts(void)
{
	return json_copy(counts);
}

json_t *events_last(size_t count)
{
	size_t all = json_array_size(kept);
	json_t *list = json_array();

	for (size_t i = all > count ? all - count : 0; i < all; i++)
		json_array_append(list, json_array_get(kept, i));
	return list;
}
