/* SPDX-License-Identifier: MIT */
/* Instructions that are others, from the moment when the driver comes by, and until the next reset: a mistake in its code. */
#include "inject/faults.h"

#include <string.h>

static enum injected mutate_any(struct victim *victim, struct fault *fault, enum mutation mutation)
{
	struct found found;
	enum injected result = reach_any(victim, fault, mutation, NULL, &found);
	uint8_t code[INSTRUCTION_BYTES_MAX];

	if (result != INJECTED)
		return result;
	memcpy(code, found.code, sizeof(code));
	mutate(mutation, code, &found.instruction, &fault->random);
	result = fault_write(victim, fault, found.address, code, found.instruction.bytes);
	if (result == INJECTED)
		fault_activated(fault, true, "it stood at the instruction that was changed");
	return result;
}

enum injected fault_text(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_FLIP);
}

enum injected fault_pointer(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_POINTER);
}

enum injected fault_off_by_one(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_OFF_BY_ONE);
}

enum injected fault_skip(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_SKIP);
}

enum injected fault_branch(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_BRANCH);
}

enum injected fault_unlock(struct victim *victim, struct fault *fault)
{
	return mutate_any(victim, fault, MUTATION_UNLOCK);
}
