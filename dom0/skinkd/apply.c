/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "skinkd/attach.h"
#include "skinkd/domain.h"
#include "skinkd/events.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/plan.h"
#include "skinkd/wait.h"

#define STEP_TIMEOUT_S	120.0
#define DEVICE_TIMEOUT_S	60.0

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
	plan_apply(plan);
}

static void await(struct plan *plan, struct domain *domain, enum wait_for what)
{
	struct wait_request wait = { .what = what, .timeout_s = STEP_TIMEOUT_S };

	wait.target = (struct target){ .record = domain, .id = domain->id, .has_id = true };
	snprintf(wait.target.name, sizeof(wait.target.name), "%s", domain->manifest->name);
	wait_start(&wait, step_done, plan);
}

/* ---- a change while it runs: done when the devices that come and go with it have ---- */

struct change {
	struct plan *plan;
	size_t left;
	struct outcome result;
};

static void part_done(void *context, const struct outcome *result)
{
	struct change *change = context;

	if (!change->result.code)
		change->result = *result;
	if (--change->left)
		return;
	step_done(change->plan, &change->result);
	free(change);
}

/* Takes the manifest. */
static void apply_live(struct plan *plan, struct domain *domain, struct manifest *manifest)
{
	const char *leaving = attach_leaving(domain->id, manifest);
	struct change *change;
	struct outcome result;

	if (leaving) {
		result = outcome(CODE_FAILED, "the guest has not let go of the old %s yet: apply again when it has, or 'skink detach --force' it",
				 leaving);
		manifest_free(manifest);
		step_done(plan, &result);
		return;
	}
	change = need_memory(calloc(1, sizeof(*change)));
	*change = (struct change){ .plan = plan, .left = 1, .result = outcome(0, "done") };
	result = change_live(domain, manifest);
	if (domain->phase == PHASE_RUNNING)
		attach_change(domain->id, domain->manifest, DEVICE_TIMEOUT_S, part_done, change, &change->left);
	part_done(change, &result);
	attach_look();
}

static void apply_to(struct plan *plan, struct step *step, struct domain *domain)
{
	struct manifest *manifest = step->manifest;

	step->manifest = NULL;
	switch (step->action) {
	case PLAN_DESTROY:
		life_destroy(domain);
		await(plan, domain, WAIT_GONE);
		return;
	case PLAN_RESTART:
		/* The wait knows it by the id that it has now. */
		await(plan, domain, WAIT_REPLACED);
		domain_keep_macs(manifest, domain->manifest);
		manifest_free(domain->manifest);
		domain->manifest = manifest;
		domain_keep_uuid(domain);
		life_restart(domain);
		return;
	default:
		apply_live(plan, domain, manifest);
	}
}

static bool has_work(const struct step *step)
{
	return step->action != PLAN_KEEP && step->action != PLAN_BLOCKED;
}

void plan_apply(struct plan *plan)
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
	domain = step->action == PLAN_CREATE ? domain_by_name(step->manifest->name) : domain_by_uuid(step->uuid);
	if (step->action == PLAN_CREATE && !domain) {
		manifest = step->manifest;
		step->manifest = NULL;
		life_create(manifest, false, step_done, plan);
	} else if (step->action == PLAN_CREATE || !domain || (domain->phase != PHASE_RUNNING && domain->phase != PHASE_ENDED)) {
		step_done(plan, &gone);
	} else {
		apply_to(plan, step, domain);
	}
}
