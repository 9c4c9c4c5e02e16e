/* SPDX-License-Identifier: MIT */
/* Post-mortems: what is written of a death, and what is kept. Its worker's thread is the test's own. */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/symbols.h"
#include "skinkd/attach.h"
#include "skinkd/deaths.h"
#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/rings.h"

struct host host;

static struct manifest manifest = { .name = (char []){ "net0" } };
static struct domain domain = { .id = 7, .manifest = &manifest };
static struct monitor monitor;
static struct driver driver = { .domain = &domain, .monitor = &monitor };
static struct driver_table table;
static struct driver_status status;
static union {
	struct driver_log log;
	uint8_t bytes[1 << FRAME_SHIFT];
} its_log;
static monitor_died_fn died;
static char kept[CONF_TEXT + 32];

/* ---- in skinkd's place ---- */

static struct job *its_job;

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	return -1;
}

void job_start(struct job *job)
{
	its_job = job;
}

static void when_its_time_has_come(void)
{
	struct job *job;

	uv_run(host.loop, UV_RUN_DEFAULT);
	job = its_job;
	its_job = NULL;
	job->result = job->run(job, NULL);
	job->done(job);
}

void monitor_died(monitor_died_fn tell)
{
	died = tell;
}

void monitor_lock(void)
{
}

void monitor_unlock(void)
{
}

const char *fault_name(enum fault_kind kind)
{
	return "crash";
}

const char *monitor_state_name(enum monitor_state state)
{
	return state == MONITOR_CHANGING ? "changing" : "held";
}

struct domain *domain_by_name(const char *name)
{
	return strcmp(name, manifest.name) ? NULL : &domain;
}

const char *driver_image(const struct manifest *one)
{
	return "/the/manifest's.elf";
}

void driver_text(const char *from, size_t bytes, char *text, size_t room)
{
	snprintf(text, room, "%.*s", (int)bytes, from);
}

json_t *attachments_of_driver(const struct driver *one)
{
	return json_array();
}

json_t *rings_of_driver(const struct driver *one, uint32_t rings_max, uint32_t requests_max)
{
	return json_array();
}

void event(const char *kind, const char *name, int id, const char *format, ...)
{
}

/* In place of lib/symbols.h's: so many frames, and nobody guesses. */
static size_t frames;

static size_t played_backtrace_make(const struct symbols *symbols, const struct backtrace_from *from, struct backtrace_step steps[])
{
	for (size_t i = 0; i < frames; i++)
		steps[i] = (struct backtrace_step){ 0xa0 + i, false };
	return frames;
}

#define backtrace_make	played_backtrace_make
#include "skinkd/deaths_file.c"

/* ---- given, when ---- */

static struct monitor_death given_death(enum monitor_state then)
{
	domain.id = 7;
	return (struct monitor_death){ .kind = FAULT_CRASH, .then = then, .time = 1800000000.5, .info.report_ns = 1, .text = "a page fault" };
}

static json_t *when_it_is_written(const struct monitor_death *death)
{
	died(&driver, death);
	when_its_time_has_come();
	return death_last("net0");
}

static const char *text_in(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* The nth sentence that begins so. */
static const char *told(const json_t *json, const char *beginning)
{
	json_t *line;
	size_t i;

	json_array_foreach(json_object_get(json, "told"), i, line)
		if (!strncmp(json_string_value(line), beginning, strlen(beginning)))
			return json_string_value(line);
	return "";
}

static void given_a_file(const char *name)
{
	char path[sizeof(kept) + 256];
	FILE *file;

	mkdir(kept, 0700);
	snprintf(path, sizeof(path), "%s/%s", kept, name);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("{}", file);
	fclose(file);
}

static bool is_there(const char *name)
{
	char path[sizeof(kept) + 256];

	snprintf(path, sizeof(path), "%s/%s", kept, name);
	return !access(path, F_OK);
}

static int when_all_are_removed(void)
{
	char path[sizeof(kept) + 300];
	struct dirent *entry;
	DIR *list = opendir(kept);
	int count = 0;

	while (list && (entry = readdir(list))) {
		snprintf(path, sizeof(path), "%s/%s", kept, entry->d_name);
		count += !unlink(path);
	}
	if (list)
		closedir(list);
	return count;
}

/* ---- then ---- */

static void another_image_in_its_place_is_what_was_done(void)
{
	struct monitor_death death = given_death(MONITOR_CHANGING);
	json_t *json = when_it_is_written(&death);

	CU_ASSERT_PTR_NOT_NULL(strstr(told(json, "What was done"), "another image takes its place"));
	CU_ASSERT_PTR_NULL(strstr(text_in(json, "deed"), "release"));
	json_decref(json);
}

static void addresses_get_their_names_from_the_image_that_ran(void)
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	json_t *json;

	json = when_it_is_written(&death);
	CU_ASSERT_STRING_EQUAL(text_in(json, "image"), "/the/manifest's.elf");
	json_decref(json);
	strcpy(death.image, "/another.elf");
	json = when_it_is_written(&death);
	CU_ASSERT_STRING_EQUAL(text_in(json, "image"), "/another.elf");
	json_decref(json);
}

