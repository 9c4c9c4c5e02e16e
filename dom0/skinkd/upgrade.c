/* SPDX-License-Identifier: MIT */
#include "skinkd/upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "lib/image.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/kernels.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/monitor.h"
#include "skinkd/state.h"
#include "skinkd/wait.h"

#define TIMEOUT_S	30.0

/* Its own copies: the domain may end while it is at work. */
struct upgrade {
	struct job job;
	struct request *request;	/* NULL: for a fall-back */
	double timeout_s;
	uint8_t uuid[16];
	domid_t id;
	char file[MONITOR_FILE], old_file[MONITOR_FILE], *command_line;
	struct build_request build;
	struct build_driver driver;
	struct driver_shared shared;
	struct driver_table *table;
	struct image *next, *back;
	struct build_error error;
	char why[300];
};

static void drop_image(struct image *image)
{
	if (image)
		image_free(image);
	free(image);
}

static void upgrade_free(struct upgrade *upgrade)
{
	drop_image(upgrade->next);
	drop_image(upgrade->back);
	driver_shared_free(&upgrade->shared);
	free(upgrade->command_line);
	free(upgrade->table);
	free(upgrade);
}

/* ---- elsewhere ---- */

static int prepare(struct core *core, struct upgrade *upgrade, const char *file, struct image **image)
{
	*image = calloc(1, sizeof(**image));
	if (!*image)
		return -ENOMEM;
	upgrade->build.kernel = file;
	return image_prepare(core, upgrade->id, &upgrade->build, &upgrade->shared, *image, &upgrade->error);
}

/* The old one first: it is what the new one is tried with. */
static int run(struct job *job, struct core *core)
{
	struct upgrade *upgrade = (struct upgrade *)job;
	int result = 0;

	if (upgrade->request)
		result = prepare(core, upgrade, upgrade->old_file, &upgrade->back);
	if (!result)
		result = prepare(core, upgrade, upgrade->file, &upgrade->next);
	if (!result)
		result = image_check(&upgrade->next->note, upgrade->table, upgrade->why, sizeof(upgrade->why));
	return result || !upgrade->request ? result : image_rehearse(core, &upgrade->build, &upgrade->error);
}

/* ---- here ---- */

static void *copy_of(const void *from, size_t bytes)
{
	return memcpy(need_memory(malloc(bytes)), from, bytes);
}

static struct upgrade *upgrade_new(struct domain *domain, const char *file)
{
	struct upgrade *upgrade = need_memory(calloc(1, sizeof(*upgrade)));
	const struct manifest *manifest = domain->manifest;
	struct driver_shared *shared = &upgrade->shared;

	upgrade->id = domain->id;
	memcpy(upgrade->uuid, domain->uuid, sizeof(upgrade->uuid));
	snprintf(upgrade->file, sizeof(upgrade->file), "%s", file);
	snprintf(upgrade->old_file, sizeof(upgrade->old_file), "%s", monitor_image(domain));
	upgrade->command_line = manifest->cmdline ? need_memory(strdup(manifest->cmdline)) : NULL;
	driver_request(manifest, &upgrade->driver);
	*shared = domain->driver->shared;
	shared->mfn = copy_of(shared->mfn, driver_shared_pages(shared) * sizeof(xen_pfn_t));
	shared->frame = copy_of(shared->frame, shared->frames * sizeof(xen_pfn_t));
	upgrade->table = copy_of(domain->driver->table, DRIVER_TABLE_BYTES(DRIVER_ATTACHMENTS_MAX));
	upgrade->build = (struct build_request){
		.driver = &upgrade->driver, .command_line = upgrade->command_line, .memory_kib = shared->frames << (FRAME_SHIFT - 10),
		.memory_max_kib = shared->frames << (FRAME_SHIFT - 10), .vcpus_max = 1, .cache = kernels_folder(),
	};
	memcpy(upgrade->build.uuid, domain->uuid, sizeof(upgrade->build.uuid));
	domain->monitor->images.is_busy = true;
	return upgrade;
}

/* It may have been built anew meanwhile: then it is another's. */
static struct domain *domain_of(const struct upgrade *upgrade)
{
	struct domain *domain = domain_by_uuid(upgrade->uuid);

	if (domain && domain->monitor)
		domain->monitor->images.is_busy = false;
	return domain && domain->id == upgrade->id && domain->driver ? domain : NULL;
}

static const char *reason(const struct upgrade *upgrade)
{
	return upgrade->error.text[0] ? upgrade->error.text : upgrade->why[0] ? upgrade->why : strerror(-upgrade->job.result);
}

/* ---- a fall-back ---- */

static void fallback_is_there(struct job *job)
{
	struct upgrade *upgrade = (struct upgrade *)job;
	struct domain *domain = domain_of(upgrade);

	if (domain && job->result) {
		event("failed", domain->manifest->name, domain->id, "its fall-back image %s: %s", upgrade->file, reason(upgrade));
	} else if (domain && !domain->monitor->images.fallback && domain->manifest->driver.fallback &&
		   !strcmp(upgrade->file, domain->manifest->driver.fallback)) {		/* still the one that its manifest names */
		monitor_lock();
		domain->monitor->images.fallback = upgrade->next;
		monitor_unlock();
		upgrade->next = NULL;
	}
	upgrade_free(upgrade);
}

