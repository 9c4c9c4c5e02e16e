/* SPDX-License-Identifier: MIT */
/* Core files: STATE_DIR/cores, capped as a whole: the oldest make room for a new one. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/dump.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/life.h"
#include "skinkd/monitor_line.h"
#include "skinkd/state.h"
#include "skinkd/watch.h"

#define PATH_TEXT	(CONF_TEXT + 300)

struct dump_job {
	struct job job;
	struct domain *domain;
	domid_t id;
	char file[PATH_TEXT];
	uint64_t bytes;
	struct build_error error;
	done_fn done;
	void *context;
};

static void folder_of_cores(char path[PATH_TEXT])
{
	snprintf(path, PATH_TEXT, "%s/cores", host.conf.state_dir);
}

static int run_dump(struct job *job, struct core *core)
{
	struct dump_job *dump = (struct dump_job *)job;

	return dump_core(core, dump->id, dump->file, &dump->bytes, &dump->error);
}

/* The oldest of them, and how many KiB all have together. */
static uint64_t survey(char oldest[PATH_TEXT])
{
	char folder[PATH_TEXT], path[PATH_TEXT + 260];
	struct timespec first = { 0 };
	struct dirent *entry;
	uint64_t kib = 0;
	struct stat status;
	DIR *list;

	*oldest = 0;
	folder_of_cores(folder);
	list = opendir(folder);
	while (list && (entry = readdir(list))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (lstat(path, &status) || !S_ISREG(status.st_mode))
			continue;
		kib += (uint64_t)status.st_blocks / 2;
		if (!*oldest || status.st_mtim.tv_sec < first.tv_sec ||
		    (status.st_mtim.tv_sec == first.tv_sec && status.st_mtim.tv_nsec < first.tv_nsec)) {
			first = status.st_mtim;
			snprintf(oldest, PATH_TEXT, "%.*s", PATH_TEXT - 1, path);
		}
	}
	if (list)
		closedir(list);
	return kib;
}

/* False: it alone has more than all may have, and goes rather than the others. */
static bool make_room_for(const char *newest)
{
	char folder[PATH_TEXT], oldest[PATH_TEXT];
	struct stat status;

	folder_of_cores(folder);
	if (!strncmp(newest, folder, strlen(folder)) && !lstat(newest, &status) &&
	    (uint64_t)status.st_blocks / 2 > host.conf.cores_kib_max) {
		unlink(newest);
		return false;
	}
	while (survey(oldest) > host.conf.cores_kib_max && *oldest && !unlink(oldest))
		event("changed", NULL, 0, "%s is removed: core files have more than %lu MiB (cores_kib_max)", oldest,
		      host.conf.cores_kib_max >> 10);
	return true;
}

static void dumped(struct job *job)
{
	struct dump_job *dump = (struct dump_job *)job;
	struct domain *domain = dump->domain;
	struct outcome result;

	domain->phase = domain->dumped_in;
	if (domain->is_dump_paused)
		core_domain_unpause(&host.core, dump->id);
	if (domain->monitor)
		watch_pause(domain->monitor, domain->is_paused);
	if (job->result) {
		result = outcome(CODE_FAILED, "no core file of '%s': %s", domain->manifest->name,
				 dump->error.text[0] ? dump->error.text : strerror(-job->result));
	} else if (!make_room_for(dump->file)) {
		result = outcome(CODE_FAILED, "no core file of '%s': it has more than the %lu KiB that all together may have: write a larger "
				 "cores_kib_max into skinkd.conf, or name a file elsewhere", domain->manifest->name, host.conf.cores_kib_max);
	} else {
		event("dumped", domain->manifest->name, dump->id, "%s", dump->file);
		result = outcome(0, "%s", dump->file);
	}
	dump->done(dump->context, &result);
	free(dump);
	if (domain->is_doomed)
		life_destroy(domain);
	monitor_tell_later();			/* its pause may be over */
	life_look();
}

static void name_file(struct dump_job *dump)
{
	char folder[PATH_TEXT], when[32];
	time_t now = time(NULL);

	folder_of_cores(folder);
	mkdir(folder, 0700);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", localtime(&now));
	snprintf(dump->file, sizeof(dump->file), "%.*s/%.64s-%u-%s.core", CONF_TEXT, folder, dump->domain->manifest->name, dump->id, when);
}

void life_dump(struct domain *domain, const char *file, bool is_live, done_fn done, void *context)
{
	struct dump_job *dump = need_memory(calloc(1, sizeof(*dump)));

	*dump = (struct dump_job){ .job = { .run = run_dump, .done = dumped }, .domain = domain, .id = domain->id, .done = done,
				   .context = context };
	if (file)
		snprintf(dump->file, sizeof(dump->file), "%s", file);
	else
		name_file(dump);
	/* One that is not there any more: the dump will say so. */
	domain->is_dump_paused = !is_live && !core_domain_pause(&host.core, domain->id);
	if (domain->is_dump_paused && domain->monitor)
		watch_pause(domain->monitor, true);
	domain->dumped_in = domain->phase;
	domain->phase = PHASE_DUMPING;
	state_save();			/* L2: it is paused */
	job_start(&dump->job);
}

/* Of a driver that died before it was ready the policy has been obeyed; all others that have ended are looked at once more. */
void life_dump_is_cut_off(struct domain *domain)
{
	bool is_unborn = domain->dumped_in == PHASE_ENDED && domain->monitor && domain->monitor->state != MONITOR_STARTING;

	domain->phase = is_unborn ? PHASE_ENDED : PHASE_RUNNING;
	if (domain->is_dump_paused)
		core_domain_unpause(&host.core, domain->id);
}
