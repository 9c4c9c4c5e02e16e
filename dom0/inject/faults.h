/* SPDX-License-Identifier: MIT */
/*
 * What each class of docs/faults.md does to a driver. One function for each class, found in the table of faults.c.
 * FA1  What is written into the record is what was done, read back where that is possible.
 * FA2  `activated` is null where nothing tells whether the fault has had an effect on what the driver computes.
 */
#pragma once

#include <jansson.h>

#include "inject/decode.h"
#include "inject/victim.h"
#include "lib/fault.h"

enum injected {
	INJECTED,
	NO_TARGET,			/* this driver has nothing that the class could be done to */
	NOT_INJECTED,			/* it did not come by within the time: nothing was changed */
	VICTIM_GONE,			/* it died, was reset, or is no more: nothing is known */
};

struct fault {
	const struct fault_class *class;
	struct random random;
	json_t *record;			/* what is known of it */
};

/* All that is asked of a fault; the record is complete afterwards. The victim runs. */
enum injected fault_inject(struct victim *victim, const char *class, uint64_t seed, json_t *record);

/* ---- for the classes ---- */

typedef enum injected (*fault_fn)(struct victim *victim, struct fault *fault);

enum injected fault_crash(struct victim *victim, struct fault *fault);
enum injected fault_null(struct victim *victim, struct fault *fault);
enum injected fault_assertion(struct victim *victim, struct fault *fault);
enum injected fault_hang(struct victim *victim, struct fault *fault);
enum injected fault_hang_masked(struct victim *victim, struct fault *fault);

enum injected fault_text(struct victim *victim, struct fault *fault);

enum injected fault_data(struct victim *victim, struct fault *fault);
enum injected fault_heap(struct victim *victim, struct fault *fault);
enum injected fault_stack(struct victim *victim, struct fault *fault);
enum injected fault_register(struct victim *victim, struct fault *fault);

/* `address`, `symbol`, `old` and `new`. */
void fault_tell(struct victim *victim, struct fault *fault, uint64_t address, const void *old, const void *new, size_t bytes);
/* `activated` and `how`. */
void fault_activated(struct fault *fault, bool is_active, const char *how);
/* Writes, and tells what stood there. */
enum injected fault_write(struct victim *victim, struct fault *fault, uint64_t address, const void *new, size_t bytes);

/*
 * An instruction that the mutation fits, uniformly of those that the driver executes within WINDOW_MS: chosen one after the other until it
 * comes by one. INJECTED: it is paused there; the instruction and its bytes are in *found.
 */
struct found {
	uint64_t address;
	uint8_t code[INSTRUCTION_BYTES_MAX];
	struct instruction instruction;
};
enum injected reach_any(struct victim *victim, struct fault *fault, enum mutation mutation, struct found *found);
enum injected injected_by(enum reached reached);

/* The next access to so many bytes (1, 2, 4 or 8, aligned) that were changed: activated is true if they are read before they are written. */
enum injected watch(struct victim *victim, struct fault *fault, uint64_t address, size_t bytes);
