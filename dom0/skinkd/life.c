/* SPDX-License-Identifier: MIT */
#include "skinkd/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "skinkd/attach.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/kernels.h"
#include "skinkd/note.h"
#include "skinkd/state.h"
#include "skinkd/usage.h"
#include "skinkd/wait.h"

struct build_job {
	struct job job;
	struct build_job *next;
	struct domain *domain;
	struct build_request request;
	struct build_driver driver;
	struct built built;
	struct build_error error;
	done_fn done;			/* NULL: nobody waits */
	void *context;
};

struct end_job {
	struct job job;
	struct domain *domain;
	domid_t id;
	bool is_restart;
};

static struct build_job *builds;	/* the first is being built (L1) */

static const char *name_of(const struct domain *domain)
{
	return domain->manifest->name;
}

/* Something has changed: it is remembered, and whoever waits may look. */
void life_changed(void)
{
	state_save();
	wait_look();
}

/* ---- building ---- */

static int run_build(struct job *job, struct core *core)
{
	struct build_job *build = (struct build_job *)job;

	return build_domain(core, &build->request, &build->built, &build->error);
}

static void warn_if(const struct domain *domain, int result, const char *what)
{
	if (result)
		event("failed", name_of(domain), domain->id, "%s: %s", what, strerror(-result));
}

void life_tune(struct domain *domain)
{
	const struct manifest_sched *wanted = &domain->manifest->sched;
	struct skink_domctl_sched sched = { 1, wanted->weight, wanted->cap_percent, wanted->warp_us, wanted->warp_limit_us };
	struct skink_domctl_account account = { .set = 1 };

	warn_if(domain, core_sched(&host.core, domain->id, &sched), "the core does not take its scheduling");
	pay_forget(domain);
	memcpy(account.limit, domain->manifest->limit, sizeof(account.limit));
	warn_if(domain, core_account(&host.core, domain->id, &account), "the core does not take its limits");
	for (uint32_t i = 0; i < domain->manifest->vcpus; i++)
		warn_if(domain, core_vcpu_affinity_set(&host.core, domain->id, i, domain->manifest->affinity[i] ? : UINT64_MAX),
			"the core does not pin its vcpu");
}

static void set_clock(const struct domain *domain)
{
	int64_t seconds = domain->manifest->clock_adjustment_s;
	time_t now = time(NULL);
	struct tm local;

	if (domain->manifest->clock == CLOCK_LOCALTIME && localtime_r(&now, &local))
		seconds = local.tm_gmtoff;
	warn_if(domain, core_time_offset_set(&host.core, domain->id, seconds), "the core does not take its clock");
}

/* Which element of the manifest is to blame. */
static enum manifest_element element_of(enum build_blame blame)
{
	switch (blame) {
	case BLAME_KERNEL:
		return MANIFEST_KERNEL;
	case BLAME_INITRD:
		return MANIFEST_INITRD;
	case BLAME_COMMAND_LINE:
		return MANIFEST_CMDLINE;
	case BLAME_MEMORY:
		return MANIFEST_CURRENT_MEMORY;
	case BLAME_VCPUS:
		return MANIFEST_VCPU;
	case BLAME_DMA:
		return MANIFEST_DMA;
	case BLAME_DEVICE:
	case BLAME_NOBODY:
	case BLAME_MACHINE:
		break;
	}
	return MANIFEST_DOMAIN;
}

struct outcome life_blame(const struct manifest *manifest, const struct build_error *error)
{
	struct blame blame = error->blame == BLAME_DEVICE ? manifest_blame_device(manifest, error->index) :
			     manifest_blame(manifest, element_of(error->blame));
	struct report report = { 0 };
	struct outcome result;
	const char *remedy = NULL;
	char *line;

