/* SPDX-License-Identifier: MIT */
/* skinkd/autostart.h on a folder of its own: nothing that an administrator wrote is lost. */
#include <CUnit/Basic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skinkd/autostart.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/state.h"

struct host host;

void event(const char *kind, const char *domain, int id, const char *format, ...)
{
}

static const char *path_of(const char *name)
{
	static char path[CONF_TEXT + 64];

	snprintf(path, sizeof(path), "%s/%s", host.conf.domains_dir, name);
	return path;
}

static void given_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

int file_replace(const char *path, const char *text)
{
	given_file(strrchr(path, '/') + 1, text);
	return 0;
}

/* NULL: there must be none. It is there no more. */
static void then_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "r");
	char found[64] = "";

	CU_ASSERT_EQUAL(file != NULL, text != NULL);
	if (!file || !text)
		return;
	CU_ASSERT_PTR_NOT_NULL(fgets(found, sizeof(found), file));
	CU_ASSERT_STRING_EQUAL(found, text);
	fclose(file);
	unlink(path_of(name));
}

static void manifest_from_before_that_differs_is_not_lost(void)
{
	struct outcome result;

	given_file("10-web.xml", "new");
	given_file("10-web.xml.disabled", "old");
	result = autostart_disable("web");
	CU_ASSERT_EQUAL(result.code, CODE_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(result.message, "10-web.xml.disabled is there already, and differs from 10-web.xml: "));
	CU_ASSERT(autostart_is_on("web"));
	then_file("10-web.xml", "new");
	then_file("10-web.xml.disabled", "old");
}

static void manifest_from_before_that_says_the_same_is_no_loss(void)
{
	given_file("web.xml", "same");
	given_file("web.xml.disabled", "same");
	CU_ASSERT_EQUAL(autostart_disable("web").code, 0);
	CU_ASSERT(!autostart_is_on("web"));
	then_file("web.xml", NULL);
	then_file("web.xml.disabled", "same");
}

static void manifest_that_was_put_aside_comes_back_as_it_was(void)
{
	given_file("10-web.xml", "by hand");
	CU_ASSERT_EQUAL(autostart_disable("web").code, 0);
	CU_ASSERT_EQUAL(autostart_disable("web").code, 0);
	CU_ASSERT_EQUAL(autostart_enable("web", "written").code, 0);
	CU_ASSERT_EQUAL(autostart_enable("web", "written").code, 0);
	then_file("10-web.xml.disabled", NULL);
	then_file("web.xml", NULL);
	then_file("10-web.xml", "by hand");
}

static void manifest_of_another_is_left_alone(void)
{
	given_file("web2.xml", "another");
	CU_ASSERT_EQUAL(autostart_disable("web").code, 0);
	CU_ASSERT_EQUAL(autostart_enable("web", "written").code, 0);
	then_file("web.xml", "written");
	then_file("web2.xml", "another");
}

int main(void)
{
	static char folder[] = "/tmp/skink-autostart-XXXXXX";
	CU_pSuite suite;
	int failures;

	if (!mkdtemp(folder))
		return 1;
	snprintf(host.conf.domains_dir, sizeof(host.conf.domains_dir), "%s", folder);
	CU_initialize_registry();
	suite = CU_add_suite("autostart", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(manifest_from_before_that_differs_is_not_lost);
	TEST(manifest_from_before_that_says_the_same_is_no_loss);
	TEST(manifest_that_was_put_aside_comes_back_as_it_was);
	TEST(manifest_of_another_is_left_alone);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	rmdir(folder);
	return failures ? 1 : 0;
}
