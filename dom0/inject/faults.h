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
	NOT_INJECTED,			/* it did not come by within the time, or not as it would have to: nothing was changed */
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
enum injected fault_pointer(struct victim *victim, struct fault *fault);
enum injected fault_off_by_one(struct victim *victim, struct fault *fault);
enum injected fault_skip(struct victim *victim, struct fault *fault);
enum injected fault_branch(struct victim *victim, struct fault *fault);
enum injected fault_unlock(struct victim *victim, struct fault *fault);

enum injected fault_data(struct victim *victim, struct fault *fault);
enum injected fault_heap(struct victim *victim, struct fault *fault);
enum injected fault_stack(struct victim *victim, struct fault *fault);
enum injected fault_register(struct victim *victim, struct fault *fault);

enum injected fault_page_table(struct victim *victim, struct fault *fault);

enum injected fault_completion_lost(struct victim *victim, struct fault *fault);
enum injected fault_completion_double(struct victim *victim, struct fault *fault);
enum injected fault_completion_reorder(struct victim *victim, struct fault *fault);
enum injected fault_dma_address(struct victim *victim, struct fault *fault);
enum injected fault_device_silent(struct victim *victim, struct fault *fault);
enum injected fault_interrupt_storm(struct victim *victim, struct fault *fault);
enum injected fault_interrupt_lost(struct victim *victim, struct fault *fault);

enum injected fault_ring_index(struct victim *victim, struct fault *fault);
enum injected fault_ring_response(struct victim *victim, struct fault *fault);
enum injected fault_ledger(struct victim *victim, struct fault *fault);

enum injected fault_hog_cpu(struct victim *victim, struct fault *fault);
enum injected fault_hog_hypercalls(struct victim *victim, struct fault *fault);
enum injected fault_hog_events(struct victim *victim, struct fault *fault);
enum injected fault_hog_log(struct victim *victim, struct fault *fault);

/* `address`, `symbol`, `old` and `new`. */
void fault_tell(struct victim *victim, struct fault *fault, uint64_t address, const void *old, const void *new, size_t bytes);
/* `activated` and `how`. */
void fault_activated(struct fault *fault, bool is_active, const char *how);
/* Writes, and tells what stood there. */
enum injected fault_write(struct victim *victim, struct fault *fault, uint64_t address, const void *new, size_t bytes);

/*
 * An instruction that the mutation fits, uniformly of those that the driver executes within WINDOW_MS: chosen one after the other until it
 * comes by one, and suits() says that it is one in that moment (NULL: each is). INJECTED: it is paused there.
 */
struct found {
	uint64_t address;
	uint8_t code[INSTRUCTION_BYTES_MAX];
	struct instruction instruction;
	uint64_t memory;		/* MUTATION_MEMORY: the address that it is about to read */
};
typedef bool (*suits_fn)(struct victim *victim, const struct found *found);
enum injected reach_any(struct victim *victim, struct fault *fault, enum mutation mutation, suits_fn suits, struct found *found);
/* The beginning of a function, which is paused there; NO_TARGET: the image has none of that name. */
enum injected reach_function(struct victim *victim, struct fault *fault, const char *name, suits_fn suits, struct found *found);

/* A general register by its number in struct instruction. */
uint64_t *register_of(cpu_user_regs_t *regs, unsigned int number);

/*
 * The driver, paused, executes this code (at most EXECUTE_BYTES_MAX bytes, which go on behind their end) with these registers, and *regs is
 * what they are behind it. Then all is as before, and it is paused where it was. VICTIM_GONE: it did not get there.
 */
#define EXECUTE_BYTES_MAX 32u
enum injected execute(struct victim *victim, const uint8_t *code, size_t bytes, cpu_user_regs_t *regs);
/* A hypercall of it, of up to four arguments; *result is the core's answer. What the arguments point to is written below its stack: */
enum injected hypercall_as(struct victim *victim, uint64_t number, const uint64_t argument[4], int64_t *result);
uint64_t below_stack(const struct victim *victim);	/* 256 bytes there are nobody's */