	if (error->blame == BLAME_MACHINE || error->blame == BLAME_NOBODY)
		return outcome(CODE_FAILED, "'%s' cannot be built: %s", manifest->name, error->text);
	/* The last colon before a blank: the others are part of names. */
	for (const char *at = error->text; (at = strstr(at, ": ")); at++)
		remedy = at;
	if (remedy)
		report_error(&report, &blame, "%.*s\n%s", (int)(remedy - error->text), error->text, remedy + 2);
	else
		report_error(&report, &blame, "%s\nchange it", error->text);
	line = report_line(&report.entries[0]);
	result = outcome(CODE_BAD, "'%s' cannot be built", manifest->name);
	result.lines = json_pack("[s]", line);
	free(line);
	report_free(&report);
	return result;
}

int life_let_run(struct domain *domain)
{
	int result = 0;

	attach_domain(domain->id, domain->manifest);
	state_save();			/* L2: once it runs, no skinkd takes it for half built */
	if (!domain->is_paused)
		result = core_domain_unpause(&host.core, domain->id);
	domain->is_new = false;
	state_save();
	return result;
}

/* The domain is in the core, paused: everybody else is told of it. */
static int introduce(struct build_job *build)
{
	struct domain *domain = build->domain;
	const struct store_domain entry = {
		.built = &build->built, .name = name_of(domain), .uuid = domain->uuid,
		.memory_kib = domain->manifest->current_memory_kib, .memory_max_kib = domain->manifest->memory_kib,
		.vcpus = domain->manifest->current_vcpus, .vcpus_max = domain->manifest->vcpus,
		.has_console = domain->manifest->has_console,
	};
	int result = host.store.handle ? store_add(&host.store, &entry) : -ENOTCONN;

	if (result)
		return build_refuse(&build->error, BLAME_MACHINE, result, "%s: %s", host.store.handle ?
				    "xenstored does not take it" : "xenstored does not answer, see 'skink events'", strerror(-result));
	domain->id = build->built.id;
	domain->phase = PHASE_RUNNING;
	domain->is_new = true;
	domain->is_paused = domain->starts_paused;
	domain->starts_paused = false;	/* that was for the first time: after a reboot it runs */
	domain->started = (double)time(NULL);
	domain->started_ms = uv_now(host.loop);
	memset(domain->gone, 0, sizeof(domain->gone));
	usage_anew(domain);
	life_tune(domain);
	set_clock(domain);
	if (build->request.driver && !driver_open(domain, &build->built.driver))
		return build_refuse(&build->error, BLAME_MACHINE, -EFAULT, "its pages cannot be mapped: see 'skink events'");
	result = life_let_run(domain);
	if (result)
		build_refuse(&build->error, BLAME_MACHINE, result, "the core does not let it run: %s", strerror(-result));
	return result;
}

static void forget_failed(struct build_job *build)
{
	struct domain *domain = build->domain;

	attach_domain_gone(build->built.id);
	driver_close(domain);
	/* A build that failed has left nothing (U1); one that failed after that is still in the core. */
	if (!build->job.result) {
		core_domain_destroy(&host.core, build->built.id);
		if (host.store.handle)
			store_remove(&host.store, build->built.id, domain->uuid);
	}
	event("failed", name_of(domain), build->built.id, "%s", build->error.text);
}

static void start_next_build(void);

static void built(struct job *job)
{
	struct build_job *build = (struct build_job *)job;
	struct domain *domain = build->domain;
	struct outcome result = outcome(0, "done");

	if (job->result || introduce(build)) {
		forget_failed(build);
		if (!build->error.text[0])
			build_refuse(&build->error, BLAME_MACHINE, job->result, "%s", strerror(-job->result));
		result = life_blame(domain->manifest, &build->error);
		domain_remove(domain);
	} else {
		event(domain->restarts ? "rebooted" : "created", name_of(domain), domain->id, "%lu MiB, %u vcpu%s, from %s",
		      domain->manifest->current_memory_kib >> 10, domain->manifest->current_vcpus,
		      domain->manifest->current_vcpus == 1 ? "" : "s", domain->manifest->file);
		if (domain->is_doomed)
			life_destroy(domain);
	}
	if (build->done)
		build->done(build->context, &result);
	json_decref(result.lines);
	kernels_keep(&build->built.kernel);
	life_changed();
	/* L1: whoever was told until here may have put a build in line, which is not the first while this one is. */
	builds = build->next;
	free(build);
	start_next_build();
}

