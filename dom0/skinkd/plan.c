/* SPDX-License-Identifier: MIT */
#include "skinkd/plan.h"

#include <stdlib.h>
#include <string.h>

#include "skinkd/check.h"
#include "skinkd/events.h"
#include "skinkd/methods.h"

static const char *const action_names[] = {
	[PLAN_KEEP] = "keep", [PLAN_RECORD] = "record", [PLAN_CHANGE] = "change", [PLAN_CREATE] = "create", [PLAN_RESTART] = "restart",
	[PLAN_DESTROY] = "destroy", [PLAN_BLOCKED] = "blocked",
};

void plan_free(struct plan *plan)
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
static void add_step(struct plan *plan, enum plan_action action, const char *name, struct manifest *manifest,
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

static enum plan_action action_for(const struct manifest_changes *changes, bool may_restart)
{
	enum plan_action action = changes->count ? PLAN_RECORD : PLAN_KEEP;

	if (changes->needs_restart)
		return may_restart ? PLAN_RESTART : PLAN_BLOCKED;
	for (size_t i = 0; i < changes->count; i++)
		if (changes->changes[i].how == CHANGE_LIVE)
			action = PLAN_CHANGE;
	return action;
}

/* Takes the manifest. */
static void plan_one(struct plan *plan, struct manifest *manifest, bool may_restart)
{
	struct domain *there = domain_by_name(manifest->name);
	struct manifest_changes changes = { 0 };
	enum plan_action action;

	if (!there) {
		add_step(plan, PLAN_CREATE, manifest->name, manifest, NULL, NULL, NULL);
		return;
	}
	manifest_compare(there->manifest, manifest, &changes);
	action = action_for(&changes, may_restart);
	add_step(plan, action, manifest->name, manifest, there, changes_json(&changes),
		 action == PLAN_BLOCKED ? "it needs a restart, which was not allowed: --restart" : NULL);
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
			add_step(plan, prune ? PLAN_DESTROY : PLAN_BLOCKED, domain->manifest->name, NULL, domain, NULL,
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

struct plan *plan_make(struct request *request, json_t *files, bool prune, bool restart)
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

struct plan *plan_for_start(json_t *files)
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

json_t *plan_steps(const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append(list, plan->steps[i].shown);
	return list;
}
