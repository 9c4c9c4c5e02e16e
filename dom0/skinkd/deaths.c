/* SPDX-License-Identifier: MIT */
#include "skinkd/deaths.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/rings.h"

#define MOMENT_MS	50		/* until a successor has taken over what there is */
#define PAUSE_MAX_MS	1000		/* before a restart: the post-mortem waits for a shorter one, and has the way back in it */
#define RINGS_MAX	32
#define REQUESTS_MAX	32		/* of one ring */
#define LOG_BYTES	4096

static struct {
	struct death death;
	uint64_t due_ms;
} waiting[DEATHS_WAITING];
static uint32_t first, count, lost;
static bool is_writing;
static uv_timer_t timer;

static void write_next(void);

/* ---- what there is to see ---- */

/* Of a life before: those that begin before byte `before`; how many is left in *old. */
static json_t *log_lines(const struct driver *driver, uint64_t before, json_int_t *old)
{
	uint64_t room = (driver->shared.log_pages << FRAME_SHIFT) - sizeof(struct driver_log), written, bytes;
	char raw[LOG_BYTES], line[256];
	json_t *lines = json_array();

	written = __atomic_load_n(&driver->log->written, __ATOMIC_ACQUIRE);
	bytes = written < LOG_BYTES ? written : LOG_BYTES;
	for (uint64_t i = 0; i < bytes; i++)
		raw[i] = driver->log->text[(written - bytes + i) % room];
	*old = 0;
	for (uint64_t at = 0, end; at < bytes; at = end + 1) {
		for (end = at; end < bytes && raw[end] != '\n'; end++)
			;
		driver_text(raw + at, end - at, line, sizeof(line));
		json_array_append_new(lines, json_string(line));
		*old += written - bytes + at < before;
	}
	return lines;
}

/* The successor's, if it has come so far: times of the core's clock. */
static json_t *status_json(const struct driver *driver, const struct skink_driver_info *info)
{
	struct driver_status status;
	char text[DRIVER_TEXT_BYTES + 1];
	json_t *json;

	memcpy(&status, driver->status, sizeof(status));	/* DR1 */
	driver_text(status.text, DRIVER_TEXT_BYTES, text, sizeof(text));
	json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "text", text, "generation", (json_int_t)status.generation, "heartbeat",
			 (json_int_t)status.heartbeat, "doing", (json_int_t)status.doing, "doing_ring", (json_int_t)status.doing_ring,
			 "doing_index", (json_int_t)status.doing_index);
	if (status.resumed_ns < info->report_ns)
		return json;					/* of a life before */
	json_object_set_new(json, "acknowledged_ns", json_integer((json_int_t)status.acknowledged_ns));
	json_object_set_new(json, "taken_ns", json_integer((json_int_t)status.taken_ns));
	json_object_set_new(json, "answered_ns", json_integer((json_int_t)status.answered_ns));
	if (status.taken_ns && status.found)
		json_object_set_new(json, "found", json_integer(status.found - 1));
	return json;
}

static json_t *gather(const struct death *death, const struct driver *driver)
{
	json_t *json = json_pack("{s:s, s:I}", "domain", death->name, "id", (json_int_t)death->id), *log;
	json_int_t old;

	if (!driver)
		return json;
	json_object_set_new(json, "role", json_string(driver->table->role == DRIVER_NET ? "net" : "blk"));
	json_object_set_new(json, "status", status_json(driver, &death->how.info));
	log = log_lines(driver, death->log_before, &old);
	json_object_set_new(json, "log", log);
	json_object_set_new(json, "log_of_lives_before", json_integer(old));
	json_object_set_new(json, "attachments", attachments_of_driver(driver));
	json_object_set_new(json, "rings", rings_of_driver(driver, RINGS_MAX, REQUESTS_MAX));
	return json;
}

/* ---- one after the other ---- */

static void written(void)
{
	is_writing = false;
	write_next();
}

/* Its pause is over meanwhile, and what the core says of it is whole. */
static void look_again(struct death *death, struct monitor *monitor)
{
	monitor_lock();
	if (monitor->last.is_late && monitor->last.time == death->how.time)
		death->how = monitor->last;
	monitor_unlock();
}

static void write_first(uv_timer_t *handle)
{
	struct death *death = &waiting[first].death;
	const struct domain *domain = domain_by_name(death->name);
	const struct driver *driver;
	const char *image = *death->how.image ? death->how.image : NULL;
	json_t *json;

	if (domain && domain->id != death->id)
		domain = NULL;				/* it is another by now */
	driver = domain ? domain->driver : NULL;
	if (driver)
		look_again(death, driver->monitor);
	json = gather(death, driver);
	json_object_set_new(json, "time", json_real(death->how.time));
	json_object_set_new(json, "not_written_before", json_integer(lost));
	lost = 0;
	is_writing = true;
	death_write(death, !image && domain ? driver_image(domain->manifest) : image, json, written);
	first = (first + 1) % DEATHS_WAITING;
	count--;
}

static void write_next(void)
{
	uint64_t now = uv_now(host.loop);

	if (!count || is_writing || uv_is_active((uv_handle_t *)&timer))
		return;
	uv_timer_start(&timer, write_first, waiting[first].due_ms > now ? waiting[first].due_ms - now : 0, 0);
}

static void has_died(struct driver *driver, const struct monitor_death *how)
{
	uint32_t at = (first + count) % DEATHS_WAITING;
	uint64_t log_before = driver->log_at_death;

	driver->log_at_death = __atomic_load_n(&driver->log->written, __ATOMIC_ACQUIRE);
	if (!host.conf.post_mortems_kept)
		return;
	if (count == DEATHS_WAITING) {				/* PM2 */
		lost++;
		return;
	}
	waiting[at].death = (struct death){ .id = driver->domain->id, .how = *how, .log_before = log_before };
	snprintf(waiting[at].death.name, sizeof(waiting[at].death.name), "%s", driver->domain->manifest->name);
	waiting[at].due_ms = uv_now(host.loop) + MOMENT_MS + (how->pause_us < PAUSE_MAX_MS * 1000UL ? how->pause_us / 1000 : 0);
	count++;
	write_next();
}

void deaths_open(void)
{
	uv_timer_init(host.loop, &timer);
	monitor_died(has_died);
}

/* ---- what was written ---- */

void deaths_folder(char path[], size_t room)
{
	snprintf(path, room, "%s/deaths", host.conf.log_dir);
}

/* NAME-YYYYMMDD-HHMMSS.mmm.json: a name may have dashes in it. */
static bool is_of(const char *file, const char *name)
{
	size_t length = strlen(name);

	return !strncmp(file, name, length) && file[length] == '-' && strlen(file + length) == strlen("-20261121-120000.000.json");
}

json_t *death_last(const char *name)
{
	char folder[CONF_TEXT + 32], newest[256] = "", path[CONF_TEXT + 300];
	struct dirent *entry;
	DIR *list;

	deaths_folder(folder, sizeof(folder));
	list = opendir(folder);
	while (list && (entry = readdir(list)))
		if (is_of(entry->d_name, name) && strcmp(entry->d_name, newest) > 0)
			snprintf(newest, sizeof(newest), "%s", entry->d_name);
	if (list)
		closedir(list);
	if (!*newest)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", folder, newest);
	return json_load_file(path, 0, NULL);
}
