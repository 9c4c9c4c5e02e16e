/* SPDX-License-Identifier: MIT */
/*
 * The back-end's side of xenbus for one front-end device, on behalf of a driver domain: what to do next, what a back-end offers,
 * and what a front-end has answered. Nothing is done here: skinkd/attach.c reads and writes the store.
 *
 *   back-end      INITIALISING --OFFER--> INIT_WAIT --CONNECT, driver attached: TELL--> CONNECTED --CLOSE--> CLOSING --CLOSED--> CLOSED
 *   its record    none ------------------------------> GIVEN ---WITHDRAW---> WITHDRAWN ---driver detached: RELEASE---> none
 *
 * AT1  A record is given only for what the front-end has answered whole, and released only when the driver has let go of it.
 * AT2  What a front-end writes is text of a stranger: each number is judged, and whatever is wrong is said in words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xenbus.h>

#include "../../protocols/driver.h"
#include "lib/manifest.h"

enum attach_kind {
	ATTACH_VIF,
	ATTACH_VBD,
};

#define ATTACH_SUMS	4	/* of a driver's counters, for a domain's account */

enum attach_record {
	RECORD_NONE,
	RECORD_GIVEN,			/* in the driver's table */
	RECORD_WITHDRAWN,		/* its serial is 0; the driver may still use it */
};

enum attach_action {
	ATTACH_WAIT,
	ATTACH_OFFER,			/* write what the back-end can, then InitWait */
	ATTACH_CONNECT,			/* read what the front-end wants, and give the driver its record */
	ATTACH_TELL,			/* Connected */
	ATTACH_CLOSE,			/* Closing: the front-end shall close */
	ATTACH_WITHDRAW,
	ATTACH_RELEASE,
	ATTACH_CLOSED,			/* Closed */
	ATTACH_REMOVE,			/* all its nodes */
};

struct attach_view {
	enum attach_kind kind;
	enum xenbus_state back, front;	/* front XenbusStateUnknown: its node is gone, or senseless */
	enum attach_record record;
	enum driver_answer answer;	/* to the record that was given or withdrawn last */
	bool driver_serves;		/* and what the device is, is known */
	bool is_wanted;			/* false: it is being detached */
	bool is_forced;			/* the front-end is not asked */
	bool is_refused;		/* what the front-end wrote, or did, cannot be served: until it begins anew */
	bool comes_anew;		/* it was a driver's death that did it, and another is to take its place */
};

enum attach_action attach_next(const struct attach_view *view);
const char *attach_state_name(enum xenbus_state state);
enum xenbus_state attach_state_parse(const char *text);		/* NULL too */

/* ---- what a front-end answers ---- */

#define ATTACH_WHY	512

/* Below the front-end's path; NULL: it is not there. The caller frees the text. */
typedef char *(*attach_read_fn)(void *context, const char *node);

struct attach_front {
	attach_read_fn read;
	void *context;
	uint32_t queues_max;		/* as it was offered */
	uint32_t order_max;		/* of a block ring's pages */
};

/* Into the record: queue_count, queue[] without the ledgers, and the flags that are negotiated. False: `why`. */
bool attach_read_vif(const struct attach_front *front, struct driver_attachment *record, char why[ATTACH_WHY]);
bool attach_read_vbd(const struct attach_front *front, struct driver_attachment *record, char why[ATTACH_WHY]);

/* ---- what a back-end offers ---- */

typedef void (*attach_put_fn)(void *context, const char *node, const char *value);

struct attach_offer {
	attach_put_fn put;		/* below the back-end's path */
	void *context;
	uint32_t queues_max;
};

void attach_offer_vif(const struct attach_offer *offer);
void attach_offer_vbd(const struct attach_offer *offer, const struct driver_blk *disk, uint32_t flags, bool has_cache);

/* What the manifest says, for the driver. */
uint32_t attach_vif_of(const struct manifest_interface *interface, struct driver_net *net);	/* the flags */
void attach_rates_of(const struct manifest_iotune *limits, struct driver_blk *blk);

/* ---- places ---- */

/* The number by which a guest's kernel calls xvda; 0: it is no such name. */
uint32_t attach_disk_number(const char *target);

/* A free record of the table; -1: all are taken. */
int attach_slot(const struct driver_table *table);

/*
 * Gives each ring of the record its part of the ledger, laid out as ledger.md, section 1, has it, and its number. False: there
 * is no room, and nothing has changed.
 */
bool attach_ledgers(struct driver_table *table, uint8_t *ledger, size_t ledger_bytes, struct driver_attachment *record);
