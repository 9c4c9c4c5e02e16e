/* SPDX-License-Identifier: MIT */
/* Validation of whole tables and of single entries (mem/table.h: T2 to T4). */
#include "cpu/paging.h"
#include "cpu/speculation.h"
#include "cpu/tlb.h"
#include "mem/table.h"
#include "pci/pci.h"

/* What a guest may set: in all levels, and what is refused rather than ignored. */
#define REFUSED_ALL	0x7800000000000000ULL	/* bits 59 to 62: no protection keys; 52 to 58 are the guest's own */
#define REFUSED_UPPER	(REFUSED_ALL | PTE_LARGE | PTE_GLOBAL)
/* Memory is always cached: mixed cache types of one frame are the machine's trouble, not only the guest's. */
#define CACHE_BITS	(PTE_WRITE_THROUGH | PTE_CACHE_OFF | PTE_LARGE)

mfn_t table_bios_page;

/* T6: Domain-0's kernel looks there for what a BIOS has left. */
static bool is_bios_area(const struct domain *source, mfn_t frame)
{
	return unlikely(frame.raw - 0x80 < 0x80) && source->is_privileged && table_bios_page.raw;
}

/* Q3: with the cache bits that were asked for. A guest may give the core's bit back as it has read it. */
static NOINLINE int device_page_take(const struct frame *table, const struct domain *source, mfn_t page)
{
	return table->owner == source->id ? pci_page_get(source, page) : -EINVAL;
}

static int device_entry_take(const struct frame *table, const struct domain *source, pte_t *entry)
{
	*entry = (*entry & ~PTE_GLOBAL) | PTE_USER | PTE_DEVICE;
	return device_page_take(table, source, pte_frame(*entry));
}

static NOINLINE int bios_page_take(const struct domain *source, bool writable)
{
	struct frame *frame;

	return frame_get_as(table_bios_page, source, frame_access(writable), &frame);
}

static int l1_entry_take(const struct frame *table, const struct domain *source, pte_t *entry)
{
	pte_t asked = *entry;
	struct frame *frame;
	int error;

	if (asked & REFUSED_ALL & ~PTE_DEVICE)
		return -EINVAL;
	if (asked & PTE_DEVICE)
		return device_entry_take(table, source, entry);
	*entry = (*entry & ~(CACHE_BITS | PTE_GLOBAL)) | PTE_USER;
	error = frame_get_as(pte_frame(*entry), source, frame_access(*entry & PTE_WRITABLE), &frame);
	if (likely(error != -EINVAL))
		return error;
	if (is_bios_area(source, pte_frame(asked))) {
		*entry = (*entry & ~PTE_ADDRESS) | mfn_to_paddr(table_bios_page);
		return bios_page_take(source, *entry & PTE_WRITABLE);
	}
	*entry = asked;
	return device_entry_take(table, source, entry);
}

static NOINLINE int lower_table_take(const struct frame *table, enum frame_type level, mfn_t lower)
{
	struct frame *frame;

	return frame_get_as(lower, domain_find(table->owner), level - 1, &frame);
}

static int upper_entry_take(const struct frame *table, enum frame_type level, pte_t *entry)
{
	if (*entry & REFUSED_UPPER)
		return -EINVAL;
	*entry = (*entry & ~(PTE_WRITE_THROUGH | PTE_CACHE_OFF)) | PTE_USER;
	return lower_table_take(table, level, pte_frame(*entry));
}

int entry_take(struct frame *table, enum frame_type level, const struct domain *source, pte_t *entry)
{
	if (!(*entry & PTE_PRESENT))
		return speculation_entry_is_safe(*entry) ? 0 : -EINVAL;
	return level == FRAME_L1 ? l1_entry_take(table, source, entry) : upper_entry_take(table, level, entry);
}

void entry_drop(struct frame *table, enum frame_type level, pte_t entry)
{
	bool is_flushed = false;

	entry_release(table, level, entry, &is_flushed);
}

static NOINLINE int upper_entry_check(struct domain_locked owner, enum frame_type level, const pte_t *at)
{
	if (owner.domain->is_frozen)
		return -EPERM;
	return is_core_slot(level, ((uintptr_t)at & ~PAGE_MASK) / sizeof(pte_t)) ? -EINVAL : 0;
}