static void start_next_build(void)
{
	if (builds)
		job_start(&builds->job);
}

void life_build(struct domain *domain, done_fn done, void *context)
{
	struct build_job *build = need_memory(calloc(1, sizeof(*build))), **at = &builds;
	const struct manifest *manifest = domain->manifest;

	domain->phase = PHASE_BUILDING;
	domain->id = DOMID_INVALID;
	domain->memory_target_kib = manifest->current_memory_kib;
	domain->vcpus_target = manifest->current_vcpus;
	*build = (struct build_job){ .job = { .run = run_build, .done = built }, .domain = domain, .done = done,
				     .context = context };
	build->request = (struct build_request){
		.kernel = driver_image(manifest), .driver = driver_request(manifest, &build->driver) ? &build->driver : NULL,
		.initrd = manifest->initrd, .command_line = manifest->cmdline,
		.memory_kib = driver_own_kib(manifest, manifest->current_memory_kib),
		.memory_max_kib = driver_own_kib(manifest, manifest->memory_kib),
		.vcpus_max = manifest->vcpus, .cache = kernels_folder(),
	};
	memcpy(build->request.uuid, domain->uuid, sizeof(build->request.uuid));
	state_save();			/* L2 */
	while (*at)
		at = &(*at)->next;
	*at = build;
	if (builds == build)
		start_next_build();
}

void life_create(struct manifest *manifest, bool starts_paused, done_fn done, void *context)
{
	struct domain *domain = domain_add(manifest);

	domain->starts_paused = starts_paused;
	life_build(domain, done, context);
}

/* ---- ending ---- */

static int run_end(struct job *job, struct core *core)
{
	return core_domain_destroy(core, ((struct end_job *)job)->id);
}

static void ended(struct job *job)
{
	struct end_job *end = (struct end_job *)job;
	struct domain *domain = end->domain;

	if (job->result && job->result != -ESRCH) {
		warn_if(domain, job->result, "the core does not destroy it");
		domain->phase = PHASE_ENDED;
	} else {
		if (host.store.handle)
			store_remove(&host.store, end->id, domain->uuid);
		if (end->is_restart && !domain->is_doomed) {
			domain->restarts++;
			life_build(domain, NULL, NULL);
		} else {
			event("destroyed", name_of(domain), end->id, "its memory is free again");
			domain_remove(domain);
		}
	}
	free(end);
	life_changed();
}

void life_leave(struct domain *domain)
{
	note_end(domain);
	attach_domain_gone(domain->id);
	if (domain->driver)
		attach_driver_gone(domain->driver);
	driver_close(domain);
}

void life_end(struct domain *domain, bool is_restart)
{
	struct end_job *end = need_memory(calloc(1, sizeof(*end)));

	*end = (struct end_job){ .job = { .run = run_end, .done = ended }, .domain = domain, .id = domain->id,
				 .is_restart = is_restart };
	usage_sample(domain);
	domain->phase = PHASE_ENDING;
	domain->is_restarting = is_restart;
	life_leave(domain);
	state_save();			/* L2 */
	job_start(&end->job);
}

void life_destroy(struct domain *domain)
{
	domain->is_doomed = true;
	if (domain->phase == PHASE_RUNNING || domain->phase == PHASE_ENDED)
		life_end(domain, false);
	else
		state_save();		/* whatever goes on now ends in its end */
}

void life_restart(struct domain *domain)
{
	if (domain->phase == PHASE_RUNNING || domain->phase == PHASE_ENDED)
		life_end(domain, true);
}
