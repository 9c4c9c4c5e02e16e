/* SPDX-License-Identifier: MIT */
/*
 * validate, plan and apply. A plan is made as a whole before anything is done; apply then takes it step by step, and what
 * a step comes to is written into the plan that is answered with.
 */
#include <stdlib.h>
#include <string.h>

#include "skinkd/autostart.h"
#include "skinkd/check.h"
#include "skinkd/events.h"
#include "skinkd/job.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/state.h"
#include "skinkd/wait.h"

#define STEP_TIMEOUT_S	120.0

/* ---- validate ---- */

struct validation {
	struct job job;
	struct request *request;
	struct manifest *manifest;
	json_t *warnings;
	struct build_error error;
};

static int run_validation(struct job *job, struct core *core)
{
	struct validation *validation = (struct validation *)job;

	return check_files(validation->manifest, &validation->error);
}

static void validated(struct job *job)
{
	struct validation *validation = (struct validation *)job;
	struct outcome result;

	if (job->result) {
		result = life_blame(validation->manifest, &validation->error);
		rpc_fail_outcome(validation->request, &result);
		json_decref(result.lines);
		json_decref(validation->warnings);
	} else {
		rpc_answer(validation->request, json_pack("{s:o}", "warnings", validation->warnings));
	}
	manifest_free(validation->manifest);
	free(validation);
}

void method_validate(struct request *request)
{
	struct validation *validation;
	struct manifest *manifest;
	const char *xml, *file = "manifest";
	json_t *warnings;

	if (!rpc_unpack(request, "{s:s, s?s}", "xml", &xml, "file", &file))
		return;
	manifest = method_manifest(request, xml, file, &warnings);
	if (!manifest)
		return;
	validation = need_memory(calloc(1, sizeof(*validation)));
	*validation = (struct validation){ .job = { .run = run_validation, .done = validated }, .request = request,
					   .manifest = manifest, .warnings = warnings };
	job_start(&validation->job);
}

/* ---- a plan ---- */

enum action { KEEP, RECORD, CHANGE, CREATE, RESTART, DESTROY, BLOCKED };

static const char *const action_names[] = {
	[KEEP] = "keep", [RECORD] = "record", [CHANGE] = "change", [CREATE] = "create", [RESTART] = "restart",
	[DESTROY] = "destroy", [BLOCKED] = "blocked",
};

struct step {
	enum action action;
	struct manifest *manifest;	/* NULL: destroy, or blocked for want of `prune` */
	uint8_t uuid[16];		/* of the domain that is there */
	json_t *shown;
};

struct plan {
	struct request *request;	/* NULL: nobody asked, the host starts */
	struct step *steps;
	size_t count, at;
	json_t *warnings;
	size_t failures;
	const char *then_folder;	/* applied after it, or NULL */
};

static void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		manifest_free(plan->steps[i].manifest);
		json_decref(plan->steps[i].shown);
	}
	free(plan->steps);
	json_decref(plan->warnings);
	free(plan);
}

static json_t *changes_json(const struct manifest_changes *changes)
{
	static const char *const how[] = { [CHANGE_LIVE] = "live", [CHANGE_RESTART] = "restart", [CHANGE_RECORD] = "record" };
	json_t *list = json_array();

	for (size_t i = 0; i < changes->count; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "field", changes->changes[i].field, "from",
						      changes->changes[i].from, "to", changes->changes[i].to, "how",
						      how[changes->changes[i].how]));
	return list;
}

/* Takes the manifest and the list of changes. */
static void add_step(struct plan *plan, enum action action, const char *name, struct manifest *manifest,
		     const struct domain *there, json_t *changes, const char *note)
{
	struct step *step;

	plan->steps = need_memory(realloc(plan->steps, (plan->count + 1) * sizeof(*plan->steps)));
	step = &plan->steps[plan->count++];
	*step = (struct step){ .action = action, .manifest = manifest };
	if (there)
		memcpy(step->uuid, there->uuid, sizeof(step->uuid));
	step->shown = json_pack("{s:s, s:s, s:o, s:s?}", "domain", name, "action", action_names[action], "changes",
				changes ? changes : json_array(), "note", note);
	need_memory(step->shown);
}

static enum action action_for(const struct manifest_changes *changes, bool may_restart)
{
	enum action action = changes->count ? RECORD : KEEP;

	if (changes->needs_restart)
		return may_restart ? RESTART : BLOCKED;
	for (size_t i = 0; i < changes->count; i++)
		if (changes->changes[i].how == CHANGE_LIVE)
			action = CHANGE;
	return action;
}

