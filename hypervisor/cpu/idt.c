/* SPDX-License-Identifier: MIT */
/* The interrupt descriptor table: the same for all CPUs, never changed after boot. SDM volume 3, 6.14. */
#include "cpu/entry.h"
#include "cpu/layout.h"
#include "cpu/ops.h"
#include "cpu/traps.h"
#include "include/types.h"

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

#define GATE_INTERRUPT	0x8e
#define GATE_FOR_GUESTS	0x60	/* int n may use it from ring 3 */

static struct gate idt[256] ALIGNED(4096);

static void gate_set(uint32_t vector, uint8_t ist, uint8_t type)
{
	uint64_t target = (uint64_t)entry_vectors + vector * 16;

	idt[vector] = (struct gate){
		.offset_low = (uint16_t)target, .offset_middle = (uint16_t)(target >> 16),
		.offset_high = (uint32_t)(target >> 32),
		.selector = SELECTOR_CORE_CODE, .ist = ist, .type = type,
	};
}

void idt_init(void)
{
	for (uint32_t vector = 0; vector < 256; vector++)
		gate_set(vector, 0, GATE_INTERRUPT);
	gate_set(TRAP_DOUBLE_FAULT, IST_DOUBLE_FAULT, GATE_INTERRUPT);
	gate_set(TRAP_NMI, IST_NMI, GATE_INTERRUPT);
	gate_set(TRAP_MACHINE_CHECK, IST_MACHINE_CHECK, GATE_INTERRUPT);
	gate_set(TRAP_DEBUG, IST_DEBUG, GATE_INTERRUPT);
	gate_set(TRAP_BREAKPOINT, 0, GATE_INTERRUPT | GATE_FOR_GUESTS);
	gate_set(TRAP_OVERFLOW, 0, GATE_INTERRUPT | GATE_FOR_GUESTS);
	gate_set(0x80, 0, GATE_INTERRUPT | GATE_FOR_GUESTS);
}

void idt_load(void)
{
	struct descriptor_pointer pointer = { sizeof(idt) - 1, (uint64_t)idt };

	lidt(&pointer);
}
