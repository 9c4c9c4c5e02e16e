/* SPDX-License-Identifier: MIT */
/*
 * What stands in page tables and descriptor tables of guests: each entry is checked and takes its references before the
 * table counts as validated, and gives them back when it is taken apart. All under the owner's lock (F4).
 *
 * T2  An entry never points at another domain's table, and never writable at any table.
 * T3  Slots 256 to 271 of an L4 are the core's, whatever the guest wrote there.
 * T5  An entry for another domain's frame gives its references back only after this domain's TLBs are flushed.
 * T4  A table refers only to tables one level below it: there is no circle, and no L4 as its own L3, through which the
 *     core's slots would be pages at addresses of the guest's.
 * T6  Where Domain-0 asks for 512 KiB to 1 MiB of the machine, where a BIOS and a screen would be, it gets a page of its own.
 */
#pragma once

#include "cpu/tlb.h"
#include "pci/pci.h"

#define TABLE_ENTRIES	512

extern mfn_t table_bios_page;		/* T6: of Domain-0; raw 0: there is none yet */

static inline pte_t *table_entries(const struct frame *frame) { return mfn_to_virt(frame_number(frame)); }

static inline bool is_core_slot(enum frame_type level, uint64_t index)
{
	return level == FRAME_L4 && index >= L4_CORE_FIRST && index < L4_CORE_END;
}

/* If nothing but these changes in an L1 entry, the references stay as they are. */
#define NO_REFERENCE_BITS	(PTE_ACCESSED | PTE_DIRTY | PTE_AVAIL | PTE_NO_EXECUTE | PTE_USER)

static inline bool entry_keeps_references(enum frame_type level, pte_t old, pte_t new)
{
	return level == FRAME_L1 && (old & PTE_PRESENT) && !((old ^ new) & ~NO_REFERENCE_BITS);
}

/* An L1 entry becomes another: what its dirty bit tells is not lost (reset/reset.h: R3). */
static inline void entry_fold(pte_t old)
{
	if ((old & (PTE_PRESENT | PTE_DIRTY | PTE_DEVICE)) == (PTE_PRESENT | PTE_DIRTY))
		frame_touch(frame_of(pte_frame(old)));
}

/*
 * Takes the references of all entries from frame->validated on. 0; -ERESTART: stopped after frame->validated entries, which
 * hold theirs; else an entry was refused and none holds any.
 */
MUST_CHECK int table_validate(struct frame *frame, enum frame_type type);

/* Gives back the references of entries [0, frame->validated). At most 512 steps; lower tables become deferred. */
void table_release(struct frame *frame, enum frame_type type);

/*
 * Checks a new entry for `table` (of `level`) and takes its references; `*entry` becomes what is to be written. Frames
 * that an L1 entry names belong to `source`. -EINVAL, -EPERM, -ERESTART.
 */
MUST_CHECK int entry_take(struct frame *table, enum frame_type level, const struct domain *source, pte_t *entry);
/*
 * Gives an entry's references back; *is_flushed: T5 has been seen to, or is now. Once is enough for a table that is taken apart: nothing
 * leads to it any more.
 */
static inline void entry_release(struct frame *table, enum frame_type level, pte_t entry, bool *is_flushed)
{
	struct frame *frame;

	if (!(entry & PTE_PRESENT))
		return;
	if (unlikely(entry & PTE_DEVICE))
		return pci_page_put(pte_frame(entry));
	frame = frame_of(pte_frame(entry));
	if (!*is_flushed && frame->owner != table->owner) {
		tlb_flush(read_once(&domain_find(table->owner)->dirty_cpus), TLB_ALL_PAGES);
		*is_flushed = true;
	}
	frame_put_as(frame, level == FRAME_L1 ? frame_access(entry & PTE_WRITABLE) : level - 1);
}
/* The same of one alone. */
void entry_drop(struct frame *table, enum frame_type level, pte_t entry);
/* `entry` in place of `old`, in `table`. -EAGAIN: it is not `old` any more; else it is refused: -EINVAL, -EPERM, -EBUSY, -ERESTART. */
MUST_CHECK int entry_replace(struct domain_locked owner, struct frame *table, pte_t *at, const struct domain *source, pte_t old, pte_t entry);

/* Checks a descriptor and makes it harmless (ring 3). False: refused. */
MUST_CHECK bool descriptor_check(uint64_t *descriptor);
