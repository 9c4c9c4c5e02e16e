/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include <xen/grant_table.h>

#include "cpu/directmap.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/pagelist.h"

#define FRAMES (FAKE_RAM_BYTES / PAGE_SIZE)

static struct frame frames[FRAMES];
struct frame *const frame_table = frames;
static uint64_t m2p[FRAMES];
pte_t fake_entries[FAKE_ENTRIES];

void fake_frames_reset(void)
{
	memset(frames, 0, sizeof(frames));
	memset(m2p, 0xff, sizeof(m2p));
	memset(fake_entries, 0, sizeof(fake_entries));
}

/* ---- the heap: pages come from the fake RAM, so that they have a frame number ---- */

void *heap_alloc(size_t bytes)
{
	mfn_t first;

	if (fake.heap_fail_call && --fake.heap_fail_call == 0)
		return NULL;
	if (bytes < PAGE_SIZE)
		return calloc(1, bytes);
	first = fake_frame();
	for (size_t page = 1; page < ROUND_UP(bytes, PAGE_SIZE) / PAGE_SIZE; page++)
		fake_frame();
	return memset(mfn_to_virt(first), 0, bytes);
}

void heap_free(void *memory)
{
	uint64_t offset = guest_address(memory) - guest_address(mfn_to_virt(mfn(0)));

	if (memory && offset >= FAKE_RAM_BYTES)
		free(memory);
}

/* ---- mem/frame.h ---- */

struct frame *frame_at(mfn_t number)
{
	return number.raw < FRAMES ? &frames[number.raw] : NULL;
}

struct frame *frame_get(mfn_t number, const struct domain *owner)
{
	struct frame *frame = frame_at(number);
	uint64_t count;

