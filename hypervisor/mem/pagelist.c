/* SPDX-License-Identifier: MIT */
/* Whose frames are whose (mem/pagelist.h). */
#include "cpu/tlb.h"
#include "mem/pagelist.h"

bool page_list_reserve(struct domain *domain, uint64_t frames)
{
	bool fits;

	spin_lock(&domain->page_list_lock);
	fits = !read_once(&domain->is_dying) && !domain->is_frozen && domain->frame_count + frames <= read_once(&domain->frame_limit);
	if (fits)
		domain->frame_count += frames;
	spin_unlock(&domain->page_list_lock);
	return fits;
}

void page_list_unreserve(struct domain *domain, uint64_t frames)
{
	bool is_last;

	spin_lock(&domain->page_list_lock);
	domain->frame_count -= frames;
	is_last = read_once(&domain->is_dying) && !domain->frame_count;
	spin_unlock(&domain->page_list_lock);
	/* D1: of a dying domain these frames may have been what kept it. */
	if (unlikely(is_last))
		cpu_raise_softirq(this_cpu(), SOFTIRQ_DOMAIN);
}

void page_list_add(struct domain *domain, struct frame *frame)
{
	bool is_dying;

	spin_lock(&domain->page_list_lock);
	is_dying = read_once(&domain->is_dying);	/* D2 */
	if (!is_dying) {
		frame->owner = domain->id;
		frame_link(&domain->page_list, frame);
		store_release(&frame->count, FRAME_ALLOCATED | 1);
	}
	spin_unlock(&domain->page_list_lock);
	if (is_dying) {
		page_list_unreserve(domain, 1);
		page_list_release(frame);
	}
}

/* The list's lock is held. */
static void unlink_locked(struct domain *domain, struct frame *frame)
{
	bool is_first = domain->page_list == frame_number(frame).raw;

	frame_unlink(is_first ? &domain->page_list : &domain->page_list_kept, frame);
}

void page_list_remove(struct domain *domain, struct frame *frame)
{
	spin_lock(&domain->page_list_lock);
	unlink_locked(domain, frame);
	frame->owner = DOMID_INVALID;
	spin_unlock(&domain->page_list_lock);
}

NOINLINE void page_list_release(struct frame *frame)
{
	struct domain *owner = domain_find(frame->owner);

	ASSERT(!(frame->type & (FRAME_TYPE_COUNT_MASK | FRAME_PARTIAL | FRAME_DEFERRED)), "F3");
	if (owner) {
		page_list_remove(owner, frame);
		page_list_unreserve(owner, 1);
	}
	m2p_set(frame_number(frame), GFN_NONE);
	frame->flushed = tlb_clock();
	frame_free(frame_number(frame), 0);
}

bool page_list_keep_next(struct domain *domain, struct frame **frame)
{
	uint32_t first;

	spin_lock(&domain->page_list_lock);
	first = domain->page_list;
	if (first != FRAME_LINK_NONE) {
		unlink_locked(domain, frame_of(mfn(first)));
		frame_link(&domain->page_list_kept, frame_of(mfn(first)));
		*frame = frame_get(mfn(first), domain);
	}
	spin_unlock(&domain->page_list_lock);
	return first != FRAME_LINK_NONE;
}

bool frame_give_up(struct frame *frame)
{
	if (!(__atomic_fetch_and(&frame->count, ~FRAME_ALLOCATED, __ATOMIC_ACQ_REL) & FRAME_ALLOCATED))
		return false;
	frame_put(frame);
	return true;
}

bool frame_give_back(mfn_t number, const struct domain *owner)
{
	struct frame *frame = frame_get(number, owner);
	bool is_given = frame && frame_give_up(frame);

	if (frame)
		frame_put(frame);
	return is_given;
}

bool frame_name(mfn_t number, const struct domain *owner, gfn_t guest)
{
	struct frame *frame = frame_get(number, owner);

	if (!frame)
		return false;
	m2p_set(number, guest);
	frame_put(frame);
	return true;
}
