/* SPDX-License-Identifier: MIT */
/* The core's own address space: built once at boot, shared by all CPUs and by every guest's L4 (slots 256 to 271). */
#pragma once

#define CORE_READ	0x8000000000000001ULL	/* present, no-execute */
#define CORE_WRITE	0x8000000000000003ULL
#define CORE_EXECUTE	0x0000000000000001ULL
#define CORE_UNCACHED	0x8000000000000013ULL
#define CORE_GUEST_READ	0x8000000000000005ULL

#define LARGE_PAGE	0x200000UL

extern uint64_t core_l4[512];

/* Direct map, image with its permissions, frame table and machine-to-physical table. Boot CPU, once. */
void paging_init(void);

/* Maps [pa, pa + bytes) for the core; whole pages. Nothing may be mapped there yet. Panics without memory. */
void paging_map(uint64_t va, paddr_t pa, uint64_t bytes, uint64_t flags);

/* The L1 entry of a core address, for windows that change; tables are made as needed. */
uint64_t *paging_l1_entry(uint64_t va);

/* The L4 that a CPU starts with: the core's and the first 4 GiB at their own addresses. Below 4 GiB. */
paddr_t core_cr3(void);
/* ... and the one that it then runs with when no guest is loaded. */
void paging_load_core(void);

/* What a new L4 of a guest has in slots 256 to 271. */
void paging_fill_core_slots(uint64_t *l4);
/* Whether whoever runs on `l4` sees the machine-to-physical table, slot 256. */
void paging_set_m2p_slot(uint64_t *l4, bool is_visible);

/* PAGE_SIZE or LARGE_PAGE of memory before alloc_init(), which gets what is left: aligned, zeroed, never freed. */
paddr_t boot_alloc(uint64_t bytes);

/* One page for the core itself, for good, at any time: zeroed. refuse_to_run() without memory. */
paddr_t core_page(void);
