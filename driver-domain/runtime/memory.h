/* SPDX-License-Identifier: MIT */
/*
 * Memory: the domain's frames, mapped one to one from the kernel's base (up to MEMORY_LIMIT_PAGES of
 * them), a page allocator, and page tables by hypercall.
 * M1  Every page table is mapped read-only here, and is what the hypervisor says it is.
 */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

#include "runtime/xen.h"

#define PAGE_SIZE 4096UL
#define MEMORY_LIMIT_PAGES 65536UL

#define PTE_PRESENT (1UL << 0)
#define PTE_WRITE (1UL << 1)
#define PTE_USER (1UL << 2)
#define PTE_ACCESSED (1UL << 5)
#define PTE_DIRTY (1UL << 6)
#define PTE_LARGE (1UL << 7)
#define PTE_NX (1UL << 63)
#define PTE_KERNEL (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define PTE_KERNEL_RO (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define PTE_FRAME 0x000ffffffffff000UL

extern unsigned long memory_base_mfn;           /* the kernel's top-level table */
extern unsigned long memory_pages;              /* mapped and managed here */
extern unsigned long *memory_p2m;

void memory_init(void);                         /* the allocator, over what is already mapped */
/* Frames that are somebody's: mapped, and never given out. Before the first page is taken. */
void memory_reserve(unsigned long first, unsigned long count);
void memory_map_all(void);                      /* and then over everything */

void *page_alloc(void);                         /* zeroed; ends the domain when there is none */
void *page_alloc_many(unsigned int count);      /* contiguous pfns */
void page_free(void *page);
unsigned long page_free_count(void);
unsigned long page_unused(unsigned long *count);	/* the first page and those behind it that were never given out */

unsigned long virt_to_pfn(const void *address);
unsigned long virt_to_mfn(const void *address);
void *pfn_to_virt(unsigned long pfn);
void *mfn_to_virt(unsigned long mfn);           /* by the M2P */
unsigned long mfn_to_pfn(unsigned long mfn);

/* The entry for an address in a table of the given level, or NULL where a higher one is not present. */
uint64_t *memory_entry(unsigned long base_mfn, uint64_t address, unsigned int level);
uint64_t memory_entry_address(const uint64_t *entry);   /* its machine address, for mmu_update */

/* Any frame anywhere in the kernel's address space; tables are made as needed. 0 or an error. */
int memory_map(uint64_t address, uint64_t entry);
int memory_map_in(unsigned long base_mfn, uint64_t address, uint64_t entry);
int memory_protect(void *page, uint64_t flags); /* of a managed page: PTE_KERNEL, PTE_KERNEL_RO, 0 */
int memory_update(uint64_t machine_address, uint64_t value);    /* one mmu_update */
int memory_ext(unsigned int command, unsigned long argument);   /* one mmuext_op: an mfn or an address */

#endif
