/* SPDX-License-Identifier: MIT */
/* Jobs that wait for disks, and one that does not. */
#include <CUnit/Basic.h>
#include <semaphore.h>
#include <unistd.h>

#include "skinkd/job.h"

#define DISKS	13		/* that Domain-0 looks at, each by its partition table and by its volumes */

struct host host;

static uv_work_t held[2 * DISKS], other;
static sem_t answers;
static uint32_t ended;

static void wait_for_disk(uv_work_t *work)
{
	sem_wait(&answers);
}

static void need_no_disk(uv_work_t *work)
{
	for (int i = 0; i < 2 * DISKS; i++)
		sem_post(&answers);
}

static void has_ended(uv_work_t *work, int status)
{
	ended++;
}

static void disks_that_do_not_answer_keep_nobody_else_waiting(void)
{
	sem_init(&answers, 0, 0);
	alarm(20);
	for (int i = 0; i < 2 * DISKS; i++)
		uv_queue_work(uv_default_loop(), &held[i], wait_for_disk, has_ended);
	uv_queue_work(uv_default_loop(), &other, need_no_disk, has_ended);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	alarm(0);
	CU_ASSERT_EQUAL(ended, 2 * DISKS + 1);
}

int main(void)
{
	CU_pSuite suite;

	jobs_open();
	CU_initialize_registry();
	suite = CU_add_suite("job", NULL, NULL);
#define TEST(name) CU_add_test(suite, #name, name)
	TEST(disks_that_do_not_answer_keep_nobody_else_waiting);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	return CU_get_number_of_failures() ? 1 : 0;
}
