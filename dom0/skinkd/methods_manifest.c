/* SPDX-License-Identifier: MIT */
/* validate, plan and apply. */
#include <stdlib.h>

#include "skinkd/autostart.h"
#include "skinkd/check.h"
#include "skinkd/job.h"
#include "skinkd/life.h"
#include "skinkd/methods.h"
#include "skinkd/plan.h"

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

/* ---- plan and apply ---- */

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
		plan_apply(plan);
}

void apply_folder(const char *folder, const char *then_folder)
{
	json_t *files = autostart_files(folder);
	struct plan *plan = plan_for_start(files);

	json_decref(files);
	plan->then_folder = then_folder;
	plan_apply(plan);
}
