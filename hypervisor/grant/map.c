/* SPDX-License-Identifier: MIT */
/*
 * Mapping what another domain lends. Both domains' grant_locks are held while a handle is made or ended.
 *
 * The reference of a mapping belongs to its page-table entry: whoever takes the entry out drops it, be it an unmap, a
 * write of the guest's to its page table, or the end of the table. For devices nothing is mapped: they never
 * reach granted frames.
 *
 * An unmap has two halves, with one TLB flush for many operations between them: until it, the user
 * may still write through a stale entry, so the lender must see the loan as in use.
 */
#include "cpu/tlb.h"
#include "grant/table.h"

/* The guest's kernel runs in ring 3 too, so every mapping is a user's; application_map adds nothing. */
static pte_t map_entry(const struct frame *frame, uint32_t flags)
{
	pte_t entry = mfn_to_paddr(frame_number(frame)) | PTE_PRESENT | PTE_USER | PTE_ACCESSED;

	entry |= (pte_t)(flags >> _GNTMAP_guest_avail0) << 9 & PTE_AVAIL;
	return flags & GNTMAP_readonly ? entry : entry | PTE_WRITABLE | PTE_DIRTY;
}

/* On success the handle keeps the caller's reference to the lender. */
static int map_locked(struct vcpu *vcpu, struct domain *lender, struct gnttab_map_grant_ref *map)
{
	struct grant_handle handle = { lender, map->ref, map->flags & (GNTMAP_readonly | GNTMAP_contains_pte) };
	bool writable = !(map->flags & GNTMAP_readonly);
	struct frame *frame;
	int status;

	if (vcpu->domain->is_dying)
		return GNTST_general_error;
	if (!handle_is_left(vcpu->domain->grants))
		return GNTST_no_space;
	status = grant_pin(lender, map->ref, vcpu->domain->id, writable, &frame);
	if (status != GNTST_okay)
		return status;
	map->dev_bus_addr = mfn_to_paddr(frame_number(frame));
	status = grant_pte_set(vcpu, map->host_addr, map->flags & GNTMAP_contains_pte, map_entry(frame, map->flags));
	if (status == GNTST_okay) {
		map->handle = handle_take(vcpu->domain->grants, handle);
	} else {
		frame_put_as(frame, frame_access(writable));
		grant_unpin(lender->grants, map->ref, writable);
	}
	return status;
}

static int map_one(struct vcpu *vcpu, struct gnttab_map_grant_ref *map)
{
	struct domain *lender;
	int status;

	if (!(map->flags & (GNTMAP_host_map | GNTMAP_device_map)))
		return GNTST_bad_gntref;
	if (map->flags & GNTMAP_device_map)
		return GNTST_no_device_space;
	lender = map->dom == DOMID_SELF ? NULL : domain_get(map->dom);
	if (!lender)
		return GNTST_bad_domain;
	spin_lock_two(&vcpu->domain->grant_lock, &lender->grant_lock);
	status = map_locked(vcpu, lender, map);
	spin_unlock_two(&vcpu->domain->grant_lock, &lender->grant_lock);
	if (status != GNTST_okay)
		domain_put(lender);
	return status;
}

void grant_map(struct grant_batch *batch, void *operations, uint32_t count)
{
	struct gnttab_map_grant_ref *map = operations;

	for (uint32_t i = 0; i < count; i++)
		map[i].status = (int16_t)map_one(batch->vcpu, &map[i]);
	account_charge(batch->domain, ACCOUNT_GRANT_MAPS, count);
}

static mfn_t handle_frame(const struct grant_handle *handle) { return mfn(grant_active(handle->lender->grants, handle->gref)->frame); }

/* Second half of the unmaps: nobody can reach the frames through them any more. */
void grant_unmap_flush(struct grant_batch *batch)
{
	if (batch->pending_count == 0)
		return;
	/* All pages, and not one alone: the guest may have the same page table at several addresses. */
	tlb_flush(read_once(&batch->domain->dirty_cpus), TLB_ALL_PAGES);
	for (uint32_t i = 0; i < batch->pending_count; i++) {
		struct grant_handle *handle = handle_find(batch->domain->grants, batch->pending[i]);

		handle_end(batch->domain, batch->pending[i], frame_of(handle_frame(handle)));
	}
	batch->pending_count = 0;
}

/* First half, under the user's lock. What the handle is counted for cannot change meanwhile (G4). */
static int unmap_begin(struct grant_batch *batch, const struct gnttab_unmap_grant_ref *unmap)
{
	struct grant_handle *handle = handle_find(batch->domain->grants, unmap->handle);
	int status;

	if (!handle || handle->flags & HANDLE_GOING)
		return GNTST_bad_handle;
	if (!unmap->host_addr)
		return GNTST_okay;
	status = grant_pte_clear(batch->vcpu, unmap->host_addr, handle->flags & GNTMAP_contains_pte,
				 handle_frame(handle), !(handle->flags & GNTMAP_readonly));
	if (status != GNTST_okay)
		return status;
	handle->flags |= HANDLE_GOING;
	batch->pending[batch->pending_count++] = unmap->handle;
	return GNTST_okay;
}

void grant_unmap(struct grant_batch *batch, void *operations, uint32_t count)
{
	struct gnttab_unmap_grant_ref *unmap = operations;

	for (uint32_t i = 0; i < count; i++) {
		if (batch->pending_count == UNMAP_PENDING_MAX)
			grant_unmap_flush(batch);
		spin_lock(&batch->domain->grant_lock);
		unmap[i].status = (int16_t)unmap_begin(batch, &unmap[i]);
		spin_unlock(&batch->domain->grant_lock);
	}
}
