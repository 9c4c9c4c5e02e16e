/* SPDX-License-Identifier: MIT */
/* Whose frames are whose (mem/pagelist.h). */
#include "cpu/tlb.h"
#include "domain/domain.h"
#include "include/types.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/m2p.h"
#include "mem/pagelist.h"

void page_list_add(struct domain *domain, struct frame *frame)
{
	uint32_t number = (uint32_t)frame_number(frame).raw;

	frame->owner = domain->id;
	spin_lock(&domain->page_list_lock);
	frame->prev = FRAME_LINK_NONE;
	frame->next = domain->page_list;
	if (frame->next != FRAME_LINK_NONE)
		frame_at(mfn(frame->next))->prev = number;
	domain->page_list = number;
	domain->frame_count++;
	spin_unlock(&domain->page_list_lock);
	store_release(&frame->count, FRAME_ALLOCATED | 1);
}

void page_list_remove(struct domain *domain, struct frame *frame)
{
	spin_lock(&domain->page_list_lock);
	if (frame->next != FRAME_LINK_NONE)
		frame_at(mfn(frame->next))->prev = frame->prev;
	if (frame->prev != FRAME_LINK_NONE)
		frame_at(mfn(frame->prev))->next = frame->next;
	else
		domain->page_list = frame->next;
	domain->frame_count--;
	frame->owner = DOMID_INVALID;
	spin_unlock(&domain->page_list_lock);
}

void page_list_release(struct frame *frame)
{
	struct domain *owner = domain_find(frame->owner);

	ASSERT(!(frame->type & (FRAME_TYPE_COUNT_MASK | FRAME_PARTIAL | FRAME_DEFERRED)), "F3");
	if (owner)
		page_list_remove(owner, frame);
	m2p_set(frame_number(frame), GFN_NONE);
	frame->flushed = tlb_clock();
	frame_free(frame_number(frame), 0);
}

/* A guest may have given up a frame that it has pinned, or of which half is validated. */
static bool is_held_by_owner(const struct frame *frame)
{
	return (read_once(&frame->count) & FRAME_ALLOCATED) || (read_once(&frame->type) & (FRAME_PINNED | FRAME_PARTIAL));
}

/*
 * Frames that others still map stay on the list without the owner's reference. They are few, and stand behind those that
 * have it only by being older: so the whole list may have to be looked at, once.
 */
struct frame *page_list_next_owned(struct domain *domain)
{
	struct frame *found = NULL;

	spin_lock(&domain->page_list_lock);
	for (uint32_t i = domain->page_list; i != FRAME_LINK_NONE; i = frame_at(mfn(i))->next) {
		if (!is_held_by_owner(frame_at(mfn(i))))
			continue;
		found = frame_at(mfn(i));
		frame_get_again(found);
		break;
	}
	spin_unlock(&domain->page_list_lock);
	return found;
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

void frame_name(mfn_t number, const struct domain *owner, gfn_t guest)
{
	struct frame *frame = frame_get(number, owner);

	if (!frame)
		return;
	m2p_set(number, guest);
	frame_put(frame);
}
