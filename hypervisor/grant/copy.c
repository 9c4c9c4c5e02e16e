/* SPDX-License-Identifier: MIT */
/*
 * Copies between frames that are lent to the caller and its own: how back-ends move data, so this is the hot path.
 * A batch names the same frame again and again (a page of the caller's, filled from several grants): what an
 * operation has looked up and pinned is kept until one names something else, or the batch ends or is preempted.
 * While a grant is kept its entry is marked as in use, so the lender cannot reuse the frame under the copy (G2).
 */
#include "grant/table.h"

static void side_release(struct grant_copy_side *side, bool writable)
{
	if (side->frame) {
		frame_put_as(side->frame, frame_access(writable));
		if (side->is_gref) {
			spin_lock(&side->domain->grant_lock);
			grant_unpin(side->domain, (grant_ref_t)side->name, writable);
			spin_unlock(&side->domain->grant_lock);
		}
	}
	if (side->domain)
		domain_put(side->domain);
	side->frame = NULL;
	side->domain = NULL;
}

static int side_pin(struct grant_copy_side *side, domid_t user, bool writable)
{
	int status;

	if (!side->is_gref)
		return frame_get_as(mfn(side->name), side->domain, frame_access(writable), &side->frame) ? GNTST_bad_page :
													   GNTST_okay;
	spin_lock(&side->domain->grant_lock);
	status = grant_pin(side->domain, (grant_ref_t)side->name, user, writable, &side->frame);
	spin_unlock(&side->domain->grant_lock);
	return status;
}

static inline uint64_t pointer_name(const struct gnttab_copy_ptr *pointer, bool is_gref)
{
	return is_gref ? pointer->u.ref : pointer->u.gmfn;
}

static inline bool side_has(const struct grant_copy_side *side, const struct gnttab_copy_ptr *pointer, bool is_gref)
{
	return side->name == pointer_name(pointer, is_gref) && side->domid == pointer->domid &&
	       side->is_gref == is_gref && side->frame;
}

static int side_take(struct grant_batch *batch, struct grant_copy_side *side,
		     const struct gnttab_copy_ptr *pointer, bool is_gref, bool writable)
{
	int status;

	side_release(side, writable);
	side->domain = domain_get(pointer->domid);
	if (!side->domain)
		return GNTST_bad_domain;
	side->domid = pointer->domid;
	side->name = pointer_name(pointer, is_gref);
	side->is_gref = is_gref;
	status = side_pin(side, batch->domain->id, writable);
	if (status == GNTST_okay)
		side->bytes = mfn_to_virt(frame_number(side->frame));
	else
		side->frame = NULL;
	return status;
}

static int copy_one(struct grant_batch *batch, const struct gnttab_copy *copy)
{
	bool from_gref = copy->flags & GNTCOPY_source_gref;
	bool to_gref = copy->flags & GNTCOPY_dest_gref;
	int status = GNTST_okay;

	if ((!from_gref && copy->source.domid != DOMID_SELF) || (!to_gref && copy->dest.domid != DOMID_SELF))
		return GNTST_permission_denied;
	if (copy->source.offset + copy->len > PAGE_SIZE || copy->dest.offset + copy->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	if (unlikely(!side_has(&batch->source, &copy->source, from_gref)))
		status = side_take(batch, &batch->source, &copy->source, from_gref, false);
	if (status == GNTST_okay && unlikely(!side_has(&batch->dest, &copy->dest, to_gref)))
		status = side_take(batch, &batch->dest, &copy->dest, to_gref, true);
	if (status == GNTST_okay)	/* both sides may be the same frame, and overlap */
		memmove(batch->dest.bytes + copy->dest.offset, batch->source.bytes + copy->source.offset, copy->len);
	return status;
}

void grant_copy(struct grant_batch *batch, void *operations, uint32_t count)
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