/* Takes the manifest. */
static void plan_one(struct plan *plan, struct manifest *manifest, bool may_restart)
{
	struct domain *there = domain_by_name(manifest->name);
	struct manifest_changes changes = { 0 };
	enum action action;

	if (!there) {
		add_step(plan, CREATE, manifest->name, manifest, NULL, NULL, NULL);
		return;
	}
	manifest_compare(there->manifest, manifest, &changes);
	action = action_for(&changes, may_restart);
	add_step(plan, action, manifest->name, manifest, there, changes_json(&changes),
		 action == BLOCKED ? "it needs a restart, which was not allowed: --restart" : NULL);
	manifest_changes_free(&changes);
}

static void plan_absent(struct plan *plan, struct manifest *const *manifests, size_t count, bool prune)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		size_t i = 0;

		/* Driver domains have a folder of their own: they are taken away by hand. */
		if (domain->manifest->role != ROLE_GUEST)
			continue;
		while (i < count && strcmp(manifests[i]->name, domain->manifest->name))
			i++;
		if (i == count)
			add_step(plan, prune ? DESTROY : BLOCKED, domain->manifest->name, NULL, domain, NULL,
				 prune ? NULL : "it has no manifest there, and destroying it was not allowed: --prune");
	}
}

/* NULL: it cannot be parsed. What is wrong with it goes into the report. */
static struct manifest *parse_one(json_t *one, struct report *report)
{
	const char *file = "manifest", *xml = "";
	struct manifest *manifest;

	json_unpack(one, "{s?s, s?s}", "file", &file, "xml", &xml);
	return manifest_parse(xml, strlen(xml), file, &manifest, report) ? manifest : NULL;
}

/* Who serves comes before who is served. */
static void plan_all(struct plan *plan, struct manifest *const *manifests, size_t count, bool may_restart)
{
	for (size_t i = 0; i < count; i++)
		if (manifests[i]->role != ROLE_GUEST)
			plan_one(plan, manifests[i], may_restart);
	for (size_t i = 0; i < count; i++)
		if (manifests[i]->role == ROLE_GUEST)
			plan_one(plan, manifests[i], may_restart);
}

static struct plan *plan_new(struct request *request)
{
	struct plan *plan = need_memory(calloc(1, sizeof(*plan)));

	plan->request = request;
	return plan;
}

/* All or nothing: somebody asked, and can mend what is wrong. NULL: it has been refused. */
static struct plan *plan_make(struct request *request, json_t *files, bool prune, bool restart)
{
	struct manifest **manifests = need_memory(calloc(json_array_size(files) + 1, sizeof(*manifests)));
	struct report report = { 0 };
	struct plan *plan = NULL;
	size_t count = 0, i;
	json_t *one;

	json_array_foreach(files, i, one) {
		manifests[count] = parse_one(one, &report);
		count += manifests[count] != NULL;
	}
	for (i = 0; i < count; i++)
		check_host(manifests[i], domain_by_name(manifests[i]->name), &(struct check_set){ manifests, count }, &report);
	manifest_check_set(manifests, count, &report);
	if (report.error_count) {
		rpc_fail_lines(request, CODE_BAD, "nothing is done: not all manifests can be used",
			       report_lines(&report, SEVERITY_ERROR));
		for (i = 0; i < count; i++)
			manifest_free(manifests[i]);
	} else {
		plan = plan_new(request);
		plan->warnings = report_lines(&report, SEVERITY_WARNING);
		plan_absent(plan, manifests, count, prune);
		plan_all(plan, manifests, count, restart);
	}
	free(manifests);
	report_free(&report);
	return plan;
}

static void tell_errors(const struct report *report)
{
	json_t *lines = report_lines(report, SEVERITY_ERROR), *line;
	size_t i;

	json_array_foreach(lines, i, line)
		event("failed", NULL, 0, "%s", json_string_value(line));
	json_decref(lines);
}

/* The host starts, and nobody is there to mend anything: a file that is wrong, also beside those before it, is left out. */
static struct plan *plan_for_start(json_t *files)
{
	struct manifest **manifests = need_memory(calloc(json_array_size(files) + 1, sizeof(*manifests)));
	struct plan *plan = plan_new(NULL);
	size_t count = 0, i;
	json_t *one;

	json_array_foreach(files, i, one) {
		struct report report = { 0 };

		manifests[count] = parse_one(one, &report);
		if (manifests[count]) {
			check_host(manifests[count], domain_by_name(manifests[count]->name),
				   &(struct check_set){ manifests, count }, &report);
			manifest_check_set(manifests, count + 1, &report);
		}
		if (report.error_count) {
			tell_errors(&report);
			manifest_free(manifests[count]);
		} else {
			count++;
		}
		report_free(&report);
	}
	plan_all(plan, manifests, count, false);
	free(manifests);
	return plan;
}

static json_t *plan_steps(const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append(list, plan->steps[i].shown);
	return list;
}

/* ---- apply ---- */

