/* SPDX-License-Identifier: MIT */
/* Instructions that the driver executes, and what it reads and writes next: found out without its knowledge. */
#include "inject/faults.h"

#include <stdlib.h>
#include <time.h>

#define WINDOW_MS	5u		/* for one instruction */
#define TRIES		800u

struct candidates {
	uint64_t *address;
	size_t count, room;
};

static bool candidate_add(struct candidates *candidates, uint64_t address)
{
	if (candidates->count == candidates->room) {
		size_t room = candidates->room ? 2 * candidates->room : 1024;
		uint64_t *larger = reallocarray(candidates->address, room, sizeof(*larger));

		if (!larger)
			return false;
		candidates->address = larger;
		candidates->room = room;
	}
	candidates->address[candidates->count++] = address;
	return true;
}

/* From a function's beginning on instructions follow one another, up to what is none. */
static bool candidates_of(const struct image *image, const struct symbol *symbol, enum mutation mutation, struct candidates *candidates)
{
	const uint8_t *code = image_bytes(image, symbol->address, symbol->bytes);
	struct instruction instruction;

	for (uint64_t at = 0; code && at < symbol->bytes && decode(code + at, symbol->bytes - at, &instruction); at += instruction.bytes)
		if (mutation_fits(mutation, code + at, &instruction) && !candidate_add(candidates, symbol->address + at))
			return false;
	return true;
}

static bool candidates_find(const struct image *image, enum mutation mutation, struct candidates *candidates)
{
	*candidates = (struct candidates){ 0 };
	for (size_t i = 0; i < image->symbol_count; i++)
		if (image->symbol[i].is_function && !candidates_of(image, &image->symbol[i], mutation, candidates))
			return false;
	return true;
}

static bool found_at(struct victim *victim, uint64_t address, struct found *found)
{
	size_t room = FRAME_BYTES - address % FRAME_BYTES;

	if (room > sizeof(found->code))
		room = sizeof(found->code);
	found->address = address;
	return victim_read(victim, address, found->code, room) &&
	       (decode(found->code, room, &found->instruction) ||
		(room < sizeof(found->code) && victim_read(victim, address, found->code, sizeof(found->code)) &&
		 decode(found->code, sizeof(found->code), &found->instruction)));
}

enum injected reach_any(struct victim *victim, struct fault *fault, enum mutation mutation, struct found *found)
{
	enum reached reached = NOT_REACHED;
	struct candidates candidates;
	unsigned int tries = 0;

	if (!candidates_find(&victim->image, mutation, &candidates) || !candidates.count) {
		free(candidates.address);
		return NO_TARGET;
	}
	while (reached == NOT_REACHED && tries++ < TRIES) {
		found->address = candidates.address[random_below(&fault->random, candidates.count)];
		reached = victim_reach(victim, found->address, WINDOW_MS);
	}
	json_object_set_new(fault->record, "candidates", json_integer((json_int_t)candidates.count));
	json_object_set_new(fault->record, "tries", json_integer(tries));
	free(candidates.address);
	if (reached == REACHED && !found_at(victim, found->address, found))
		return VICTIM_GONE;
	return injected_by(reached);
}

/* ---- the next access: by debug registers, whose trap finds a jump to itself in place of the driver's handler ---- */

#define WATCH_MS	200u
#define TRAP_DEBUG	1
#define BREAK_WRITE	1UL		/* dr7: 16 + 4n */
#define BREAK_ACCESS	3UL
#define RFLAGS_RESUME	(1UL << 16)

static uint64_t control_of(size_t bytes)
{
	uint64_t length = bytes == 8 ? 2 : bytes - 1;

	return 1 | 4 | (BREAK_WRITE | length << 2) << 16 | (BREAK_ACCESS | length << 2) << 20;
}

/* What the core has pushed for the driver's handler. */
struct trap_stack { uint64_t rcx, r11, rip, cs, rflags, rsp, ss; };

/* As if there had been no trap. */
static bool rewind_trap(struct victim *victim)
{
	cpu_user_regs_t *regs = &victim->context.user_regs;
	struct trap_stack stack;

	if (!victim_read(victim, regs->rsp, &stack, sizeof(stack)))
		return false;
	regs->rcx = stack.rcx;
	regs->r11 = stack.r11;
	regs->rip = stack.rip;
	regs->rflags = stack.rflags | RFLAGS_RESUME;
	regs->rsp = stack.rsp;
	return true;
}

enum injected watch(struct victim *victim, struct fault *fault, uint64_t address, size_t bytes)
{
	uint64_t handler = victim->context.trap_ctxt[TRAP_DEBUG].address, *debug = victim->context.debugreg;
	enum reached reached;
	bool is_written;

	debug[0] = debug[1] = address;
	debug[6] = 0;
	debug[7] = control_of(bytes);
	if (victim_set(victim))
		return VICTIM_GONE;
	reached = victim_reach(victim, handler, WATCH_MS);
	if (reached == GONE) {		/* of what it read, as far as anybody can tell */
		json_object_set_new(fault->record, "how", json_string("it died, or was reset, while the next access was waited for"));
		return INJECTED;
	}
	if (victim_pause(victim))
		return VICTIM_GONE;
	is_written = debug[6] & 1;
	debug[6] = debug[7] = 0;
	if ((reached == REACHED && !rewind_trap(victim)) || victim_set(victim))
		return VICTIM_GONE;
	if (reached == REACHED)
		fault_activated(fault, !is_written, is_written ? "written before it was read" : "read before it was written");
	else
		fault_activated(fault, false, "not touched within 200 ms; it stays until the next reset");
	return INJECTED;
}
