/* SPDX-License-Identifier: MIT */
#include "skinkd/job.h"

#include <stdlib.h>

#define THREADS	"32"		/* two for each of the 13 disks that Domain-0 looks at, and some for everybody else */

static uint32_t running;

/* libuv makes four. */
void jobs_open(void)
{
	setenv("UV_THREADPOOL_SIZE", THREADS, 1);
}

static void work(uv_work_t *work)
{
	struct job *job = (struct job *)work;
	struct core core = { 0 };

	job->result = core_open(&core);
	if (!job->result)
		job->result = job->run(job, &core);
	core_close(&core);
}

static void after(uv_work_t *work, int status)
{
	struct job *job = (struct job *)work;

	running--;
	job->done(job);
}

void job_start(struct job *job)
{
	running++;
	uv_queue_work(host.loop, &job->work, work, after);
}

uint32_t jobs_running(void)
{
	return running;
}
