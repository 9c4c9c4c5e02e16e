/* SPDX-License-Identifier: MIT */
/* Instructions that are others, from the moment when the driver comes by, and until the next reset: a mistake in its code. */
#include "inject/faults.h"

#include <string.h>

static enum injected mutate_any(struct victim *victim, struct fault *fault, enum mutation mutation)
{
	struct found found;
	enum injected result = reach_any(victim, fault, mutation, &found);
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