/* The image that was in it, for one that has none. */
static void missing_is_there(struct job *job)
{
	struct upgrade *upgrade = (struct upgrade *)job;
	struct domain *domain = domain_of(upgrade);
	char why[MONITOR_TEXT] = "";

	if (domain && (job->result || monitor_change(domain, upgrade->next, NULL, why))) {
		event("failed", domain->manifest->name, domain->id, "%s cannot be loaded again, so it is built anew: %s", upgrade->file,
		      job->result ? reason(upgrade) : why);
		life_restart(domain);
	} else if (domain) {
		upgrade->next = NULL;
	}
	upgrade_free(upgrade);
}

static void begin(struct domain *domain, const char *file, void (*done)(struct job *))
{
	struct upgrade *upgrade = upgrade_new(domain, file);

	upgrade->job = (struct job){ .run = run, .done = done };
	job_start(&upgrade->job);
}

static void look_at(struct domain *domain)
{
	struct monitor *monitor = domain->monitor;

	if (monitor->images.is_missing) {
		begin(domain, monitor_image(domain), missing_is_there);
	} else if (!monitor->images.is_fallback_tried && monitor->state == MONITOR_SERVING &&
		   domain->manifest->driver.restart.then == EXHAUSTED_FALLBACK) {
		monitor->images.is_fallback_tried = true;
		begin(domain, domain->manifest->driver.fallback, fallback_is_there);
	}
}

void upgrade_look(void)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next)
		if (domain->monitor && domain->driver && domain->driver->shared.frame && !domain->monitor->images.is_busy)
			look_at(domain);
}

void upgrade_fallback_anew(struct domain *domain)
{
	if (!domain->monitor)
		return;
	monitor_fallback_forget(domain);
	upgrade_look();
}

/* ---- by hand ---- */

static void has_changed(void *context, const struct outcome *result)
{
	struct upgrade *upgrade = context;
	struct domain *domain = domain_by_uuid(upgrade->uuid);

	if (result->code || !domain)
		rpc_fail_outcome(upgrade->request, result);
	else if (strcmp(domain->monitor->images.file, upgrade->file))
		rpc_fail(upgrade->request, CODE_FAILED, "'%s' has not come up with %s, and runs %s again: see 'skink events' and 'skink why %s'",
			 domain->manifest->name, upgrade->file, domain->monitor->images.file, domain->manifest->name);
	else
		rpc_answer(upgrade->request, json_pack("{s:o, s:o}", "domain", domain_json(domain), "restart", monitor_json(domain->monitor)));
	upgrade_free(upgrade);
}

static void fail(struct upgrade *upgrade, const char *why)
{
	rpc_fail(upgrade->request, CODE_FAILED, "%s: %s", upgrade->file, why);
	upgrade_free(upgrade);
}

/* What it attaches may have changed since its copy was taken. */
static void is_prepared(struct job *job)
{
	struct upgrade *upgrade = (struct upgrade *)job;
	struct wait_request wait = { .what = WAIT_RECOVERED, .timeout_s = upgrade->timeout_s };
	struct domain *domain = domain_of(upgrade);
	char why[MONITOR_TEXT];
	json_t *named;

	if (!domain)
		fail(upgrade, "the driver domain has ended meanwhile");
	else if (job->result)
		fail(upgrade, reason(upgrade));
	else if (image_check(&upgrade->next->note, domain->driver->table, upgrade->why, sizeof(upgrade->why)))
		fail(upgrade, upgrade->why);
	else if (monitor_change(domain, upgrade->next, upgrade->back, why))
		fail(upgrade, why);
	else {
		upgrade->next = upgrade->back = NULL;
		named = json_string(domain->manifest->name);
		target_find(named, &wait.target);
		json_decref(named);
		wait_start(&wait, has_changed, upgrade);
	}
}

static bool may_upgrade(struct request *request, const struct target *target, const char *file)
{
	const struct domain *domain = target->record;

	if (!domain || !domain->monitor)
		rpc_fail(request, CODE_NOT_ALLOWED, "'%s' is no driver domain: shut it down, and create it with another <kernel>", target->name);
	else if (*file != '/' || strlen(file) >= MONITOR_FILE)
		rpc_fail(request, CODE_BAD, "'%s': write the whole name of an image, from '/' on", file);
	else if (!domain->driver || domain->is_paused || domain->monitor->state != MONITOR_SERVING || !driver_serves(domain->driver))
		rpc_fail(request, CODE_FAILED, "'%s' does not serve now: 'skink info %s' says why", target->name, target->name);
	else if (!domain->driver->shared.frame)
		rpc_fail(request, CODE_FAILED, "'%s' was built by an older skinkd, which did not note its frames: destroy it and create it again",
			 target->name);
	else if (domain->monitor->images.is_busy)
		rpc_fail(request, CODE_FAILED, "an image of '%s' is being prepared already: try again when that is done", target->name);
	else
		return true;
	return false;
}

void method_upgrade(struct request *request)
{
	double timeout_s = TIMEOUT_S;
	struct upgrade *upgrade;
	struct target target;
	const char *file;
	json_t *named;

	if (!rpc_unpack(request, "{s:o, s:s, s?F}", "domain", &named, "image", &file, "timeout", &timeout_s) ||
	    !method_guest(request, named, true, &target) || !may_upgrade(request, &target, file))
		return;
	upgrade = upgrade_new(target.record, file);
	upgrade->request = request;
	upgrade->timeout_s = timeout_s < 0 ? 0 : timeout_s;
	upgrade->job = (struct job){ .run = run, .done = is_prepared };
	job_start(&upgrade->job);
}