	if (!frame)
		return NULL;
	count = read_once(&frame->count);
	do {
		if (count == 0 || frame->owner != owner->id)
			return NULL;
	} while (!__atomic_compare_exchange_n(&frame->count, &count, count + 1, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return frame;
}

void frame_put(struct frame *frame)
{
	uint64_t before = __atomic_fetch_sub(&frame->count, 1, __ATOMIC_SEQ_CST);

	ASSERT((before & FRAME_COUNT_MASK) > 0, "F3");
}

int frame_get_as(mfn_t number, const struct domain *owner, enum frame_type type, struct frame **result)
{
	struct frame *frame = frame_get(number, owner);

	if (!frame)
		return -EINVAL;
	if (type != FRAME_PLAIN && frame_type_of(frame->type) == FRAME_L1) {
		frame_put(frame);
		return -EBUSY;
	}
	if (type != FRAME_PLAIN)
		__atomic_fetch_add(&frame->type, 1, __ATOMIC_SEQ_CST);
	*result = frame;
	return 0;
}

void frame_put_as(struct frame *frame, enum frame_type type)
{
	if (type != FRAME_PLAIN) {
		uint64_t before = __atomic_fetch_sub(&frame->type, 1, __ATOMIC_SEQ_CST);

		ASSERT((before & FRAME_TYPE_COUNT_MASK) > 0, "F1");
	}
	frame_put(frame);
}

bool frame_stays(mfn_t number, const struct domain *owner, enum frame_type type)
{
	struct frame *frame = frame_at(number);

	return owner->is_frozen && frame && frame->count && frame->owner == owner->id &&
	       (type == FRAME_PLAIN || frame_type_of(frame->type) != FRAME_L1);
}

void frame_share(void *page, struct domain *domain)
{
	struct frame *frame = frame_at(virt_to_mfn(page));

	frame->owner = domain->id;
	frame->count = FRAME_CORE | 1;
}

bool frame_unshare(void *page)
{
	struct frame *frame = frame_at(virt_to_mfn(page));

	ASSERT(frame->count & FRAME_CORE, "unshared twice");
	if ((frame->count & FRAME_COUNT_MASK) != 1)
		return false;
	frame->count = 0;
	return true;
}

bool page_list_reserve(struct domain *domain, uint64_t frames)
{
	bool fits = !domain->is_dying && domain->frame_count + frames <= domain->frame_limit;

	domain->frame_count += fits ? frames : 0;
	return fits;
}

void page_list_unreserve(struct domain *domain, uint64_t frames) { domain->frame_count -= frames; }

int frame_steal(struct domain_locked owner, mfn_t number, struct frame **stolen)
{
	struct frame *frame = frame_get(number, owner.domain);

	if (!frame)
		return -EINVAL;
	if (frame->count != (FRAME_ALLOCATED | 2) || frame->owner != owner.domain->id ||
	    (frame->type & FRAME_TYPE_COUNT_MASK)) {
		frame_put(frame);
		return -EBUSY;
	}
	frame->count = FRAME_CORE;
	frame->owner = DOMID_INVALID;
	*stolen = frame;
	return 0;
}

void page_list_add(struct domain *domain, struct frame *frame)
{
	ASSERT(frame->count == FRAME_CORE, "F3");
	frame->owner = domain->id;
	frame->count = FRAME_ALLOCATED | 1;
}

void m2p_set(mfn_t frame, gfn_t guest) { m2p[frame.raw] = guest.raw; }
gfn_t m2p_get(mfn_t frame) { return gfn(m2p[frame.raw]); }

/* ---- mem/mmu.h ---- */

static pte_t *entry_at(uint64_t host_addr, bool contains_pte)
{
	uint64_t index = contains_pte ? (host_addr - FAKE_PTE(0)) / 8 : (host_addr - FAKE_VA(0)) / PAGE_SIZE;

	return index < FAKE_ENTRIES ? &fake_entries[index] : NULL;
}

static void entry_drop(pte_t entry)
{
	if (!(entry & PTE_PRESENT))
		return;
	frame_put_as(frame_at(pte_frame(entry)), frame_access(entry & PTE_WRITABLE));
}

void fake_entry_drop(uint32_t index)
{
	entry_drop(fake_entries[index]);
	fake_entries[index] = 0;
}

int grant_pte_set(struct vcpu *user, uint64_t host_addr, bool contains_pte, pte_t entry)
{
	struct domain_locked locked = domain_lock(user->domain);
	pte_t *place = entry_at(host_addr, contains_pte);

	if (place) {
		entry_drop(*place);
		*place = entry;
	}
	domain_unlock(locked);
	return place ? GNTST_okay : GNTST_bad_virt_addr;
}

int grant_pte_clear(struct vcpu *user, uint64_t host_addr, bool contains_pte, mfn_t frame, bool writable)
{
	struct domain_locked locked = domain_lock(user->domain);
	pte_t *place = entry_at(host_addr, contains_pte);
	int status = GNTST_okay;

	if (!place)
		status = GNTST_bad_virt_addr;
	else if (!(*place & PTE_PRESENT) || !mfn_is(pte_frame(*place), frame) ||
		 !!(*place & PTE_WRITABLE) != writable)
		status = GNTST_general_error;
	else
		*place = 0;
	domain_unlock(locked);
	return status;
}

/* ---- for tests ---- */

mfn_t given_frame(struct domain *domain)
{
	mfn_t number = fake_frame();

	frame_at(number)->count = FRAME_CORE;
	domain->frame_count++;
	page_list_add(domain, frame_at(number));
	return number;
}

mfn_t given_page_table(struct domain *domain)
{
	mfn_t number = given_frame(domain);

	frame_at(number)->type = (uint64_t)FRAME_L1 << FRAME_TYPE_SHIFT | FRAME_VALIDATED | 1;
	frame_at(number)->count++;
	return number;
}

uint64_t frame_references(mfn_t number)
{
	const struct frame *frame = frame_at(number);

	return (frame->count & FRAME_COUNT_MASK) - !!(frame->count & FRAME_ALLOCATED);
}

uint64_t frame_writable_references(mfn_t number)
{
	return frame_at(number)->type & FRAME_TYPE_COUNT_MASK;
}