static void apply_next(struct plan *plan);

static void plan_done(struct plan *plan)
{
	char message[128];

	if (plan->request && plan->failures) {
		snprintf(message, sizeof(message), "%zu of %zu steps failed", plan->failures, plan->count);
		rpc_fail_lines(plan->request, CODE_FAILED, message, plan_steps(plan));
	} else if (plan->request) {
		rpc_answer(plan->request, json_pack("{s:o, s:O}", "steps", plan_steps(plan), "warnings", plan->warnings));
	}
	if (plan->then_folder)
		apply_folder(plan->then_folder, NULL);
	plan_free(plan);
}

static void step_done(void *context, const struct outcome *result)
{
	struct plan *plan = context;
	struct step *step = &plan->steps[plan->at++];
	const char *line = result->lines ? json_string_value(json_array_get(result->lines, 0)) : NULL;

	json_object_set_new(step->shown, "done", json_boolean(!result->code));
	json_object_set_new(step->shown, "error", result->code ? json_string(line ? line : result->message) : json_null());
	if (result->code) {
		plan->failures++;
		event("failed", json_string_value(json_object_get(step->shown, "domain")), 0, "apply: %s",
		      line ? line : result->message);
	}
	apply_next(plan);
}

static void await(struct plan *plan, struct domain *domain, enum wait_for what)
{
	struct wait_request wait = { .what = what, .timeout_s = STEP_TIMEOUT_S };

	wait.target = (struct target){ .record = domain, .id = domain->id, .has_id = true };
	snprintf(wait.target.name, sizeof(wait.target.name), "%s", domain->manifest->name);
	wait_start(&wait, step_done, plan);
}

static void apply_to(struct plan *plan, struct step *step, struct domain *domain)
{
	struct manifest *manifest = step->manifest;
	struct outcome result = outcome(0, "done");

	step->manifest = NULL;
	switch (step->action) {
	case DESTROY:
		life_destroy(domain);
		await(plan, domain, WAIT_GONE);
		return;
	case RESTART:
		/* The wait knows it by the id that it has now. */
		await(plan, domain, WAIT_REPLACED);
		domain_keep_macs(manifest, domain->manifest);
		manifest_free(domain->manifest);
		domain->manifest = manifest;
		domain_keep_uuid(domain);
		life_restart(domain);
		return;
	default:
		result = change_live(domain, manifest);
		step_done(plan, &result);
	}
}

static bool has_work(const struct step *step)
{
	return step->action != KEEP && step->action != BLOCKED;
}

static void apply_next(struct plan *plan)
{
	struct outcome gone = outcome(CODE_FAILED, "it has changed meanwhile: plan again");
	struct manifest *manifest;
	struct domain *domain;
	struct step *step;

	while (plan->at < plan->count && !has_work(&plan->steps[plan->at]))
		json_object_set_new(plan->steps[plan->at++].shown, "done", json_false());
	if (plan->at == plan->count) {
		plan_done(plan);
		return;
	}
	step = &plan->steps[plan->at];
	if (plan->request)
		rpc_progress(plan->request, json_string_value(json_object_get(step->shown, "domain")));
	domain = step->action == CREATE ? domain_by_name(step->manifest->name) : domain_by_uuid(step->uuid);
	if (step->action == CREATE && !domain) {
		manifest = step->manifest;
		step->manifest = NULL;
		life_create(manifest, false, step_done, plan);
	} else if (step->action == CREATE || !domain || (domain->phase != PHASE_RUNNING && domain->phase != PHASE_ENDED)) {
		step_done(plan, &gone);
	} else {
		apply_to(plan, step, domain);
	}
}

/* ---- the methods ---- */

static struct plan *plan_for(struct request *request)
{
	int prune = 0, restart = 0;
	json_t *files;

	if (!rpc_unpack(request, "{s:o, s?b, s?b}", "files", &files, "prune", &prune, "restart", &restart))
		return NULL;
	if (!json_is_array(files)) {
		rpc_fail(request, CODE_BAD, "files is a list of {\"file\", \"xml\"}");
		return NULL;
	}
	return plan_make(request, files, prune, restart);
}

void method_plan(struct request *request)
{
	struct plan *plan = plan_for(request);

	if (!plan)
		return;
	rpc_answer(request, json_pack("{s:o, s:O}", "steps", plan_steps(plan), "warnings", plan->warnings));
	plan_free(plan);
}

void method_apply(struct request *request)
{
	struct plan *plan = plan_for(request);

	if (plan)
		apply_next(plan);
}

void apply_folder(const char *folder, const char *then_folder)
{
	json_t *files = autostart_files(folder);
	struct plan *plan = plan_for_start(files);

	json_decref(files);
	plan->then_folder = then_folder;
	apply_next(plan);
}