/* Flat: what it calls for nearly every entry would else cost a third more. */
FLATTEN int entry_replace(struct domain_locked owner, struct frame *table, pte_t *at, const struct domain *source, pte_t old, pte_t entry)
{
	enum frame_type level = frame_type_of(table->type);
	bool keeps = entry_keeps_references(level, old, entry);
	int error = 0;

	if (unlikely(level != FRAME_L1))
		error = upper_entry_check(owner, level, at);
	if (keeps)
		entry |= PTE_USER;
	else if (entry && !error)
		error = entry_take(table, level, source, &entry);
	if (error)
		return error;
	if (unlikely(!compare_and_swap(at, &old, entry))) {
		if (!keeps)
			entry_drop(table, level, entry);
		return -EAGAIN;
	}
	if (level == FRAME_L1) {
		frame_touch(table);
		entry_fold(old);
	}
	if (!keeps) {
		entry_drop(table, level, old);
		account_charge(owner.domain, ACCOUNT_PAGE_TABLE_UPDATES, 1);
	}
	return 0;
}

/*
 * Code and data segments of any base and limit are harmless in ring 3; all else could enter the core. SDM volume 3,
 * 3.4.5: bit 44 code or data, 45-46 ring, 47 present.
 */
bool descriptor_check(uint64_t *descriptor)
{
	if (!(*descriptor & 1ULL << 47))
		return true;		/* faults when it is used */
	if (!(*descriptor & 1ULL << 44))
		return false;
	*descriptor |= 3ULL << 45;
	return true;
}

static int segments_validate(struct frame *frame)
{
	uint64_t *descriptor = table_entries(frame);

	for (uint32_t i = 0; i < TABLE_ENTRIES; i++)
		if (!descriptor_check(&descriptor[i]))
			return -EINVAL;
	return 0;
}

/* The slots of the core: at once, before any CPU can load this table (T3). */
static void core_slots_set(struct frame *frame, enum frame_type type)
{
	if (type == FRAME_L4)
		paging_fill_core_slots(table_entries(frame));
}

static inline bool eight_are_set(const pte_t *at) { return at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7]; }

/* The first from `i` on that is not empty; `end` or more: there is none. Eight at a time, for most tables are nearly empty. */
static inline uint32_t entry_next(const pte_t *entries, uint32_t i, uint32_t end)
{
	while (i < end && !entries[i]) {
		const pte_t *at = &entries[i];

		if (i % 8 || eight_are_set(at))
			i++;
		else
			do {
				i += 8;
				at += 8;
			} while (i < end && !eight_are_set(at));
	}
	return i;
}

FLATTEN int table_validate(struct frame *frame, enum frame_type type)
{
	const struct domain *owner = domain_find(frame->owner);
	pte_t *entries = table_entries(frame);
	int error = 0;

	if (type == FRAME_SEGMENT)
		return segments_validate(frame);
	for (uint32_t start = frame->validated, i = start; (i = entry_next(entries, i, TABLE_ENTRIES)) < TABLE_ENTRIES; i++) {
		pte_t entry = entries[i];

		if (is_core_slot(type, i))
			continue;
		frame->validated = (uint16_t)i;
		/* One L2 entry may bring 512 others with it: the time to stop is before it. */
		if (type > FRAME_L1 && i != start && preempt_needed())
			return -ERESTART;
		error = entry_take(frame, type, owner, &entry);
		if (error == -ERESTART && i)
			return error;
		if (error)
			break;
		if (entry != entries[i])
			write_once(&entries[i], entry);
	}
	if (error) {
		table_release(frame, type);
		frame->validated = 0;
		return error;
	}
	core_slots_set(frame, type);
	return 0;
}

FLATTEN void table_release(struct frame *frame, enum frame_type type)
{
	pte_t *entries = table_entries(frame);
	bool is_flushed = false;

	if (type == FRAME_SEGMENT)
		return;
	for (uint32_t i = 0; (i = entry_next(entries, i, frame->validated)) < frame->validated; i++)
		if (!is_core_slot(type, i))
			entry_release(frame, type, entries[i], &is_flushed);
}
