/* SPDX-License-Identifier: MIT */
/* Against speculative leaks: docs/decisions/speculation.md says what is mitigated and what is not. */
#pragma once

void speculation_init(void);		/* boot CPU, from cpu_features_init */
void speculation_enable(void);		/* each CPU, from cpu_features_enable */
void speculation_report(void);		/* once, when the console is up: what the machine lacks */

/* Before this CPU runs its current vcpu, if that may be another domain's than the last one's. */
void speculation_switch_domain(void);
/* An IBPB asked for by a guest; false if there is none. */
MUST_CHECK bool speculation_barrier(void);

extern bool speculation_clear_buffers;	/* MDS: verw before each return to a guest */
extern uint64_t speculation_l1tf_limit;	/* 0: not affected */

/* May a guest's table hold this entry that is not present? Not if its address names RAM and the CPU has L1TF. */
static inline bool speculation_entry_is_safe(uint64_t entry)
{
	uint64_t address = entry & 0x000ffffffffff000ULL;

	return !entry || address >= speculation_l1tf_limit || speculation_l1tf_limit == 0;
}

/* `index` if it is below `count`, else 0, also when the CPU speculates past the check before. */
static inline uint64_t array_index(uint64_t index, uint64_t count)
{
	uint64_t mask;

	asm("cmp %2, %1\n\tsbb %0, %0" : "=r"(mask) : "r"(index), "r"(count) : "cc");
	return index & mask;
}
