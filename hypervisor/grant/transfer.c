/* SPDX-License-Identifier: MIT */
/*
 * Giving a frame away for good, to a domain that has an entry waiting for it.
 *
 *   accept_transfer --the giver commits--> committed --the frame is the receiver's--> committed, completed
 */
#include "cpu/tlb.h"
#include "grant/table.h"
#include "mem/pagelist.h"

/* Out of the giver's hands, and out of its TLBs before anybody else writes to it. */
static int frame_take(struct domain *giver, mfn_t number, struct frame **frame)
{
	struct domain_locked locked = domain_lock(giver);
	int error = giver->is_frozen ? -EPERM : frame_steal(locked, number, frame);

	domain_unlock(locked);
	if (!error)
		tlb_flush(read_once(&giver->dirty_cpus), TLB_ALL_PAGES);
	return error ? GNTST_bad_page : GNTST_okay;
}

/*
 * The receiver's grant_lock is held. The entry's frame field says what the receiver will call the frame. A committed entry is a promise, which its guest may wait for: so the frame is in
 * our hands before, and nothing can fail after.
 */
static int transfer_locked(struct domain *giver, struct domain *receiver, const struct gnttab_transfer *transfer)
{
	uint32_t waiting = GTF_accept_transfer | (uint32_t)giver->id << 16;
	struct grant_entry_v1 *entry;
	struct frame *frame;
	uint32_t *word;
	int status;

	if (!grant_ref_ok(receiver->grants, transfer->ref))
		return GNTST_bad_gntref;
	entry = grant_entry(receiver->grants, transfer->ref);
	word = grant_entry_word(entry);
	if (read_once(word) != waiting || transfer->mfn > UINT32_MAX || !page_list_reserve(receiver, 1))
		return GNTST_general_error;
	status = frame_take(giver, mfn(transfer->mfn), &frame);
	if (status == GNTST_okay && !compare_and_swap(word, &waiting, waiting | GTF_transfer_committed)) {
		page_list_add(giver, frame);
		status = GNTST_general_error;
	}
	if (status != GNTST_okay) {
		page_list_unreserve(receiver, 1);
		return status;
	}

	page_list_unreserve(giver, 1);
	m2p_set(mfn(transfer->mfn), gfn(read_once(&entry->frame)));
	page_list_add(receiver, frame);
	write_once(&entry->frame, (uint32_t)transfer->mfn);
	__atomic_fetch_or(&entry->flags, GTF_transfer_completed, __ATOMIC_SEQ_CST);
	return GNTST_okay;
}

static int transfer_one(struct domain *giver, const struct gnttab_transfer *transfer)
{
	struct domain *receiver = domain_get(transfer->domid);
	int status;

	if (!receiver)
		return GNTST_bad_domain;
	spin_lock(&receiver->grant_lock);
	status = transfer_locked(giver, receiver, transfer);
	spin_unlock(&receiver->grant_lock);
	domain_put(receiver);
	return status;
}

void grant_transfer(struct grant_batch *batch, void *operations, uint32_t count)
{
	struct gnttab_transfer *transfer = operations;

	for (uint32_t i = 0; i < count; i++)
		transfer[i].status = (int16_t)transfer_one(batch->domain, &transfer[i]);
}
