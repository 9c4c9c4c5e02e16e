/* SPDX-License-Identifier: MIT */
/* Where the driver goes: it crashes, or does not go on. */
#include "inject/faults.h"

#define NOWHERE_FIRST	0x10000000000UL		/* addresses that the driver's kernel does not use */
#define NOWHERE_PAGES	(1UL << 24)

enum injected fault_crash(struct victim *victim, struct fault *fault)
{
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	uint64_t nowhere = NOWHERE_FIRST + (random_below(&fault->random, NOWHERE_PAGES) << FRAME_SHIFT), old, entry;

	if (result != INJECTED)
		return result;
	if (victim_frame(victim, nowhere, &entry))
		return NOT_INJECTED;
	old = victim->context.user_regs.rip;
	victim->context.user_regs.rip = nowhere;
	if (victim_set(victim))
		return VICTIM_GONE;
	fault_tell(victim, fault, found.address, &old, &nowhere, sizeof(old));
	json_object_set_new(fault->record, "location", json_string("rip"));
	fault_activated(fault, true, "rip is where nothing is mapped");
	return INJECTED;
}

enum injected fault_null(struct victim *victim, struct fault *fault)
{
	static const uint8_t read_null[] = { 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0 };	/* mov 0,%rax */
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);

	if (result == INJECTED)
		result = fault_write(victim, fault, found.address, read_null, sizeof(read_null));
	if (result == INJECTED)
		fault_activated(fault, true, "it stood at the instruction that was replaced");
	return result;
}

/* panic("...") is what ASSERT() calls: with a text on the stack, where nothing else is. */
enum injected fault_assertion(struct victim *victim, struct fault *fault)
{
	static const char text[] = "injected: an assertion that does not hold";
	const struct symbol *panic = image_symbol(&victim->image, "panic");
	cpu_user_regs_t *regs = &victim->context.user_regs;
	struct found found;
	enum injected result = panic ? reach_any(victim, fault, MUTATION_FLIP, NULL, &found) : NO_TARGET;
	uint64_t at;

	if (result != INJECTED)
		return result;
	at = below_stack(victim);
	if (!victim_write(victim, at, text, sizeof(text)))
		return VICTIM_GONE;
	fault_tell(victim, fault, found.address, &regs->rip, &panic->address, sizeof(regs->rip));
	regs->rip = panic->address;
	regs->rdi = at;
	regs->rax = 0;
	regs->rsp = at - 8;
	if (victim_set(victim))
		return VICTIM_GONE;
	fault_activated(fault, true, "rip is panic()");
	return INJECTED;
}

static enum injected hang(struct victim *victim, struct fault *fault, bool is_masked)
{
	static const uint8_t jump_to_itself[] = { 0xeb, 0xfe };
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	struct shared_info *shared = result == INJECTED ? shared_info_of(victim) : NULL;

	if (result == INJECTED && !shared)
		return VICTIM_GONE;
	if (result == INJECTED) {
		shared->vcpu_info[0].evtchn_upcall_mask = is_masked;
		result = fault_write(victim, fault, found.address, jump_to_itself, sizeof(jump_to_itself));
	}
	if (result == INJECTED)
		fault_activated(fault, true, "it stood at the instruction that was replaced");
	return result;
}

enum injected fault_hang(struct victim *victim, struct fault *fault)
{
	return hang(victim, fault, false);
}

enum injected fault_hang_masked(struct victim *victim, struct fault *fault)
{
	return hang(victim, fault, true);
}
