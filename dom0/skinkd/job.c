/* SPDX-License-Identifier: MIT */
#include "skinkd/job.h"

static uint32_t running;

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
