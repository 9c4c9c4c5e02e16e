/* SPDX-License-Identifier: MIT */
/* skinkd/note.h with a real loop and a real log, which this test writes in xenconsoled's place: NO1, NO2. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/console.h>

#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/note.h"
#include "skinkd/text.h"

struct host host;

static char folder[] = "/tmp/skink-note-XXXXXX", noted[8192];
static struct manifest manifest = { .name = (char *)"web" };
static struct domain domain = { .id = 7, .manifest = &manifest };
static struct xencons_interface ring;
static bool has_ring;
static int dones, turns, turns_when_done;

/* ---- what is below, in its libraries' place ---- */

int xencall1(xencall_handle *handle, unsigned int hypercall, uint64_t argument)
{
	errno = ESRCH;
	return -1;
}

void *xs_read(struct xs_handle *store, xs_transaction_t transaction, const char *path, unsigned int *length)
{
	*length = 3;
	return has_ring && !strcmp(path, "/local/domain/7/console/ring-ref") ? strdup("123") : NULL;
}

void *xenforeignmemory_map(xenforeignmemory_handle *memory, uint32_t id, int protection, size_t pages, const xen_pfn_t mfn[], int error[])
{
	CU_ASSERT(id == 7 && pages == 1 && mfn[0] == 123);
	return &ring;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *memory, void *at, size_t pages)
{
	return 0;
}

void *need_memory(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

const char *reason_name(uint32_t flags)
{
	return "crash";
}

void log_append(const char *name, const char *text, size_t bytes)
{
	CU_ASSERT_STRING_EQUAL(name, "deaths.log");
	snprintf(noted, sizeof(noted), "%.*s", (int)bytes, text);
}

/* ---- given ---- */

static void guest_says(const char *text)
{
	for (; *text; text++)
		ring.out[MASK_XENCONS_IDX(ring.out_prod++, ring.out)] = *text;
}

static void xenconsoled_writes(const char *text)
{
	char path[CONSOLE_PATH];
	FILE *file;

	console_path(path, "web");
	file = fopen(path, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void given_a_guest(void)
{
	char path[CONSOLE_PATH];

	console_path(path, "web");
	unlink(path);
	memset(&ring, 0, sizeof(ring));
	domain.note = NULL;
	has_ring = true;
	noted[0] = 0;
	dones = turns = turns_when_done = 0;
}

static void done(struct domain *of, uint32_t flags)
{
	CU_ASSERT(of == &domain && flags == 5 && *noted);
	turns_when_done = turns;
	dones++;
}

/* Each turn is somebody else who is served. */
static void serve(uv_timer_t *timer)
{
	turns++;
	if (turns == 3)
		xenconsoled_writes("panic: no");
	if (turns == 6)
		xenconsoled_writes(" init\n");
	if (turns == 20)
		uv_close((uv_handle_t *)timer, NULL);
}

static void others_are_served(void)
{
	uv_timer_t timer;

	uv_timer_init(host.loop, &timer);
	uv_timer_start(&timer, serve, 1, 5);
	uv_run(host.loop, UV_RUN_DEFAULT);
}

/* ---- tests ---- */

static void the_loop_serves_others_until_the_last_words_are_logged(void)		/* NO1 */
{
	given_a_guest();
	guest_says("booting\npanic: no init\n");
	xenconsoled_writes("booting\n");
	note_begin(&domain, 5, done);
	CU_ASSERT(!dones && domain.note && !*noted);
	others_are_served();
	CU_ASSERT_EQUAL(dones, 1);
	CU_ASSERT(turns_when_done >= 6 && turns_when_done < 20);
	CU_ASSERT_PTR_NULL(domain.note);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "web (id 7): crash\n  what its console said last:\nbooting\npanic: no init\n"));
}

static void what_is_logged_already_is_noted_at_once(void)
{
	given_a_guest();
	guest_says("panic\n");
	xenconsoled_writes("panic\n");
	note_begin(&domain, 5, done);
	CU_ASSERT(dones == 1 && !domain.note);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "last:\npanic\n"));
	uv_run(host.loop, UV_RUN_DEFAULT);
}

static void when_xenconsoled_took_each_piece_stands_between_the_words(void)
{
	given_a_guest();
	guest_says("[    1.5] booting\npanic\n");
	xenconsoled_writes("[2026-11-22 04:12:31] [    1.5] boo[2026-11-22 04:12:31] ting\n[2026-11-22 04:12:32] ");
	note_begin(&domain, 5, done);
	CU_ASSERT(!dones && domain.note);
	xenconsoled_writes("panic\n");
	uv_run(host.loop, UV_RUN_ONCE);
	CU_ASSERT(dones == 1 && !domain.note);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "ting\n[2026-11-22 04:12:32] panic\n"));
	uv_run(host.loop, UV_RUN_DEFAULT);
}

static void a_guest_that_said_nothing_or_has_no_console_is_not_waited_for(void)
{
	given_a_guest();
	note_begin(&domain, 5, done);
	CU_ASSERT_EQUAL(dones, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "last:\n(nothing)\n"));
	given_a_guest();
	has_ring = false;
	note_begin(&domain, 5, done);
	CU_ASSERT_EQUAL(dones, 1);
	uv_run(host.loop, UV_RUN_DEFAULT);
}

static void without_xenconsoled_the_ring_tells(void)					/* NO2 */
{
	given_a_guest();
	ring.out_prod = UINT32_MAX - 2000;
	for (int i = 0; i < 400; i++)
		guest_says("on and on\n");
	guest_says("the end\n");
	note_begin(&domain, 5, done);
	CU_ASSERT_EQUAL(dones, 0);
	uv_run(host.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(dones, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "last:\non and on\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "\non and on\nthe end\n"));
}

static void one_that_is_destroyed_meanwhile_has_its_note_and_no_policy(void)
{
	given_a_guest();
	guest_says("panic\n");
	note_begin(&domain, 5, done);
	note_end(&domain);
	note_end(&domain);
	CU_ASSERT_PTR_NOT_NULL(strstr(noted, "last:\npanic\n"));
	uv_run(host.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(dones, 0);
}

int main(void)
{
	CU_pSuite suite;

	host.loop = uv_default_loop();
	host.core = (struct core){ (void *)&host, (void *)&host };
	host.store.handle = (void *)&host;
	if (!mkdtemp(folder))
		return 1;
	snprintf(host.conf.console_dir, sizeof(host.conf.console_dir), "%s", folder);
	CU_initialize_registry();
	suite = CU_add_suite("note", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(the_loop_serves_others_until_the_last_words_are_logged);
	TEST(what_is_logged_already_is_noted_at_once);
	TEST(when_xenconsoled_took_each_piece_stands_between_the_words);
	TEST(a_guest_that_said_nothing_or_has_no_console_is_not_waited_for);
	TEST(without_xenconsoled_the_ring_tells);
	TEST(one_that_is_destroyed_meanwhile_has_its_note_and_no_policy);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	given_a_guest();
	rmdir(folder);
	uv_loop_close(host.loop);
	return CU_get_number_of_failures() ? 1 : 0;
}
