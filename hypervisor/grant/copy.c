/* SPDX-License-Identifier: MIT */
/*
 * Copies between frames that are lent to the caller and its own: how back-ends move data, so this is the hot path.
 * A batch names the same frame again and again (a page of the caller's, filled from several grants), and the same lender: what
 * an operation has looked up and pinned is kept until one names something else, or the batch ends or is preempted.
 * While a grant is kept its entry is marked as in use, so the lender cannot reuse the frame under the copy (G2).
 */
#include "grant/table.h"

/* All but the lender, whose grant_lock is held if there is one. */
static inline void side_unpin(struct grant_copy_side *side, bool writes)
{
	if (side->frame) {
		frame_put_as(side->frame, frame_access(writes));
		if (side->lender)
			grant_unpin(side->lender->grants, (grant_ref_t)side->name, writes);
	}
	side->frame = NULL;
	side->bytes = NULL;
}

static NOINLINE void side_let_go(struct grant_copy_side *side, bool writes)
{
	struct domain *lender = side->lender;

	if (lender)
		spin_lock(&lender->grant_lock);
	side_unpin(side, writes);
	if (!lender)
		return;
	spin_unlock(&lender->grant_lock);
	domain_put(lender);
	side->lender = NULL;
}

static inline void side_release(struct grant_copy_side *side, bool writes)
{
	if (side->lender || side->frame)
		side_let_go(side, writes);
}

static inline int side_take_lent(struct grant_batch *batch, struct grant_copy_side *side, bool writes, const struct gnttab_copy_ptr *pointer)
{
	int status;

	if (unlikely(!side->lender || side->lender->id != pointer->domid)) {
		side_release(side, writes);
		side->lender = domain_get(pointer->domid);
		if (!side->lender)
			return GNTST_bad_domain;
	}
	spin_lock(&side->lender->grant_lock);
	side_unpin(side, writes);
	side->name = pointer->u.ref;
	status = grant_pin(side->lender, pointer->u.ref, batch->domain->id, writes, &side->frame);
	spin_unlock(&side->lender->grant_lock);
	if (status == GNTST_okay)
		side->bytes = mfn_to_virt(frame_number(side->frame));
	return status;
}

static inline int side_take_own(struct grant_batch *batch, struct grant_copy_side *side, bool writes, const struct gnttab_copy_ptr *pointer)
{
	mfn_t number = mfn(pointer->u.gmfn);

	side_release(side, writes);
	side->name = number.raw;
	side->bytes = NULL;
	if (!frame_stays(number, batch->domain, frame_access(writes)) &&
	    frame_get_as(number, batch->domain, frame_access(writes), &side->frame) != 0)
		return GNTST_bad_page;
	side->bytes = mfn_to_virt(number);
	return GNTST_okay;
}

/* What the operation before had, or taken now. */
static inline int side_find(struct grant_batch *batch, struct grant_copy_side *side, bool writes, const struct gnttab_copy_ptr *pointer, bool is_gref)
{
	bool is_the_same = side->bytes && (is_gref ? side->name == pointer->u.ref && side->lender && side->lender->id == pointer->domid :
						     side->name == pointer->u.gmfn && !side->lender);

	if (is_the_same)
		return GNTST_okay;
	return is_gref ? side_take_lent(batch, side, writes, pointer) : side_take_own(batch, side, writes, pointer);
}

static inline int copy_one(struct grant_batch *batch, const struct gnttab_copy *copy)
{
	bool from_gref = copy->flags & GNTCOPY_source_gref;
	bool to_gref = copy->flags & GNTCOPY_dest_gref;
	int status;

	if ((!from_gref && copy->source.domid != DOMID_SELF) || (!to_gref && copy->dest.domid != DOMID_SELF))
		return GNTST_permission_denied;
	if (copy->source.offset + copy->len > PAGE_SIZE || copy->dest.offset + copy->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	status = side_find(batch, &batch->source, false, &copy->source, from_gref);
	if (status == GNTST_okay)
		status = side_find(batch, &batch->dest, true, &copy->dest, to_gref);
	if (status == GNTST_okay)	/* both sides may be the same frame, and overlap */
		memmove(batch->dest.bytes + copy->dest.offset, batch->source.bytes + copy->source.offset, copy->len);
	return status;
}

FLATTEN void grant_copy(struct grant_batch *batch, void *operations, uint32_t count)
{
	struct gnttab_copy *copy = operations;

	for (uint32_t i = 0; i < count; i++)
		copy[i].status = (int16_t)copy_one(batch, &copy[i]);
	account_charge(batch->domain, ACCOUNT_GRANT_COPIES, count);
}

void grant_copy_release(struct grant_batch *batch)
{
	side_release(&batch->source, false);
	side_release(&batch->dest, true);
}