static void six_frames_are_told_of_as_the_first_four(void)
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	const char *where;
	json_t *json;

	frames = 6;
	json = when_it_is_written(&death);
	where = told(json, "It was at");
	frames = 0;
	CU_ASSERT_PTR_NOT_NULL(strstr(where, "0xa0, called from 0xa1, called from 0xa2, called from 0xa3."));
	CU_ASSERT_PTR_NULL(strstr(where, "0xa4"));
	CU_ASSERT_PTR_NULL(strstr(where, "0xa5"));
	json_decref(json);
}

static void counts_beyond_an_int_stay_what_they_are(void)		/* DR1 */
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	json_t *json, *said;

	status.doing = status.doing_index = status.doing_ring = status.generation = UINT32_MAX;
	json = when_it_is_written(&death);
	said = json_object_get(json, "status");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(said, "doing_index")), UINT32_MAX);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(said, "doing_ring")), UINT32_MAX);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(said, "generation")), UINT32_MAX);
	json_decref(json);
	memset(&status, 0, sizeof(status));
}

static void log_of_a_domain_that_has_its_id_now_is_not_its(void)
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	json_t *json;

	died(&driver, &death);
	domain.id = 8;
	when_its_time_has_come();
	json = death_last("net0");
	CU_ASSERT_PTR_NULL(json_object_get(json, "log"));
	json_decref(json);
	death = given_death(MONITOR_SERVING);
	died(&driver, &death);
	manifest.name[0] = 'x';
	when_its_time_has_come();
	manifest.name[0] = 'n';
	json = death_last("net0");
	CU_ASSERT_PTR_NULL(json_object_get(json, "log"));
	json_decref(json);
}

static void who_dies_again_and_again_pushes_out_its_own(void)		/* PM2, PM3 */
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	char name[64];

	when_all_are_removed();
	given_a_file("blk0-20200101-120000.000.json");
	given_a_file("blk0-20200102-120000.000.json");
	given_a_file("net-20200101-120000.000.json");
	given_a_file("notes.json");
	for (int i = 0; i < 10; i++) {
		death.time += 1;
		json_decref(when_it_is_written(&death));
	}
	CU_ASSERT_FALSE(is_there("blk0-20200101-120000.000.json"));
	CU_ASSERT_TRUE(is_there("blk0-20200102-120000.000.json"));
	CU_ASSERT_TRUE(is_there("net-20200101-120000.000.json"));
	CU_ASSERT_TRUE(is_there("notes.json"));
	snprintf(name, sizeof(name), "net0-20270115-0800%02d.500.json", 10);
	CU_ASSERT_TRUE(is_there(name));
	CU_ASSERT_EQUAL(when_all_are_removed(), 4 + 1);
}

static void one_that_cannot_be_written_hides_none_before_it(void)
{
	struct monitor_death death = given_death(MONITOR_SERVING);
	char path[sizeof(kept) + 32];
	json_t *json = when_it_is_written(&death);

	CU_ASSERT_PTR_NOT_NULL(json);
	json_decref(json);
	snprintf(path, sizeof(path), "%s/unfinished", kept);
	symlink("/dev/full", path);
	death.time += 1;
	json = when_it_is_written(&death);
	CU_ASSERT_EQUAL(json_number_value(json_object_get(json, "time")), 1800000000.5);
	json_decref(json);
	CU_ASSERT_EQUAL(when_all_are_removed(), 1);
}

int main(void)
{
	static char place[] = "/tmp/skink-deaths-XXXXXX";
	CU_pSuite suite;

	host.loop = uv_default_loop();
	strcpy(host.conf.log_dir, mkdtemp(place));
	host.conf.post_mortems_kept = 4;
	deaths_folder(kept, sizeof(kept));
	domain.driver = &driver;
	driver.table = &table;
	driver.status = &status;
	driver.log = &its_log.log;
	driver.shared.log_pages = 1;
	deaths_open();
	CU_initialize_registry();
	suite = CU_add_suite("deaths", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(another_image_in_its_place_is_what_was_done);
	TEST(addresses_get_their_names_from_the_image_that_ran);
	TEST(six_frames_are_told_of_as_the_first_four);
	TEST(counts_beyond_an_int_stay_what_they_are);
	TEST(log_of_a_domain_that_has_its_id_now_is_not_its);
	TEST(who_dies_again_and_again_pushes_out_its_own);
	TEST(one_that_cannot_be_written_hides_none_before_it);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	when_all_are_removed();
	rmdir(kept);
	rmdir(place);
	return CU_get_number_of_failures() ? 1 : 0;
}
