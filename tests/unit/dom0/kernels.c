/* SPDX-License-Identifier: MIT */
/* Threads that unpack kernels, of which there are none. */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "skinkd/host.h"
#include "skinkd/kernels.h"

#define THREADS	64

struct host host;

static size_t threads_now(void)
{
	DIR *list = opendir("/proc/self/task");
	size_t count = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	while (readdir(list))
		count++;
	closedir(list);
	return count;
}

/* Of the process's addresses. */
static unsigned long mib_now(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	CU_ASSERT_EQUAL(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages >> 8;
}

static void when_kernels_are_prepared(void)
{
	size_t before = threads_now();

	kernels_prepare_in_background();
	for (int i = 0; threads_now() > before && i < 10000; i++)
		usleep(1000);
}

static void thread_that_has_kept_a_kernel_leaves_nothing(void)
{
	char folder[sizeof("/tmp/kernels-XXXXXX")] = "/tmp/kernels-XXXXXX";
	unsigned long before;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	host.conf.kernel_cache_kib = 1;
	snprintf(host.conf.state_dir, sizeof(host.conf.state_dir), "%s", folder);
	when_kernels_are_prepared();
	before = mib_now();
	for (int i = 0; i < THREADS; i++)
		when_kernels_are_prepared();
	CU_ASSERT_TRUE(mib_now() < before + THREADS);		/* a stack has eight */
	rmdir(kernels_folder());
	rmdir(folder);
}

int main(void)
{
	CU_pSuite suite;

	CU_initialize_registry();
	suite = CU_add_suite("kernels", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(thread_that_has_kept_a_kernel_leaves_nothing);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
