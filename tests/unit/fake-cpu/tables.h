/* SPDX-License-Identifier: MIT */
/*
 * The fake machine for tests that link the real hypervisor/mem: its frame table, its core's slots in every L4, and TLBs
 * that remember what a guest has used until they are flushed, as those of a CPU do.
 */
#pragma once

#include "fake.h"

#include "mem/frame.h"
#include "mem/mmu.h"

/* Frames of the allocator after fake_reset(); so few that a walk of all is quick. */
#define FAKE_FRAME_FIRST	64
#define FAKE_FRAME_LIMIT	1024

extern uint64_t core_l4[512];

/* What the files with static data are set back by; each is there if the test links the file that has it. */
void fake_alloc_reset(void);
void fake_domain_reset(void);
void fake_channel_reset(void);
void fake_pci_reset(void);

/* As context_switch(), with base pointer, dirty_cpus and TLB: `vcpu` (NULL: the idle one) runs on this CPU from now on. */
void fake_switch_to(struct vcpu *vcpu);

#define FAKE_TLB_ENTRIES 64

struct fake_translation {
	uint64_t va;
	struct domain *domain;		/* NULL: empty */
	mfn_t frame;			/* the page; of a cached L2 entry the L1 table */
	bool is_writable;
	bool is_dirty;			/* a write needs no look at the tables: the entry's dirty bit is set */
	bool is_table;			/* a cached L2 entry: `va` is that of the 2 MiB */
};
extern struct fake_translation fake_tlb[FAKE_CPUS][FAKE_TLB_ENTRIES];

/*
 * The guest that runs here uses `va`, as its CPU would: by the TLB if it is there, else by the tables, whose A and D bits
 * it sets. NULL: a page fault.
 */
void *fake_guest_touch(uint64_t va, bool writes);

/* The vcpu does what it must before it enters its guest: at most `steps` of it. */
void fake_deferred_steps(struct vcpu *vcpu, uint32_t steps);
