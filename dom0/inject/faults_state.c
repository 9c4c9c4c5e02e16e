/* SPDX-License-Identifier: MIT */
/* One bit of what the driver knows: in its variables, its pages, its stack, its registers. */
#include "inject/faults.h"

#include <stdio.h>
#include <string.h>

#include <xen/xen.h>

#define REGISTERS	16u
#define PTE_WRITABLE	2UL
#define HEAP_TRIES	1000u
#define LOOK_AHEAD	64u		/* instructions */

/* ---- memory ---- */

/* The driver is paused somewhere in its code, which is a moment as good as another. */
static enum injected flip(struct victim *victim, struct fault *fault, uint64_t address)
{
	uint64_t word = address & ~7UL, bit = random_below(&fault->random, 8), old, new;
	enum injected result;

	if (!victim_read(victim, word, &old, sizeof(old)))
		return NO_TARGET;
	new = old ^ 1UL << (8 * (address % 8) + bit);
	result = fault_write(victim, fault, address, (const uint8_t *)&new + address % 8, 1);
	return result == INJECTED ? watch(victim, fault, address, 1) : result;
}

static bool is_variable(const struct image *image, const struct symbol *symbol)
{
	return !symbol->is_function && symbol->bytes && symbol->address >= image->data && symbol->address + symbol->bytes <= image->data_end;
}

enum injected fault_data(struct victim *victim, struct fault *fault)
{
	const struct image *image = &victim->image;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, &found);
	uint64_t count = 0, chosen;

	if (result != INJECTED)
		return result;
	for (size_t i = 0; i < image->symbol_count; i++)
		count += is_variable(image, &image->symbol[i]);
	if (!count)
		return NO_TARGET;
	chosen = random_below(&fault->random, count);
	for (size_t i = 0; i < image->symbol_count; i++)
		if (is_variable(image, &image->symbol[i]) && chosen-- == 0)
			return flip(victim, fault, image->symbol[i].address + random_below(&fault->random, image->symbol[i].bytes));
	return NO_TARGET;
}

static bool read_variable(struct victim *victim, const char *name, uint64_t *value)
{
	const struct symbol *symbol = image_symbol(&victim->image, name);

	return symbol && symbol->bytes == sizeof(*value) && victim_read(victim, symbol->address, value, sizeof(*value));
}

/*
 * What page_alloc() has given out: behind the first page tables and the first stack, up to pages_next (runtime/memory.c). A kernel that
 * has no such variables has no heap.
 */
static bool heap_of(struct victim *victim, uint64_t *first, uint64_t *end)
{
	start_info_t info;
	uint64_t next;

	if (!read_variable(victim, "pages_next", &next) || !victim_start_info(victim, &info))
		return false;
	*first = info.pt_base + (info.nr_pt_frames + 1) * FRAME_BYTES;
	*end = victim->image.base + next * FRAME_BYTES;
	return *first < *end;
}

enum injected fault_heap(struct victim *victim, struct fault *fault)
{
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, &found);
	uint64_t first, end;

	if (result != INJECTED)
		return result;
	if (!heap_of(victim, &first, &end))
		return NO_TARGET;
	for (unsigned int i = 0; i < HEAP_TRIES; i++) {		/* page tables are in there, too, and not to be written */
		uint64_t at = first + random_below(&fault->random, end - first), entry;

		if (victim_frame(victim, at, &entry) && entry & PTE_WRITABLE)
			return flip(victim, fault, at);
	}
	return NO_TARGET;
}

enum injected fault_stack(struct victim *victim, struct fault *fault)
{
	const struct symbol *top = image_symbol(&victim->image, "boot_stack_top"), *bottom = image_symbol(&victim->image, "boot_stack");
	uint64_t rsp;
	struct found found;
	enum injected result = top && bottom ? reach_any(victim, fault, MUTATION_FLIP, &found) : NO_TARGET;

	if (result != INJECTED)
		return result;
	rsp = victim->context.user_regs.rsp;
	if (rsp < bottom->address || rsp >= top->address)
		return NO_TARGET;
	return flip(victim, fault, rsp + random_below(&fault->random, top->address - rsp));
}

/* ---- registers ---- */

static uint64_t *register_of(cpu_user_regs_t *regs, unsigned int number)
{
	uint64_t *const place[REGISTERS] = {
		&regs->rax, &regs->rcx, &regs->rdx, &regs->rbx, &regs->rsp, &regs->rbp, &regs->rsi, &regs->rdi, &regs->r8, &regs->r9,
		&regs->r10, &regs->r11, &regs->r12, &regs->r13, &regs->r14, &regs->r15,
	};

	return place[number];
}

/* Straight on from where it stands: is the register read before it is written? Behind a jump nobody knows. */
static void look_ahead(struct victim *victim, struct fault *fault, unsigned int number, const struct found *found)
{
	uint64_t at = found->address;

	for (unsigned int i = 0; i < LOOK_AHEAD; i++) {
		uint8_t code[INSTRUCTION_BYTES_MAX];
		struct instruction instruction;

		if (!victim_read(victim, at, code, sizeof(code)) || !decode(code, sizeof(code), &instruction))
			return;
		if (instruction.reads >> number & 1) {
			fault_activated(fault, true, "read by one of the next instructions");
			return;
		}
		if (instruction.writes >> number & 1) {
			fault_activated(fault, false, "written by one of the next instructions before it is read");
			return;
		}
		if (instruction.is_transfer || instruction.is_branch)
			break;
		at += instruction.bytes;
	}
	json_object_set_new(fault->record, "how", json_string("neither read nor written up to the next jump"));
}

enum injected fault_register(struct victim *victim, struct fault *fault)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					     "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip" };
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, &found);
	unsigned int number = (unsigned int)random_below(&fault->random, REGISTERS + 1);
	uint64_t *reg, old, bit = random_below(&fault->random, number == REGISTERS ? 47 : 64);	/* the core takes no other rip */

	if (result != INJECTED)
		return result;
	reg = number == REGISTERS ? &victim->context.user_regs.rip : register_of(&victim->context.user_regs, number);
	old = *reg;
	*reg ^= 1UL << bit;
	if (victim_set(victim))
		return VICTIM_GONE;
	fault_tell(victim, fault, found.address, &old, reg, sizeof(old));
	json_object_set_new(fault->record, "location", json_string(names[number]));
	if (number == REGISTERS)
		fault_activated(fault, true, "it goes on elsewhere");
	else
		look_ahead(victim, fault, number, &found);
	return INJECTED;
}
