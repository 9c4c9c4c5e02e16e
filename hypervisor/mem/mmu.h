/* SPDX-License-Identifier: MIT */
/*
 * Page tables of guests: what the rest of the core asks of them.
 * The caller of a function that takes struct domain_locked holds that domain's lock.
 */
#pragma once

typedef uint64_t pte_t;			/* one entry of any level */

#define PTE_PRESENT	0x001ULL
#define PTE_WRITABLE	0x002ULL
#define PTE_USER	0x004ULL
#define PTE_WRITE_THROUGH 0x008ULL
#define PTE_CACHE_OFF	0x010ULL
#define PTE_ACCESSED	0x020ULL
#define PTE_DIRTY	0x040ULL
#define PTE_LARGE	0x080ULL	/* PAT in an L1 entry */
#define PTE_GLOBAL	0x100ULL
#define PTE_AVAIL	0xe00ULL
#define PTE_NO_EXECUTE	(1ULL << 63)
#define PTE_DEVICE	(1ULL << 62)	/* the core's own: of a page of a device (pci/pci.h: Q3). Without protection keys the CPU ignores it */
#define PTE_ADDRESS	0x000ffffffffff000ULL

static inline mfn_t pte_frame(pte_t entry) { return mfn((entry & PTE_ADDRESS) >> PAGE_SHIFT); }

/* The slots of an L4 that are the core's: 256 .. 271. */
#define L4_CORE_FIRST	256
#define L4_CORE_END	272

/*
 * For grants. `host_addr` is a virtual address, or with `contains_pte` the machine address of an L1 entry. `entry`
 * carries frame and flags; the caller holds the references that it stands for. The previous entry must be
 * empty or one of the guest's own (its references are dropped). GNTST_okay, GNTST_bad_virt_addr, GNTST_general_error.
 */
MUST_CHECK int grant_pte_set(struct vcpu *user, uint64_t host_addr, bool contains_pte, pte_t entry);
/*
 * Clears an entry which must map `frame`, `writable` or not as told: those are the references that the caller
 * drops. Drops none itself, flushes no TLB: once for a whole batch. GNTST_*.
 */
MUST_CHECK int grant_pte_clear(struct vcpu *user, uint64_t host_addr, bool contains_pte, mfn_t frame,
			       bool writable);

/* cpu/: loads the current vcpu's base pointer for the mode it is in. */
void mmu_load_base(struct vcpu *vcpu);

/*
 * A guest's direct write of `bytes` (1, 2, 4, 8) to `va`, which faulted because the page is a table: validates and does
 * it if `expected` is still there. 0; -EAGAIN: not a table's page, the fault is the guest's; -EBUSY: something else is there,
 * or for another reason the guest should try again; else the entry is refused: the guest gets its fault.
 */
MUST_CHECK int mmu_emulate_write(struct vcpu *vcpu, uint64_t va, uint64_t value, unsigned int bytes, uint64_t expected);

/* Domain builder: validates `l4` as both the pinned base pointer of vcpu 0. */
MUST_CHECK int mmu_set_first_base(struct vcpu *vcpu, mfn_t l4);

/* The domain is dying: unpins and drops base pointers, bounded pieces: -ERESTART while there is more. */
MUST_CHECK int mmu_domain_destroy(struct domain *domain);

/* SET_GDT as the hypercall does it, for vcpu_set_context too. */
MUST_CHECK int mmu_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint32_t entries);
