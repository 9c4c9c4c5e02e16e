/* SPDX-License-Identifier: MIT */
/* The part of a post-mortem that takes long, on a worker's thread: names for addresses, sentences, the file. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/kernel.h"
#include "lib/symbols.h"
#include "skinkd/deaths.h"
#include "skinkd/events.h"
#include "skinkd/job.h"

#define PATH_TEXT	(CONF_TEXT + 300)
#define STAMP		strlen("-20261121-120000.000.json")
#define NAMED_STEPS	4		/* of the back trace, in the sentences */

struct write_job {
	struct job job;
	struct death death;
	char *image;
	char folder[CONF_TEXT + 32];
	char path[PATH_TEXT];
	json_t *json;			/* this thread's alone, while it runs */
	void (*done)(void);
};

/* ---- registers and the back trace ---- */

static json_t *registers_json(const struct skink_driver_info *info)
{
	static const char *const names[] = { "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi",
					     "rdi" };
	json_t *json = json_object();

	json_object_set_new(json, "rip", json_sprintf("%016lx", info->rip));
	json_object_set_new(json, "rsp", json_sprintf("%016lx", info->rsp));
	json_object_set_new(json, "rflags", json_sprintf("%08lx", info->rflags));
	json_object_set_new(json, "cr2", json_sprintf("%016lx", info->cr2));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(json, names[i], json_sprintf("%016lx", info->general[i]));
	return json;
}

static json_t *stack_json(const struct skink_driver_info *info)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < info->stack_words && i < SKINK_DRIVER_STACK_WORDS; i++)
		json_array_append_new(list, json_sprintf("%016lx", info->stack[i]));
	return list;
}

static json_t *trace_json(const struct skink_driver_info *info, const struct symbols *symbols)
{
	uint32_t words = info->stack_words < SKINK_DRIVER_STACK_WORDS ? info->stack_words : SKINK_DRIVER_STACK_WORDS;
	const struct backtrace_from from = { info->rip, info->rsp & ~7UL, info->general[4], info->stack, words };
	struct backtrace_step steps[BACKTRACE_MAX];
	size_t count = backtrace_make(symbols, &from, steps);
	json_t *list = json_array();
	char name[140];

	for (size_t i = 0; i < count; i++) {
		symbols_name(symbols, steps[i].address, i > 0, name, sizeof(name));
		json_array_append_new(list, json_pack("{s:s, s:o, s:b}", "at", name, "address", json_sprintf("%016lx", steps[i].address),
						      "guess", steps[i].is_guess));
	}
	return list;
}

static void add_machine(struct write_job *write)
{
	const struct skink_driver_info *info = &write->death.how.info;
	struct build_error error = { 0 };
	struct kernel kernel = { 0 };
	struct symbols symbols = { 0 };

	if (write->image && !kernel_load(write->image, NULL, &kernel, &error) &&
	    symbols_read(kernel.elf.at, kernel.elf.count, &symbols))
		symbols = (struct symbols){ 0 };
	json_object_set_new(write->json, "image", write->image ? json_string(write->image) : json_null());
	json_object_set_new(write->json, "registers", registers_json(info));
	json_object_set_new(write->json, "backtrace", trace_json(info, &symbols));
	json_object_set_new(write->json, "stack", stack_json(info));
	symbols_free(&symbols);
	bytes_free(&kernel.elf);
}

/* ---- times ---- */

/* Since the report; -1: it did not come to that. */
static json_int_t after_ns(uint64_t report_ns, uint64_t at_ns)
{
	return at_ns > report_ns ? (json_int_t)(at_ns - report_ns) : -1;
}

static json_int_t status_after(const json_t *json, const char *name, uint64_t report_ns)
{
	return after_ns(report_ns, (uint64_t)json_integer_value(json_object_get(json_object_get(json, "status"), name)));
}

static void add_times(struct write_job *write)
{
	const struct skink_driver_info *info = &write->death.how.info;
	uint64_t report = info->report_ns;

	json_object_set_new(write->json, "report_ns", json_integer((json_int_t)report));
	json_object_set_new(write->json, "after_ns", json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "begin", after_ns(report, info->begin_ns),
		"fence", after_ns(report, info->fence_ns), "copy", after_ns(report, info->copy_ns), "resume", after_ns(report, info->resume_ns), "acknowledged",
		status_after(write->json, "acknowledged_ns", report), "taken", status_after(write->json, "taken_ns", report), "answered",
		status_after(write->json, "answered_ns", report)));
	json_object_set_new(write->json, "memory", json_pack("{s:i, s:i, s:i, s:i, s:i}", "restored", info->frames_restored, "clean",
		info->frames_clean, "copied", info->frames_copied, "entries_undone", info->entries_undone, "grants_released",
		info->grants_released));
}

