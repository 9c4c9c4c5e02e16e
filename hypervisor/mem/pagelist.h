/* SPDX-License-Identifier: MIT */
/* The list of all frames that a domain owns. A domain with frames on it is not freed. */
#pragma once

/*
 * Room for so many more frames: the domain's frame_count counts those on its list and those on their way to it. False if
 * that is more than its limit, or it is dying (D2).
 */
MUST_CHECK bool page_list_reserve(struct domain *domain, uint64_t frames);
void page_list_unreserve(struct domain *domain, uint64_t frames);

/*
 * `frame` becomes the domain's, which has room for it, with one reference, the owner's own. It is nobody's and has none before. The
 * name of its last type stays: for one that comes back to its owner there may be stale TLB entries still. A dying domain
 * gets none (D2): the frame is freed.
 */
void page_list_add(struct domain *domain, struct frame *frame);
/* Off the list; its room stays. */
void page_list_remove(struct domain *domain, struct frame *frame);

/*
 * For domains that die: the next frame, and a reference to it; so each is looked at once, for it goes to a list of those that others may
 * hold. NULL: its last reference has gone, and but for the lock it would be off the list already. False: there is none left.
 */
MUST_CHECK bool page_list_keep_next(struct domain *domain, struct frame **frame);

/* It has no reference any more: off the list, if it is on one, and back to the allocator. */
void page_list_release(struct frame *frame);

/* The owner's own reference goes; the frame is freed when nobody else has one. False if it was dropped before. */
bool frame_give_up(struct frame *frame);
/* The same by number, and false for a frame that is not `owner`'s: another vcpu may have given it up before. */
bool frame_give_back(mfn_t number, const struct domain *owner);

/* What its owner calls it, as long as it is its owner: else false. */
bool frame_name(mfn_t number, const struct domain *owner, gfn_t guest);
