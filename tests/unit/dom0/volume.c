/* SPDX-License-Identifier: MIT */
/* lib/volume.h, as far as it needs no lvm. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/volume_data.h"

static char why[VOLUME_WHY];

static void image_that_is_no_file_is_refused_at_once(void)
{
	char folder[] = "/tmp/volume-XXXXXX", fifo[64];
	uint64_t bytes;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	CU_ASSERT_EQUAL_FATAL(mkfifo(fifo, 0600), 0);
	alarm(10);
	CU_ASSERT_EQUAL(volume_image_size(fifo, &bytes, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is no regular file"));
	CU_ASSERT_EQUAL(volume_image_size(folder, &bytes, why), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "is no regular file"));
	alarm(0);
	unlink(fifo);
	rmdir(folder);
}

static void names_that_lvm_keeps_for_itself_are_refused_and_no_others(void)		/* VO1 */
{
	static const char *const good[] = { "web", "my-snapshot", "my_pvmove", "a", "A.b_c+d-9" };
	static const char *const bad[] = { "", "-a", ".", "snapshot0", "pvmove0", "web_tdata", "web_rimage_0", "a/b", "a b" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CU_ASSERT_TRUE(volume_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(volume_name_ok(bad[i]));
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("volume", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(image_that_is_no_file_is_refused_at_once);
	TEST(names_that_lvm_keeps_for_itself_are_refused_and_no_others);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