/* ---- in plain words ---- */

static void add_deed(struct write_job *write)
{
	const struct monitor_death *how = &write->death.how;
	json_t *deed;

	if (how->result)
		deed = json_sprintf("the core could not reset it: %s", strerror(-how->result));
	else if (how->then == MONITOR_BACKING_OFF)
		deed = json_sprintf("it waits for %g ms, and is reset then", (double)how->pause_us / 1e3);
	else if (how->then == MONITOR_SERVING)
		deed = json_string(how->is_by_core ? "the core reset it at once, as it was armed" : "skinkd had the core reset it");
	else if (how->then == MONITOR_CHANGING)
		deed = json_string("another image takes its place: see 'skink events'");
	else if (how->then == MONITOR_DEAD)
		deed = json_string("nothing, as its manifest says automatic='no': 'skink restart' has it back");
	else
		deed = json_sprintf("its restarts are used up: it is %s, and 'skink release' has it back", monitor_state_name(how->then));
	json_object_set_new(write->json, "by_core", json_boolean(how->is_by_core));
	json_object_set_new(write->json, "then", json_string(monitor_state_name(how->then)));
	json_object_set_new(write->json, "deed", deed);
}

static void say_line(json_t *lines, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say_line(json_t *lines, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_array_append_new(lines, json_string(text));
}

static void say_where(json_t *lines, const json_t *json)
{
	const json_t *trace = json_object_get(json, "backtrace"), *step;
	char text[640] = "";
	size_t i, used = 0, shown = 0;

	json_array_foreach(trace, i, step) {
		if (json_is_true(json_object_get(step, "guess")))
			continue;
		if (shown++ == NAMED_STEPS)
			break;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", called from " : "",
					 json_string_value(json_object_get(step, "at")));
		if (used >= sizeof(text))
			break;
	}
	say_line(lines, "It was at %s.", text);
}

/* The first answer to a ring that was empty says how long nobody asked. */
static void say_found(json_t *lines, const json_t *found)
{
	if (json_is_integer(found) && !json_integer_value(found))
		say_line(lines, "Nobody waited for an answer when all rings were taken over.");
	else if (json_is_integer(found))
		say_line(lines, "It was left with %lld requests, decided answers and frames.", (long long)json_integer_value(found));
}

static void say_times(json_t *lines, const json_t *json)
{
	static const struct {
		const char *name, *words;
	} steps[] = {
		{ "begin", "the core began its reset" }, { "fence", "its devices were fenced" }, { "copy", "its memory was as at ready" }, { "resume", "it ran again" },
		{ "acknowledged", "its device had acknowledged a reset" }, { "taken", "all rings were taken over" },
		{ "answered", "it gave its first answer" },
	};
	const json_t *after = json_object_get(json, "after_ns");
	char text[640] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		json_int_t ns = json_integer_value(json_object_get(after, steps[i].name));

		if (ns >= 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s after %.3f ms %s", used ? "," : "", (double)ns / 1e6,
						 steps[i].words);
	}
	if (used)
		say_line(lines, "Counted from the report of its death,%s.", text);
	else
		say_line(lines, "It has not come back yet when this was written.");
	say_found(lines, json_object_get(json_object_get(json, "status"), "found"));
}

/* What it said when it ended itself is in the first line; its status may have that of a life before. */
static void say_last_words(json_t *lines, const json_t *json)
{
	const json_t *log = json_object_get(json, "log");
	size_t size = json_array_size(log), first = (size_t)json_integer_value(json_object_get(json, "log_of_lives_before"));

	if (size && first == size)
		say_line(lines, "It had logged nothing since it was restarted; before that: %s", json_string_value(json_array_get(log, size - 1)));
	for (size_t i = size > first + 3 ? size - 3 : first; i < size; i++)
		say_line(lines, "Its log: %s", json_string_value(json_array_get(log, i)));
}

static void say_when(json_t *lines, const struct death *death)
{
	time_t seconds = (time_t)death->how.time;
	struct tm local;
	char when[40];

	strftime(when, sizeof(when), "%F %T", localtime_r(&seconds, &local));
	say_line(lines, "%s (id %u), %s.%03u: %s: %s.", death->name, death->id, when,
		 (unsigned int)((death->how.time - (double)seconds) * 1000), fault_name(death->how.kind), death->how.text);
}

