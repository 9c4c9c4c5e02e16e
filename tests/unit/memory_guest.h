/* SPDX-License-Identifier: MIT */
/*
 * A guest with page tables, for tests of mem/: one L4 for its kernel, one for its user mode, above one L3, one L2, two L1s.
 * Its pages stand at address 0 and on, the tables read-only. Page i is page[i]; the first ones are the tables.
 */
#pragma once

#include "fake.h"

#include "mem/frame.h"
#include "mem/mmu.h"

enum { L4_KERNEL, L4_USER, L3, L2, L1, L1_SECOND, DATA, GUEST_PAGES = 26 };

struct memory_guest {
	struct domain *domain;
	uint64_t page[GUEST_PAGES];	/* frame numbers */
};

static inline pte_t pte(uint64_t number, uint64_t flags) { return number << PAGE_SHIFT | flags; }

#define READ_ONLY	(PTE_PRESENT | PTE_USER)
#define WRITABLE	(PTE_PRESENT | PTE_USER | PTE_WRITABLE)

/* Pages and tables for a domain that has none; false if it gets no memory. Its first vcpu has both base pointers then. */
bool memory_guest_build(struct memory_guest *guest);

/* A domain, its tables, and its first vcpu running on CPU 0. */
struct memory_guest given_guest(domid_t id);

/* What stands in a frame. */
uint64_t *words_of(uint64_t number);

/* Once, as entry.S has it: the number is in vcpu->regs. */
void guest_enters_core(struct vcpu *vcpu);

/*
 * A hypercall of the vcpu that runs, continued until it is done; -ERESTART if it is not after so many times as
 * `guest_call_tries` says. How often it was continued: guest_call_continued.
 */
long guest_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
extern uint32_t guest_call_tries, guest_call_continued;

/* One operation each. */
long guest_updates(uint64_t table, uint32_t index, pte_t entry);
long guest_maps(uint64_t va, pte_t entry);
long guest_ext(uint32_t command, uint64_t number);
static inline long guest_pins(uint64_t number, enum frame_type type) { return guest_ext(type - FRAME_L1, number); }
long guest_unpins(uint64_t number);

/* The end of a domain, to the last: 0 or -EBUSY. */
int guest_ends(struct domain *domain);
