/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for mem/frame.c, mem/m2p.c, the heap and a guest's page table, for tests that do not link mem/. Counts and types are
 * kept as mem/frame.h has them; a reference given back too often, or a table made writable, ends the test.
 */
#ifndef SKINK_FAKE_FRAMES_H
#define SKINK_FAKE_FRAMES_H

#include "fake.h"

#include "mem/frame.h"
#include "mem/mmu.h"

void fake_frames_reset(void);

/* A frame of `domain`'s, zeroed; only the owner's reference. */
mfn_t given_frame(struct domain *domain);
/* The same, in use as a page table. */
mfn_t given_page_table(struct domain *domain);

/* Besides the owner's. */
uint64_t frame_references(mfn_t number);
uint64_t frame_writable_references(mfn_t number);

/* The page table of the guest under test: so many entries, by address or as the machine address of the entry. */
#define FAKE_ENTRIES 1024
#define FAKE_VA(i)	(0x7000000000ULL + (uint64_t)(i) * PAGE_SIZE)
#define FAKE_PTE(i)	(0x40000000ULL + (uint64_t)(i) * 8)
extern pte_t fake_entries[FAKE_ENTRIES];

/* The guest clears an entry itself, or its page table ends: the references go along. */
void fake_entry_drop(uint32_t index);

#endif
