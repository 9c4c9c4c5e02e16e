/* SPDX-License-Identifier: MIT */
/*
 * One bit of what the driver knows, in the moment before it reads it: of a variable, of a page that it has allocated, of its stack, of a
 * register. What nobody reads is nobody's fault.
 */
#include "inject/faults.h"

#include <string.h>

#include <xen/xen.h>

/* ---- memory ---- */

/* What page_alloc() has given out: behind the first page tables and the first stack (runtime/memory.c), and none of what Dom0 has named. */
static bool is_heap(struct victim *victim, uint64_t address)
{
	const struct symbol *next = image_symbol(&victim->image, "pages_next");
	start_info_t info;
	uint64_t end;

	return next && next->bytes == sizeof(end) && victim_start_info(victim, &info) &&
	       victim_read(victim, next->address, &end, sizeof(end)) &&
	       address >= info.pt_base + (info.nr_pt_frames + 1) * FRAME_BYTES && address < victim->image.base + end * FRAME_BYTES;
}

static bool is_stack(struct victim *victim, uint64_t address)
{
	const struct symbol *bottom = image_symbol(&victim->image, "boot_stack"), *top = image_symbol(&victim->image, "boot_stack_top");

	return bottom && top && address >= bottom->address && address < top->address;
}

static bool reads_data(struct victim *victim, const struct found *found)
{
	const struct symbol *shared = image_symbol(&victim->image, "boot_shared_page");		/* the core's, mapped over one of its own */

	return found->memory >= victim->image.data && found->memory < victim->image.data_end && !is_stack(victim, found->memory) &&
	       !(shared && found->memory - shared->address < FRAME_BYTES);
}

static bool reads_heap(struct victim *victim, const struct found *found)
{
	return is_heap(victim, found->memory);
}

static bool reads_stack(struct victim *victim, const struct found *found)
{
	return is_stack(victim, found->memory);
}

static enum injected flip_memory(struct victim *victim, struct fault *fault, enum mutation mutation, suits_fn suits)
{
	struct found found;
	enum injected result = reach_any(victim, fault, mutation, suits, &found);
	uint64_t bit;
	char reader[128];
	uint8_t byte;

	if (result != INJECTED)
		return result;
	bit = random_below(&fault->random, found.instruction.memory_bytes * 8u);
	if (!victim_read(victim, found.memory + bit / 8, &byte, 1))
		return NOT_INJECTED;
	byte ^= (uint8_t)(1u << bit % 8);
	result = fault_write(victim, fault, found.memory + bit / 8, &byte, 1);
	image_describe(&victim->image, found.address, reader, sizeof(reader));
	json_object_set_new(fault->record, "reader", json_string(reader));
	if (result == INJECTED)
		fault_activated(fault, true, "read by the next instruction");
	return result;
}

enum injected fault_data(struct victim *victim, struct fault *fault)
{
	return flip_memory(victim, fault, MUTATION_MEMORY, reads_data);
}

enum injected fault_heap(struct victim *victim, struct fault *fault)
{
	return flip_memory(victim, fault, MUTATION_POINTED, reads_heap);
}

enum injected fault_stack(struct victim *victim, struct fault *fault)
{
	return flip_memory(victim, fault, MUTATION_STACK, reads_stack);
}

/* ---- registers ---- */

#define RIP_BITS 47u		/* the core takes no rip outside of the lower or the upper half */

/* One of those that the instruction reads, or rip. */
static unsigned int choose_register(struct fault *fault, uint16_t reads)
{
	uint64_t chosen = random_below(&fault->random, (unsigned int)__builtin_popcount(reads) + 1u);

	for (unsigned int number = 0; number < REGISTERS; number++)
		if (reads >> number & 1 && chosen-- == 0)
			return number;
	return REGISTER_RIP;
}

enum injected fault_register(struct victim *victim, struct fault *fault)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					     "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip" };
	cpu_user_regs_t *regs = &victim->context.user_regs;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_REGISTER, NULL, &found);
	unsigned int number;
	uint64_t *reg, old;

	if (result != INJECTED)
		return result;
	number = choose_register(fault, found.instruction.reads);
	reg = number == REGISTER_RIP ? &regs->rip : register_of(regs, number);
	old = *reg;
	*reg ^= 1UL << random_below(&fault->random, number == REGISTER_RIP ? RIP_BITS : 64);
	if (victim_set(victim))
		return VICTIM_GONE;
	fault_tell(victim, fault, found.address, &old, reg, sizeof(old));
	json_object_set_new(fault->record, "location", json_string(names[number]));
	fault_activated(fault, true, number == REGISTER_RIP ? "it goes on elsewhere" : "read by the next instruction");
	return INJECTED;
}
