/* SPDX-License-Identifier: MIT */
/* Work that takes long: on another thread, with handles of its own, and back in the loop when it is done. */
#pragma once

#include "skinkd/host.h"

struct job {
	uv_work_t work;					/* first */
	int (*run)(struct job *job, struct core *core);	/* elsewhere: touches only the job; 0 or -errno */
	void (*done)(struct job *job);			/* in the loop; owns the job */
	int result;
};

/* Before any thread is there. A disk that does not answer keeps two jobs for as long: what is in its partition table, and in its volumes. */
void jobs_open(void);
void job_start(struct job *job);
uint32_t jobs_running(void);