static void add_words(struct write_job *write)
{
	const struct death *death = &write->death;
	json_t *lines = json_array();

	say_when(lines, death);
	say_line(lines, "What was done: %s.", json_string_value(json_object_get(write->json, "deed")));
	if (death->how.info.report_ns) {
		say_where(lines, write->json);
		say_times(lines, write->json);
	}
	say_last_words(lines, write->json);
	json_object_set_new(write->json, "told", lines);
}

/* ---- the file ---- */

/* NAME-YYYYMMDD-HHMMSS.mmm.json: a name may have dashes in it. */
static size_t name_length(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > STAMP ? length - STAMP : 0;
}

static int is_report(const struct dirent *entry)
{
	size_t length = name_length(entry);

	return length && entry->d_name[length] == '-' && !strcmp(entry->d_name + strlen(entry->d_name) - 5, ".json");
}

static int by_name(const struct dirent *left, const struct dirent *right)
{
	size_t length = name_length(left);

	return length != name_length(right) ? (length < name_length(right) ? -1 : 1) : memcmp(left->d_name, right->d_name, length);
}

static int by_time(const struct dirent *left, const struct dirent *right)
{
	return strcmp(left->d_name + name_length(left), right->d_name + name_length(right));
}

static int in_order(const struct dirent **left, const struct dirent **right)
{
	int order = by_name(*left, *right);

	return order ? order : by_time(*left, *right);
}

/* Of those in order: the oldest of the driver that has most. */
static int one_too_many(struct dirent *const list[], int count)
{
	int which = 0, most = 0;

	for (int at = 0, end; at < count; at = end) {
		for (end = at + 1; end < count && !by_name(list[at], list[end]); end++)
			;
		if (end - at < most || (end - at == most && by_time(list[at], list[which]) > 0))
			continue;
		which = at;
		most = end - at;
	}
	return which;
}

/* PM2, PM3 */
static void make_room(const char *folder)
{
	struct dirent **list;
	int count = scandir(folder, &list, is_report, in_order);
	char path[PATH_TEXT + 256];

	if (count < 0)
		return;
	while ((uint64_t)count > host.conf.post_mortems_kept) {
		int which = one_too_many(list, count);

		snprintf(path, sizeof(path), "%s/%s", folder, list[which]->d_name);
		unlink(path);
		free(list[which]);
		memmove(&list[which], &list[which + 1], (size_t)(--count - which) * sizeof(*list));
	}
	while (count)
		free(list[--count]);
	free(list);
}

/* It has its name when it is whole: who looks meanwhile finds the one before it. */
static int write_whole(const struct write_job *write)
{
	char beside[CONF_TEXT + 64];
	int result = 0;

	snprintf(beside, sizeof(beside), "%s/unfinished", write->folder);
	if (json_dump_file(write->json, beside, JSON_INDENT(2)) || rename(beside, write->path)) {
		result = -(errno ? errno : EIO);
		unlink(beside);
	}
	return result;
}

static int run_write(struct job *job, struct core *core)
{
	struct write_job *write = (struct write_job *)job;
	int result;

	json_object_set_new(write->json, "cause", json_string(fault_name(write->death.how.kind)));
	json_object_set_new(write->json, "seen", json_string(write->death.how.text));
	add_deed(write);
	if (write->death.how.info.report_ns) {
		json_object_set_new(write->json, "core_says", json_string(write->death.how.info.text));
		json_object_set_new(write->json, "generation", json_integer(write->death.how.info.generation));
		add_machine(write);
		add_times(write);
	}
	add_words(write);
	if (mkdir(write->folder, 0750) && errno != EEXIST)
		return -errno;
	result = write_whole(write);
	make_room(write->folder);
	return result;
}

static void was_written(struct job *job)
{
	struct write_job *write = (struct write_job *)job;

	if (job->result)
		event("failed", write->death.name, write->death.id, "no post-mortem: %s: %s", write->path, strerror(-job->result));
	json_decref(write->json);
	free(write->image);
	write->done();
	free(write);
}

void death_write(const struct death *death, const char *image, json_t *json, void (*done)(void))
{
	struct write_job *write = need_memory(calloc(1, sizeof(*write)));
	double time = json_real_value(json_object_get(json, "time"));
	time_t seconds = (time_t)time;
	char when[32];
	struct tm utc;

	*write = (struct write_job){ .job = { .run = run_write, .done = was_written }, .death = *death, .json = json, .done = done,
				     .image = image ? need_memory(strdup(image)) : NULL };
	deaths_folder(write->folder, sizeof(write->folder));
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", gmtime_r(&seconds, &utc));
	snprintf(write->path, sizeof(write->path), "%s/%s-%s.%03u.json", write->folder, death->name, when,
		 (unsigned int)((time - (double)seconds) * 1000));
	job_start(&write->job);
}
