/* SPDX-License-Identifier: MIT */
/* skinkd/hook.h with real programs, as this test's own user: HO1, HO2. */
#include <CUnit/Basic.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "skinkd/events.h"
#include "skinkd/hook.h"
#include "skinkd/host.h"

struct host host;

static char folder[] = "/tmp/skink-hook-XXXXXX", told[4096];

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
	size_t used = strlen(told);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(told + used, sizeof(told) - used, format, arguments);
	va_end(arguments);
}

void *need_memory(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static const char *path(const char *name)
{
	static char text[2][256];
	static int which;

	snprintf(text[which ^= 1], sizeof(text[0]), "%s/%s", folder, name);
	return text[which];
}

static void given_program(const char *text)
{
	FILE *file = fopen(path("program"), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fprintf(file, "#!/bin/sh\n%s\n", text);
	fclose(file);
	CU_ASSERT_EQUAL(chmod(path("program"), 0755), 0);
	told[0] = 0;
	unlink(path("out"));
}

static void run(const char *user, uint64_t timeout_ms, const char *fact)
{
	char command[256], name[64];
	struct manifest_hook hook = { .command = command, .user = name, .timeout_us = timeout_ms * 1000 };
	struct hook_facts facts = { .count = 0 };

	snprintf(command, sizeof(command), "%s", path("program"));
	snprintf(name, sizeof(name), "%s", user ? user : getpwuid(getuid())->pw_name);
	hook_fact(&facts, "OUT=%s", path("out"));
	hook_fact(&facts, "FACT=%s", fact);
	hook_run("net0", 4, &hook, &facts);
}

static const char *out(void)
{
	static char text[4096];
	FILE *file = fopen(path("out"), "r");
	size_t got = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[got] = 0;
	if (file)
		fclose(file);
	return text;
}

static void all_have_ended(void)
{
	uv_run(host.loop, UV_RUN_DEFAULT);
}

static void it_has_the_facts_and_no_shell_sees_them(void)
{
	given_program("/usr/bin/env > $OUT; echo \"$0 $1 $#\" >> $OUT");
	setenv("SECRET", "of skinkd", 1);
	run(NULL, 60000, "a; touch /tmp/no $(id) `id` \"'");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(out(), "FACT=a; touch /tmp/no $(id) `id` \"'\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out(), "SKINK_DEATHS=1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(out(), "/program net0 1\n"));
	CU_ASSERT_PTR_NULL(strstr(out(), "SECRET"));
	CU_ASSERT_STRING_EQUAL(told, "");
}

static void it_runs_as_the_user_who_is_named(void)
{
	if (getuid())
		return;				/* only root may be others */
	given_program("id -u > $OUT.user; id -G >> $OUT.user");
	chmod(folder, 0777);
	unlink(path("out.user"));
	run("nobody", 60000, "");
	all_have_ended();
	rename(path("out.user"), path("out"));
	CU_ASSERT_STRING_EQUAL(out(), "65534\n65534\n");
}

static void deaths_meanwhile_are_told_by_one_more_run(void)		/* HO1 */
{
	given_program("echo $FACT $SKINK_DEATHS >> $OUT; until test -e $OUT.go; do sleep 0.01; done");
	run(NULL, 60000, "first");
	for (int i = 0; i < 5; i++)
		run(NULL, 60000, i < 4 ? "next" : "last");
	fclose(fopen(path("out.go"), "w"));
	all_have_ended();
	CU_ASSERT_STRING_EQUAL(out(), "first 1\nlast 5\n");
	run(NULL, 60000, "later");
	all_have_ended();
	CU_ASSERT_STRING_EQUAL(out(), "first 1\nlast 5\nlater 1\n");
}

static void when_its_time_is_over_all_of_it_is_killed(void)		/* HO2 */
{
	given_program("(sleep 1; echo child >> $OUT) & sleep 30; echo parent >> $OUT");
	run(NULL, 100, "");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "was killed: it took longer than 0.1 s"));
	usleep(1500000);
	CU_ASSERT_STRING_EQUAL(out(), "");
}

static void what_goes_wrong_is_told(void)
{
	given_program("exit 7");
	run(NULL, 60000, "");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "ended with 7"));
	given_program("kill -9 $$");
	run(NULL, 60000, "");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "ended by signal 9"));
	given_program("");
	run("nobody-at-all", 60000, "");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "there is no user 'nobody-at-all'"));
	given_program("");
	unlink(path("program"));
	run(NULL, 60000, "");
	all_have_ended();
	CU_ASSERT_PTR_NOT_NULL(strstr(told, "is not run: no such file"));
}

int main(void)
{
	CU_pSuite suite;

	host.loop = uv_default_loop();
	if (!mkdtemp(folder))
		return 1;
	CU_initialize_registry();
	suite = CU_add_suite("hook", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(it_has_the_facts_and_no_shell_sees_them);
	TEST(it_runs_as_the_user_who_is_named);
	TEST(deaths_meanwhile_are_told_by_one_more_run);
	TEST(when_its_time_is_over_all_of_it_is_killed);
	TEST(what_goes_wrong_is_told);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unlink(path("program"));
	unlink(path("out"));
	unlink(path("out.go"));
	rmdir(folder);
	return CU_get_number_of_failures() ? 1 : 0;
}
