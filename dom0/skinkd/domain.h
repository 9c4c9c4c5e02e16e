/* SPDX-License-Identifier: MIT */
/*
 * A domain that skinkd built: its manifest, and where it is in its life.
 *
 *            life_create()          built                the guest has ended           life_end()
 *   (none) ---------------> BUILDING ----> RUNNING -------------------------> ENDED ------------> ENDING ---> (none)
 *                              |  ^           |                                 | (dump first)        |
 *                     failed   v  |           +--------- life_end() ------------)---------------------+
 *                           (none)|                                             v                     |
 *                                 |                                          DUMPING ----> ENDING     |
 *                                 +--------------------- restart ------------------------------------+
 * D1  A name and a UUID belong to one record at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/attach.h"
#include "lib/core.h"
#include "lib/manifest.h"
#include "skinkd/pay.h"

enum phase {
	PHASE_BUILDING,			/* on the work queue, or waiting for it */
	PHASE_RUNNING,			/* in the core; it may be paused */
	PHASE_ENDED,			/* shut down or crashed, and preserved */
	PHASE_DUMPING,
	PHASE_ENDING,			/* being destroyed */
};

struct driver;
struct monitor;
struct note;

struct domain {
	struct domain *next;
	struct manifest *manifest;
	uint8_t uuid[16];
	domid_t id;			/* not while PHASE_BUILDING */
	enum phase phase;
	bool is_doomed;			/* it was asked to be destroyed: no policy is obeyed */
	bool stays_down;		/* it was asked to shut down for good: where its policy says restart, it is destroyed */
	bool is_restarting;		/* PHASE_ENDING: it is built again after that */
	bool starts_paused;
	bool is_new;			/* PHASE_RUNNING: it has not all its devices yet, and was not let run */
	bool is_paused;			/* by hand */
	enum phase dumped_in;		/* PHASE_DUMPING: what it was in before ... */
	bool is_dump_paused;		/* ... and it was paused for that */
	uint64_t memory_target_kib;
	uint32_t vcpus_target;
	double started;			/* seconds since 1970 */
	uint64_t started_ms;		/* uv_now(); 0: before skinkd was started */
	uint32_t restarts;
	uint32_t quick_deaths;		/* in a row */
	uint64_t gone[2][ATTACH_SUMS];	/* what its attachments of each kind have counted that are there no more: attach_sums() */
	struct driver *driver;		/* of a driver domain, while it is there */
	struct pay pay;
	struct monitor *monitor;	/* of one that ever was a driver domain */
	struct note *note;		/* of its death, while the last words are awaited: its policy is obeyed after that */
};

/* Whom a request means: a record, or a domain of the core that is not ours, or both. */
struct target {
	struct domain *record;		/* NULL: Domain-0, or somebody else built it */
	domid_t id;
	bool has_id;
	struct xen_domctl_getdomaininfo info;	/* if has_id */
	char name[64];
};

struct domain *domain_add(struct manifest *manifest);		/* takes it */
/* A manifest that names no UUID gets the domain's. */
void domain_keep_uuid(struct domain *domain);
/* Interfaces that have no MAC address get one. */
void domain_choose_macs(struct manifest *manifest);
/* What the new one leaves open stays as it is. */
void domain_keep_macs(struct manifest *manifest, const struct manifest *old);
void domain_remove(struct domain *domain);
struct domain *domain_by_name(const char *name);
struct domain *domain_by_id(domid_t id);
struct domain *domain_by_uuid(const uint8_t uuid[16]);

/* A name, a number or a UUID, as text or number. False: there is none. */
bool target_find(const json_t *named, struct target *target);

/* All that are there: those in the core by id, then those that are being built. The caller frees *targets. */
size_t target_list(struct target **targets);

/* The fields that `list` shows of each. */
json_t *target_json(const struct target *target);
json_t *domain_json(const struct domain *domain);

const char *reason_name(uint32_t flags);

/* "running", "blocked", "paused", "crashed" and so on. */
const char *state_name(const struct target *target);
bool uuid_parse(const char *text, uint8_t uuid[16]);
