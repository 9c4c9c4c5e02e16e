/* SPDX-License-Identifier: MIT */
/*
 * Attachments: the interfaces and disks of domains, Domain-0's too, at the driver domains that serve them. skinkd does the
 * whole xenbus hand-shake for these: a driver domain never sees the store.
 *
 *   device in a manifest --> PARKED <---driver comes, goes---> PLUGGED: nodes in the store, lib/attach.h says what is next
 *
 * K1  What the front-end's node and the driver's status say is looked at anew at each step; nothing is remembered of it but states and K4's sums.
 * K2  state.json knows of a record before the driver does: a skinkd that is started again finds every attachment.
 * K3  An attachment outlives its domain until the driver has let go of it.
 * K4  The driver's counters of it are of one serial: what they have come to is added to what its domain has had before they begin anew.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "lib/attach.h"
#include "lib/core.h"
#include "skinkd/host.h"

struct domain;
struct driver;

#define ATTACH_KEY	24

/* What is FAILED is told, and tried again when its driver or its domain comes anew. */
enum transient_state { TRANSIENT_NONE, TRANSIENT_COPYING, TRANSIENT_READY, TRANSIENT_FAILED };

/* share.h's */
struct attachment_share {
	uint32_t serial;
	uint64_t asked, sent;		/* what it has asked for since it was attached, and what others have sent it */
	uint64_t news, asked_news;	/* since the last look: of both, and what it asked for */
	uint64_t events;		/* of its front-end that the driver has taken */
	uint64_t occasions;		/* requests and packets: what an event can be for */
	uint64_t busy_ns, asked_ns;	/* the driver's time for all of it; for what it asked for */
};

enum attach_told { TOLD_ATTACHED, TOLD_REFUSED, TOLD_KINDS };

struct attachment {
	struct attachment *next;
	enum attach_kind kind;
	domid_t front_id;
	char front_name[64];
	char key[ATTACH_KEY];		/* which device of its manifest: the MAC address, or xvda */
	uint32_t device;		/* the front-end's number: vif N, vbd N */
	char driver_name[64];		/* who serves it; "" until it is known */
	struct driver *driver;		/* NULL: parked */
	enum xenbus_state back, front;
	enum attach_record record;
	int slot;			/* of the driver's table, if record is not RECORD_NONE */
	uint32_t serial;
	uint32_t watched;		/* the serial whose rings are watched (watch.h); 0: none */
	uint32_t withdrawn_at;		/* `changed` of the table */
	bool is_wanted, is_forced, is_refused;
	bool is_aside;			/* attach_is_aside(), and it has been told */
	bool is_lost;			/* a death of its driver has spoilt its rings ... */
	uint64_t anew_ms;		/* ... and it is not attached again before this, in the loop's time */
	uint32_t refusals;		/* since it was last connected: the events name only the first few */
	uint32_t told[TOLD_KINDS];	/* events that its front-end has brought about ... */
	uint64_t told_ms;		/* ... in the minute that began then */
	struct driver_blk blk;		/* of a disk that has been offered: its extents ... */
	uint32_t blk_flags;		/* ... and DRIVER_BLK_* */
	bool has_volumes;		/* they are volumes, all of them */
	enum transient_state transient;	/* its copy, if it is a transient disk ... */
	uint32_t copying;		/* ... and which one is being made: another of that name may be, for one that has gone */
	struct attachment_share share;
	bool is_stuck;			/* it cannot be offered as things are: `why` */
	char why[ATTACH_WHY];		/* it waits, or was refused, for this reason; "" */
};

extern struct attachment *attachments;

/* All devices of the manifest; what cannot be served is told as an event, and tried again when a driver comes. */
void attach_domain(domid_t id, const struct manifest *manifest);
/* With the next look devices come and go so that they are the manifest's. For each *left is one more, and done() called when it has, or the time is over. */
void attach_change(domid_t id, const struct manifest *manifest, double timeout_s, done_fn done, void *context, size_t *left);
/* The same for one that was changed by a skinkd that was killed before it came to its devices: nobody waits any more. */
void attach_resume(domid_t id, const struct manifest *manifest);
/* A device of the manifest's whose namesake the guest has not let go of yet: its key, or NULL. */
const char *attach_leaving(domid_t id, const struct manifest *manifest);
void attach_domain_gone(domid_t id);
void attach_driver_gone(struct driver *driver);

/* Something may have changed. */
void attach_look(void);
/* The store's news: true if it was about an attachment. */
bool attach_store_news(const char *path, const char *token);

/* One device of Domain-0's or a guest's, by its key: at once; 0, or *why. */
struct attachment *attach_add(domid_t id, const char *name, enum attach_kind kind, const char *key, const char *driver_name);
struct attachment *attach_find(domid_t id, const char *key);
/* The guest is asked to let go of it; is_forced: it is not. */
void attach_remove(struct attachment *attachment, bool is_forced);
/* What may change while it is connected: the link, rates. */
void attach_update(domid_t id, const struct manifest *manifest);

void attach_mac_text(const uint8_t mac[6], char text[ATTACH_KEY]);

/* DR1: what the driver says of it; `attach_status` only while it has a record. */
enum driver_answer attach_answer(const struct attachment *attachment);
const struct driver_attachment_status *attach_status(const struct attachment *attachment);
/* The driver has it, and does not serve it: a request of it has ended two of its lives. */
bool attach_is_aside(const struct attachment *attachment);

/* Where a domain's manifest is: Domain-0 has one too. NULL: it is gone. */
struct manifest *attach_manifest_of(domid_t id);
const struct manifest_interface *attach_interface(const struct manifest *manifest, const char *mac);
const struct manifest_disk *attach_disk(const struct manifest *manifest, const char *target);

/* Each of the disk's extents is a volume, or of one. */
bool attach_has_volumes(const struct attachment *attachment);

/* ---- attach_list.c ---- */

/* done() when it is connected, or gone; or the time is over. */
enum attach_await { ATTACH_AWAIT_CONNECTED, ATTACH_AWAIT_GONE };
void attach_wait(const struct attachment *attachment, enum attach_await what, double timeout_s, done_fn done, void *context);
void attach_waits_look(void);

/* Those that were set aside are served again: how many there were. */
uint32_t attach_serve_aside(struct driver *driver);

/* How many front-ends a driver has, and the name of one. */
uint32_t attach_count(const struct driver *driver, const char **name);

json_t *attachments_of_driver(const struct driver *driver);
json_t *attachments_of_domain(domid_t id);
/* Sums of all its attachments of that kind, also of those that have gone since it was built, or null: there was none. */
json_t *attach_sums(domid_t id, enum attach_kind kind);
/* What the store says of both ends: of one that is taken up, and when there is a store again. */
void attach_read_states(struct attachment *attachment);
/* K4: its record goes, or gets another serial. */
void attach_count_gone(const struct attachment *attachment);

/* state.json */
json_t *attach_out(void);
void attach_in(json_t *list);
