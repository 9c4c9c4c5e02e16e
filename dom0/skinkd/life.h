/* SPDX-License-Identifier: MIT */
/*
 * The life of the domains that skinkd built: from a manifest to a running domain, and what its policies say when it ends.
 * L1  Builds go one after the other: two never compete for memory.
 * L2  state.json says what is about to be done before it is done, so that a skinkd started again can finish or undo it.
 */
#pragma once

#include "skinkd/domain.h"
#include "skinkd/host.h"

/* Takes the manifest, which has been checked. The record is there at once; done() when it runs, or has failed and is gone. */
void life_create(struct manifest *manifest, bool starts_paused, done_fn done, void *context);

/* No policy is obeyed: it goes and stays gone. Of a domain that is being built: as soon as that is done. */
void life_destroy(struct domain *domain);

/* Destroys it and builds it again from its manifest (which may have been replaced). */
void life_restart(struct domain *domain);

/* Gives it its devices and lets it run, unless it is to be paused; what a skinkd that was ended in the middle of it had done is not done again. */
int life_let_run(struct domain *domain);

/* The steps of these, for policy.c: build what is in the record (again), destroy it, and say that something is different now. */
void life_build(struct domain *domain, done_fn done, void *context);
void life_end(struct domain *domain, bool is_restart);
void life_changed(void);

/* Nobody is attached to it any more, and it to nobody: before it is destroyed, or when somebody else did. */
void life_leave(struct domain *domain);

/* ---- policy.c ---- */

/* Asks the core what has become of all domains, and does what their policies say. */
void life_look(void);

/* After skinkd has been started: what is left of before is taken up, finished or undone. */
void life_resume(void);

/* done() with the file's name as the message. file NULL: a new one. */
void life_dump(struct domain *domain, const char *file, bool is_live, done_fn done, void *context);
/* skinkd was ended in the middle of it: the domain goes on, without a core file. */
void life_dump_is_cut_off(struct domain *domain);

/* What a build complained of, as a complaint about the manifest. The caller drops ->lines. */
struct outcome life_blame(const struct manifest *manifest, const struct build_error *error);

/* Tells the core what the manifest says of scheduling, CPUs and limits. */
void life_tune(struct domain *domain);
