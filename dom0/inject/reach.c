/* SPDX-License-Identifier: MIT */
/* Instructions that the driver executes: found out, and given to it, without its knowledge. */
#include "inject/faults.h"

#include <stdlib.h>
#include <time.h>

#define WINDOW_MS	5u		/* for one instruction */
#define LIMIT_MS	6000u		/* for all tries together; where each takes long, */
#define TRIES_LEAST	600u		/* for so many of them, */
#define SLOW_LIMIT_MS	30000u		/* but not for longer than this */
#define PASS_NS		50000
#define EXECUTE_MS	500u
#define BELOW_STACK	512u

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

/* All of the image is decoded for that: once. */
static bool candidates_find(const struct image *image, enum mutation mutation, struct candidates *candidates)
{
	if (candidates->count && candidates->mutation == mutation)
		return true;
	candidates->mutation = mutation;
	candidates->count = 0;
	for (size_t i = 0; i < image->symbol_count; i++)
		if (image->symbol[i].is_function && !candidates_of(image, &image->symbol[i], mutation, candidates))
			candidates->count = 0;
	return candidates->count;
}

uint64_t *register_of(cpu_user_regs_t *regs, unsigned int number)
{
	uint64_t *const place[REGISTERS] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi, &regs->r8, &regs->r9,
		&regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15,
	};

	return place[number];
}

static uint64_t value_of(struct victim *victim, const struct found *found, unsigned int number)
{
	if (number == REGISTER_NONE)
		return 0;
	return number == REGISTER_RIP ? found->address + found->instruction.bytes : *register_of(&victim->context.user_regs, number);
}

/* The instruction may be the last of what is mapped. */
static bool found_at(struct victim *victim, uint64_t address, struct found *found)
{
	const struct instruction *instruction = &found->instruction;
	size_t room = FRAME_BYTES - address % FRAME_BYTES;
	bool is_there;

	if (room > sizeof(found->code))
		room = sizeof(found->code);
	found->address = address;
	is_there = victim_read(victim, address, found->code, room) && decode(found->code, room, &found->instruction);
	if (!is_there && room < sizeof(found->code))
		is_there = victim_read(victim, address, found->code, sizeof(found->code)) &&
			   decode(found->code, sizeof(found->code), &found->instruction);
	if (is_there && instruction->memory_bytes)
		found->memory = value_of(victim, found, instruction->base) + (uint64_t)instruction->displacement +
				value_of(victim, found, instruction->index) * instruction->scale;
	return is_there;
}

/* Is it there, and is that what was wanted? Otherwise it goes on. */
static enum reached reach(struct victim *victim, uint64_t address, suits_fn suits, struct found *found)
{
	static const struct timespec while_it_passes = { 0, PASS_NS };
	enum reached reached = victim_reach(victim, address, WINDOW_MS);

	if (reached != REACHED)
		return reached;
	if (!found_at(victim, address, found))
		return GONE;
	if (!suits || suits(victim, found))
		return REACHED;
	if (victim_go(victim))
		return GONE;
	nanosleep(&while_it_passes, NULL);
	return NOT_REACHED;
}

/* A search has an end. */
static bool may_try(uint64_t begun_ms, unsigned int tries)
{
	uint64_t spent_ms = now_ms() - begun_ms;

	return spent_ms < LIMIT_MS || (tries < TRIES_LEAST && spent_ms < SLOW_LIMIT_MS);
}

static enum injected injected_by(enum reached reached)
{
	return reached == REACHED ? INJECTED : reached == NOT_REACHED ? NOT_INJECTED : VICTIM_GONE;
}

enum injected reach_any(struct victim *victim, struct fault *fault, enum mutation mutation, suits_fn suits, struct found *found)
{
	struct candidates *candidates = &victim->candidates;
	enum reached reached = NOT_REACHED;
	unsigned int tries = 0;
	uint64_t begun_ms;

	if (!candidates_find(&victim->image, mutation, candidates))
		return NO_TARGET;
	begun_ms = now_ms();
	while (reached == NOT_REACHED && may_try(begun_ms, tries)) {
		tries++;
		reached = reach(victim, candidates->address[random_below(&fault->random, candidates->count)], suits, found);
	}
	json_object_set_new(fault->record, "candidates", json_integer((json_int_t)candidates->count));
	json_object_set_new(fault->record, "tries", json_integer(tries));
	return injected_by(reached);
}

enum injected reach_function(struct victim *victim, struct fault *fault, const char *name, suits_fn suits, struct found *found)
{
	const struct symbol *symbol = image_symbol(&victim->image, name);
	enum reached reached = NOT_REACHED;
	uint64_t begun_ms = now_ms();
	unsigned int tries = 0;

	if (!symbol || !symbol->is_function)
		return NO_TARGET;
	while (reached == NOT_REACHED && may_try(begun_ms, tries)) {
		tries++;
		reached = reach(victim, symbol->address, suits, found);
	}
	json_object_set_new(fault->record, "tries", json_integer(tries));
	return injected_by(reached);
}

/* ---- what it is made to do ---- */

enum injected execute(struct victim *victim, const uint8_t *code, size_t bytes, cpu_user_regs_t *regs)
{
	vcpu_guest_context_t before = victim->context;
	uint64_t at = before.user_regs.rip;
	uint8_t original[EXECUTE_BYTES_MAX];
	enum reached reached;

	victim->context.user_regs = *regs;
	victim->context.user_regs.rip = at;
	if (bytes > sizeof(original) || !victim_read(victim, at, original, bytes) || !victim_write(victim, at, code, bytes) ||
	    victim_set(victim))
		return VICTIM_GONE;
	reached = victim_reach(victim, at + bytes, EXECUTE_MS);
	*regs = victim->context.user_regs;
	if (reached != REACHED || !victim_write(victim, at, original, bytes))
		return VICTIM_GONE;
	victim->context = before;
	return victim_set(victim) ? VICTIM_GONE : INJECTED;
}

uint64_t below_stack(const struct victim *victim)
{
	return (victim->context.user_regs.rsp - BELOW_STACK) & ~15UL;
}

enum injected hypercall_as(struct victim *victim, uint64_t number, const uint64_t argument[4], int64_t *result)
{
	static const uint8_t syscall[] = { 0x0f, 0x05 };
	cpu_user_regs_t regs = victim->context.user_regs;
	enum injected injected;

	regs.rax = number;
	regs.rdi = argument[0];
	regs.rsi = argument[1];
	regs.rdx = argument[2];
	regs.r10 = argument[3];
	injected = execute(victim, syscall, sizeof(syscall), &regs);
	*result = (int64_t)regs.rax;
	return injected;
}
