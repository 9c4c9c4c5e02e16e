/* SPDX-License-Identifier: MIT */
/*
 * A plan: what has to be done so that the domains are what manifests say. It is made as a whole before anything is done (plan.c);
 * apply then takes it step by step (apply.c), and what a step comes to is written into the plan that is answered with.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/manifest.h"
#include "skinkd/rpc.h"

enum plan_action {
	PLAN_KEEP,
	PLAN_RECORD,
	PLAN_CHANGE,
	PLAN_CREATE,
	PLAN_RESTART,
	PLAN_DESTROY,
	PLAN_BLOCKED,
};

struct step {
	enum plan_action action;
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

/* All or nothing: somebody asked, and can mend what is wrong. files: a list of {"file", "xml"}. NULL: it has been refused. */
struct plan *plan_make(struct request *request, json_t *files, bool prune, bool restart);

/* The host starts, and nobody is there to mend anything: a file that is wrong, also beside those before it, is left out. */
struct plan *plan_for_start(json_t *files);

/* What is answered with: the steps, as far as they have come. */
json_t *plan_steps(const struct plan *plan);

/* Does what it says; takes it, and answers its request. */
void plan_apply(struct plan *plan);

void plan_free(struct plan *plan);
