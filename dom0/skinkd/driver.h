/* SPDX-License-Identifier: MIT */
/*
 * A driver domain that runs, as skinkd works with it: the pages that they share (protocols/driver.md) and their event channel.
 * DR1  What stands in the status and the log is the driver's: it is copied once, and the copy is judged.
 * DR2  Each driver is a record of struct domain, from its build to its end; its pages are mapped as long.
 * DR3  A driver that has called is not heard for 2 ms, and one that calls again at once for twice as long each time, to 64 ms.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/driver.h"

struct domain;
struct manifest;
struct manifest_health;
struct monitor;

/* The loop's own, for watch_slow.c: what had been counted at its last look. */
struct driver_seen {
	bool is_known;
	uint32_t generation;
	uint64_t log_written, answered;
	uint32_t faults[DRIVER_FUNCTIONS_MAX], storms[DRIVER_FUNCTIONS_MAX];
	uint64_t used[SKINK_ACCOUNT_KINDS];
	uint32_t limit_looks[SKINK_ACCOUNT_KINDS];
	struct {
		uint64_t at_ns, cpu_ns, heartbeat, events;
		uint32_t rested, looks;
	} rounds;			/* of its loop */
};

struct driver {
	struct domain *domain;
	struct monitor *monitor;	/* the domain's */
	struct driver_shared shared;
	void *map;			/* of all that follow */
	struct driver_table *table;
	const struct driver_status *status;
	const struct driver_log *log;
	uint8_t *ledger;
	int port;			/* Dom0's end of the channel; -1: there is none */
	struct {
		bool is_masked;		/* the port, until due_ms */
		uint32_t quiet_ms;
		uint64_t due_ms, heard_from_ms, count;
	} call;
	uint64_t log_at_death;		/* bytes of the log when its last death was told of */
	uint64_t log_second_ms, log_second_bytes;	/* what was taken in the second that began then */
	enum driver_state state;	/* as it was last told of */
	struct driver_seen seen;
	uint32_t unready_looks;		/* watch_slow.c's, while it has not said ready */
	uint64_t cpu_ns;		/* that it had had when its attachments were last given theirs */
};

bool drivers_open(void);		/* the way to their channels; false: said why not */

/* Of a domain that has just been built, or was when skinkd was started. Takes shared->mfn. NULL: said why not. */
struct driver *driver_open(struct domain *domain, const struct driver_shared *shared);
void driver_close(struct domain *domain);

/* What state.json keeps of it. */
json_t *driver_out(const struct driver *driver);
bool driver_in(json_t *json, struct driver_shared *shared);

/* Looks at what all of them say: after an event, and now and then. */
void drivers_look(void);

/* Of one that has ended: its log is taken to the end, and `text` is what it said in its status; empty: nothing. */
void driver_last_words(struct driver *driver, char *text, size_t room);

/* The table has changed. */
void driver_tell(struct driver *driver);
/* Its manifest has changed: what the table says of its heartbeat, and of what its device may take. */
void driver_health(struct driver *driver, const struct manifest_health *health);

/* That serve: by name, or (NULL) the only one of its role. */
struct driver *driver_find(const char *name, enum driver_role role);
const char *driver_state_name(const struct driver *driver);
bool driver_serves(const struct driver *driver);

/* A copy that ends, is UTF-8 and has no control characters. */
void driver_text(const char *from, size_t bytes, char *text, size_t room);

/* What `list`, `info` and `top` show of it. */
json_t *driver_json(const struct driver *driver);

/* For the build: what the manifest says of it; false for a guest. */
bool driver_request(const struct manifest *manifest, struct build_driver *request);
/* What a domain that may have so much is built with: a driver domain's clean copy, which the core keeps, is a part of it. */
uint64_t driver_own_kib(const struct manifest *manifest, uint64_t kib);
const char *driver_image(const struct manifest *manifest);
