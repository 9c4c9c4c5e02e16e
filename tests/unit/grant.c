/* SPDX-License-Identifier: MIT */
/*
 * Grants: lending, mapping, copying and giving away, by guests of every kind.
 * G1  A frame that is mapped through a grant is never freed.
 * G2  A grant that its lender has withdrawn is never mapped again.
 * G3  A writable mapping of a grant holds a writable type reference: never of a page table.
 * G4  Every handle in use names an active entry whose count includes it.
 */
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/directmap.h"
#include "domain/hypercall.h"
#include "frames.h"
#include "grant/grant.h"
#include "grant/table.h"
#include "include/errno.h"

static struct domain *lender, *user;

static long grant_op(uint32_t command, void *operations, uint32_t count)
{
	return do_grant_table_op(command, guest_address(operations), count);
}

/* The caller is `user`; both have frames and a table of one frame. */
static void given_two(void)
{
	fake_frames_reset();
	lender = given_domain();
	user = given_domain();
	user->dirty_cpus = 1;
	fake_run(user->vcpu[0]);
}

static struct grant_entry_v1 *entry_of(struct domain *domain, grant_ref_t gref)
{
	return grant_entry(domain->grants, gref);
}

/* As a guest does it: everything before the flags that make it valid. */
static void lend(struct domain *from, grant_ref_t gref, domid_t to, mfn_t frame, uint16_t flags)
{
	entry_of(from, gref)->frame = (uint32_t)frame.raw;
	entry_of(from, gref)->domid = to;
	store_release(&entry_of(from, gref)->flags, (uint16_t)(GTF_permit_access | flags));
}

static bool withdraw(struct domain *from, grant_ref_t gref)
{
	uint16_t flags = read_once(&entry_of(from, gref)->flags);

	do {
		if (flags & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&entry_of(from, gref)->flags, &flags, 0, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

static int map(grant_ref_t gref, uint32_t flags, uint32_t entry, grant_handle_t *handle)
{
	struct gnttab_map_grant_ref op = {
		.host_addr = flags & GNTMAP_contains_pte ? FAKE_PTE(entry) : FAKE_VA(entry),
		.flags = flags, .ref = gref, .dom = lender->id };

	fake_guest_window(&op, sizeof(op));
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_map_grant_ref, &op, 1), 0);
	*handle = op.handle;
	return op.status;
}

static int unmap(grant_handle_t handle, uint64_t host_addr)
{
	struct gnttab_unmap_grant_ref op = { .host_addr = host_addr, .handle = handle };

	fake_guest_window(&op, sizeof(op));
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
	return op.status;
}

static bool is_unused(grant_ref_t gref)
{
	const struct grant_active *active = grant_active(lender->grants, gref);

	return !active->readers && !active->writers &&
	       !(entry_of(lender, gref)->flags & (GTF_reading | GTF_writing));
}

/* ---- mapping ---- */

static void withdrawn_grant_cannot_be_mapped(void)		/* G2 */
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	CU_ASSERT_TRUE(withdraw(lender, 9));

	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_general_error);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_EQUAL(fake_entries[0], 0);
}

static void mapped_grant_cannot_be_withdrawn(void)		/* G2 */
{
	grant_handle_t handle;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_okay);
	CU_ASSERT_FALSE(withdraw(lender, 9));

	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_okay);
	CU_ASSERT_TRUE(withdraw(lender, 9));
}

static void grant_to_another_domain_cannot_be_mapped(void)
{
	grant_handle_t handle;

	given_two();
	lend(lender, 9, user->id + 1, given_frame(lender), 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_general_error);
	CU_ASSERT_TRUE(is_unused(9));
}

/* Its lender has meanwhile given it to somebody else. */
static void what_one_maps_no_other_maps_too(void)		/* G2 */
{
	struct gnttab_map_grant_ref *op;
	struct domain *third;
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	third = given_domain();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map | GNTMAP_readonly, 0, &handle), GNTST_okay);
	lend(lender, 9, third->id, given_frame(lender), 0);
	fake_run(third->vcpu[0]);
	op = GUEST_COPY(struct gnttab_map_grant_ref, .host_addr = FAKE_VA(1), .flags = GNTMAP_host_map, .ref = 9, .dom = lender->id);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_map_grant_ref, op, 1), 0);
	CU_ASSERT_EQUAL(op->status, GNTST_general_error);
	CU_ASSERT_EQUAL(frame_references(frame), 1);
	CU_ASSERT_EQUAL(fake_entries[1], 0);
	fake_run(user->vcpu[0]);
	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_okay);
}

/* It was found before it began to die. */
static void nothing_new_is_mapped_from_or_by_who_dies(void)	/* D2 */
{
	grant_handle_t handle;
	struct frame *pinned;
	mfn_t frame, added;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	lender->is_dying = true;
	CU_ASSERT_EQUAL(grant_pin(lender, 9, user->id, true, &pinned), GNTST_bad_domain);
	CU_ASSERT_EQUAL(grant_frame(lender, 1, &added), -EINVAL);
	lender->is_dying = false;
	user->is_dying = true;
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_general_error);
	user->is_dying = false;
	CU_ASSERT_EQUAL(lender->grants->frame_count, 1);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_EQUAL(lender->references, 1);
}

static void reference_beyond_the_table_is_refused(void)
{
	grant_handle_t handle;

	given_two();
	CU_ASSERT_EQUAL(map(512, GNTMAP_host_map, 0, &handle), GNTST_bad_gntref);
	CU_ASSERT_EQUAL(map(UINT32_MAX, GNTMAP_host_map, 0, &handle), GNTST_bad_gntref);
}

static void mapping_of_no_kind_or_no_domain_is_refused(void)
{
	struct gnttab_map_grant_ref *op;

	given_two();
	op = GUEST_COPY(struct gnttab_map_grant_ref, .flags = GNTMAP_readonly, .dom = lender->id);
	grant_op(GNTTABOP_map_grant_ref, op, 1);
	CU_ASSERT_EQUAL(op->status, GNTST_bad_gntref);
	op = GUEST_COPY(struct gnttab_map_grant_ref, .flags = GNTMAP_host_map, .dom = 77);
	grant_op(GNTTABOP_map_grant_ref, op, 1);
	CU_ASSERT_EQUAL(op->status, GNTST_bad_domain);
	op = GUEST_COPY(struct gnttab_map_grant_ref, .flags = GNTMAP_host_map, .dom = DOMID_SELF);
	grant_op(GNTTABOP_map_grant_ref, op, 1);
	CU_ASSERT_EQUAL(op->status, GNTST_bad_domain);
}

static void mapping_counts_and_unmapping_gives_back(void)	/* G1, G3 */
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);

	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 3, &handle), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(frame), 1);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 1);
	CU_ASSERT_EQUAL(pte_frame(fake_entries[3]).raw, frame.raw);
	CU_ASSERT(fake_entries[3] & PTE_WRITABLE);
	CU_ASSERT_EQUAL(lender->references, 2);

	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(3)), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 0);
	CU_ASSERT_EQUAL(fake_entries[3], 0);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(lender->references, 1);
	CU_ASSERT_EQUAL(fake.tlb_flushes + fake.tlb_page_flushes, 1);
}

static void readonly_grant_is_mapped_only_readonly(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, GTF_readonly);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_general_error);
	CU_ASSERT_TRUE(is_unused(9));

	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map | GNTMAP_readonly, 0, &handle), GNTST_okay);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 0);
	CU_ASSERT_FALSE(fake_entries[0] & PTE_WRITABLE);
	CU_ASSERT_EQUAL(entry_of(lender, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 1, &handle), GNTST_general_error);
	CU_ASSERT_EQUAL(entry_of(lender, 9)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
}

static void page_table_is_never_mapped_writable(void)		/* G3 */
{
	grant_handle_t handle;
	mfn_t table;

	given_two();
	table = given_page_table(lender);
	lend(lender, 9, user->id, table, 0);

	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_general_error);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(table), 1);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map | GNTMAP_readonly, 0, &handle), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(table), 2);
}

static void frame_of_somebody_else_cannot_be_lent(void)
{
	grant_handle_t handle;

	given_two();
	lend(lender, 9, user->id, given_frame(given_domain()), 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_bad_page);
	entry_of(lender, 9)->frame = UINT32_MAX;
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_bad_page);
	CU_ASSERT_TRUE(is_unused(9));
}

static void bad_address_leaves_nothing_behind(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, FAKE_ENTRIES, &handle), GNTST_bad_virt_addr);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(lender->references, 1);
	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_bad_handle);
}

static void mapping_by_entry_takes_flags_and_address(void)
{
	uint32_t flags = GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map |
			 1U << _GNTMAP_guest_avail0;
	grant_handle_t handle;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	CU_ASSERT_EQUAL(map(9, flags, 5, &handle), GNTST_okay);
	CU_ASSERT_EQUAL(fake_entries[5] & PTE_AVAIL, 0x200);
	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(6)), GNTST_bad_virt_addr);	/* not an entry's address */
	CU_ASSERT_EQUAL(unmap(handle, FAKE_PTE(5)), GNTST_okay);
	CU_ASSERT_EQUAL(fake_entries[5], 0);
}

/* Devices never reach granted frames (DESIGN.md). */
static void mapping_for_a_device_is_refused(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_device_map, 0, &handle), GNTST_no_device_space);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map | GNTMAP_device_map, 0, &handle), GNTST_no_device_space);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_TRUE(is_unused(9));
}

static void address_of_a_mapping_is_told(void)
{
	struct gnttab_map_grant_ref *op;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	op = GUEST_COPY(struct gnttab_map_grant_ref, .host_addr = FAKE_VA(0), .ref = 9, .dom = lender->id,
			.flags = GNTMAP_host_map);
	grant_op(GNTTABOP_map_grant_ref, op, 1);
	CU_ASSERT_EQUAL(op->dev_bus_addr, mfn_to_paddr(frame));		/* Linux's P2M is made of it */
	CU_ASSERT_EQUAL(unmap(op->handle, 0), GNTST_okay);		/* nothing asked for, nothing done */
	CU_ASSERT_EQUAL(frame_references(frame), 1);
	CU_ASSERT_EQUAL(unmap(op->handle, FAKE_VA(0)), GNTST_okay);
}

static void handle_is_good_once(void)				/* G4 */
{
	struct gnttab_unmap_grant_ref *op;
	grant_handle_t handle;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	map(9, GNTMAP_host_map, 0, &handle);
	op = fake_guest_memory(2 * sizeof(*op));
	op[0] = op[1] = (struct gnttab_unmap_grant_ref){ .host_addr = FAKE_VA(0), .handle = handle };

	CU_ASSERT_EQUAL(grant_op(GNTTABOP_unmap_grant_ref, op, 2), 0);
	CU_ASSERT_EQUAL(op[0].status, GNTST_okay);
	CU_ASSERT_EQUAL(op[1].status, GNTST_bad_handle);
	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_bad_handle);
	CU_ASSERT_EQUAL(unmap(UINT32_MAX, FAKE_VA(0)), GNTST_bad_handle);
}

/* Or one could drop a writable reference while the writable entry stays. */
static void handle_ends_only_an_entry_of_its_kind(void)		/* G3, G4 */
{
	grant_handle_t writable, readonly;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	map(9, GNTMAP_host_map, 0, &writable);
	map(9, GNTMAP_host_map | GNTMAP_readonly, 1, &readonly);

	CU_ASSERT_EQUAL(unmap(writable, FAKE_VA(1)), GNTST_general_error);
	CU_ASSERT_EQUAL(unmap(readonly, FAKE_VA(0)), GNTST_general_error);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 1);
	CU_ASSERT_EQUAL(frame_references(frame), 2);
	CU_ASSERT_EQUAL(unmap(writable, FAKE_VA(0)), GNTST_okay);
	CU_ASSERT_EQUAL(entry_of(lender, 9)->flags, GTF_permit_access | GTF_reading);
	CU_ASSERT_EQUAL(unmap(readonly, FAKE_VA(1)), GNTST_okay);
	CU_ASSERT_TRUE(is_unused(9));
}

static void entry_that_the_guest_cleared_itself_is_not_dropped_twice(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	map(9, GNTMAP_host_map, 0, &handle);
	fake_entry_drop(0);

	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_general_error);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	user->is_dying = true;
	CU_ASSERT_EQUAL(grant_release_all(user, &(uint32_t){ 0 }), 0);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(frame), 0);
}

static void lender_that_rewrites_its_entry_changes_no_mapping(void)
{
	grant_handle_t first, second;
	mfn_t frame, other;

	given_two();
	frame = given_frame(lender);
	other = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	map(9, GNTMAP_host_map, 0, &first);
	entry_of(lender, 9)->frame = (uint32_t)other.raw;
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 1, &second), GNTST_okay);
	CU_ASSERT_EQUAL(pte_frame(fake_entries[1]).raw, frame.raw);
	*entry_of(lender, 9) = (struct grant_entry_v1){ 0xffff, 0xffff, UINT32_MAX };

	CU_ASSERT_EQUAL(unmap(first, FAKE_VA(0)), GNTST_okay);
	CU_ASSERT_EQUAL(unmap(second, FAKE_VA(1)), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(frame) + frame_references(other), 0);
}

static void batch_of_unmaps_flushes_once(void)
{
	enum { COUNT = 100 };
	struct gnttab_unmap_grant_ref *op;
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	op = fake_guest_memory(COUNT * sizeof(*op));
	for (uint32_t i = 0; i < COUNT; i++) {
		CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, i, &handle), GNTST_okay);
		op[i] = (struct gnttab_unmap_grant_ref){ .host_addr = FAKE_VA(i), .handle = handle };
	}
	CU_ASSERT_EQUAL(frame_references(frame), COUNT);
	fake.tlb_flushes = fake.tlb_page_flushes = 0;

	CU_ASSERT_EQUAL(grant_op(GNTTABOP_unmap_grant_ref, op, COUNT), 0);
	CU_ASSERT_EQUAL(fake.tlb_flushes, 1);
	CU_ASSERT_EQUAL(fake.tlb_page_flushes, 0);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_TRUE(is_unused(9));
}

static void handles_run_out_and_come_back(void)
{
	grant_handle_t handle, last = 0;
	uint32_t made = 0;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	while (made < GRANT_HANDLES_MAX) {
		struct gnttab_map_grant_ref op = { .flags = GNTMAP_host_map, .ref = 9, .dom = lender->id,
						   .host_addr = FAKE_VA(made % FAKE_ENTRIES) };

		fake_guest_window(&op, sizeof(op));
		if (grant_op(GNTTABOP_map_grant_ref, &op, 1) != 0 || op.status != GNTST_okay)
			break;
		last = op.handle;
		made++;
	}
	CU_ASSERT_EQUAL(made, GRANT_HANDLES_MAX);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_no_space);
	CU_ASSERT_EQUAL(unmap(last, FAKE_VA((made - 1) % FAKE_ENTRIES)), GNTST_okay);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_okay);
}

/* ---- the end of domains ---- */

static void dying_user_lets_everything_go(void)
{
	enum { COUNT = 300 };
	grant_handle_t handle;
	uint32_t pieces = 1;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	for (uint32_t i = 0; i < COUNT; i++)
		map(9, GNTMAP_host_map | (i % 2 ? GNTMAP_readonly : 0), i, &handle);
	user->is_dying = true;
	fake.preempt_every = 1;
	while (grant_release_all(user, &(uint32_t){ 0 }) == -ERESTART)
		pieces++;

	CU_ASSERT(pieces > 3);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(lender->references, 1);
	CU_ASSERT_EQUAL(frame_references(frame), COUNT);	/* its page tables still have them */
	for (uint32_t i = 0; i < COUNT; i++)
		fake_entry_drop(i);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_TRUE(grant_domain_unshare(user));
	grant_domain_free(user);
}

static void frames_of_a_dying_lender_stay_until_dropped(void)	/* G1 */
{
	grant_handle_t handle, other;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	map(9, GNTMAP_host_map, 0, &handle);
	given_dying(lender);
	CU_ASSERT_EQUAL(grant_release_all(lender, &(uint32_t){ 0 }), 0);
	CU_ASSERT_TRUE(grant_domain_unshare(lender));

	CU_ASSERT_EQUAL(frame_references(frame), 1);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 1, &other), GNTST_bad_domain);
	CU_ASSERT_EQUAL(unmap(handle, FAKE_VA(0)), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_EQUAL(lender->references, 1);
}

static void table_frames_wait_for_their_mappings(void)
{
	mfn_t frame;

	given_two();
	CU_ASSERT_EQUAL(grant_frame(lender, 2, &frame), 0);
	CU_ASSERT_PTR_NOT_NULL(frame_get(frame, lender));
	given_dying(lender);
	CU_ASSERT_FALSE(grant_domain_unshare(lender));
	frame_put(frame_at(frame));
	CU_ASSERT_TRUE(grant_domain_unshare(lender));
	CU_ASSERT_TRUE(grant_domain_unshare(lender));
}

static void domain_may_lend_to_itself(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	lender = user;
	frame = given_frame(user);
	lend(user, 9, user->id, frame, 0);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_okay);
	CU_ASSERT_EQUAL(frame_references(frame), 1);
	given_dying(user);
	CU_ASSERT_EQUAL(grant_release_all(user, &(uint32_t){ 0 }), 0);
	CU_ASSERT_EQUAL(user->references, 1);
}

/* ---- copying ---- */

static struct gnttab_copy copy_of(domid_t from, uint64_t source, domid_t to, uint64_t dest, uint16_t flags)
{
	struct gnttab_copy op = { .len = PAGE_SIZE, .flags = flags };

	op.source.domid = from;
	op.dest.domid = to;
	op.source.u.gmfn = source;
	op.dest.u.gmfn = dest;
	return op;
}

static int copy(struct gnttab_copy op)
{
	struct gnttab_copy *guest = fake_guest_memory(sizeof(op));

	*guest = op;
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_copy, guest, 1), 0);
	return guest->status;
}

static void copy_moves_bytes_both_ways(void)
{
	struct gnttab_copy op;
	uint8_t *theirs, *ours;
	mfn_t lent, own;

	given_two();
	lent = given_frame(lender);
	own = given_frame(user);
	theirs = mfn_to_virt(lent);
	ours = mfn_to_virt(own);
	memset(theirs, 0xab, PAGE_SIZE);
	lend(lender, 9, user->id, lent, 0);

	op = copy_of(lender->id, 9, DOMID_SELF, own.raw, GNTCOPY_source_gref);
	op.source.offset = 1;
	op.dest.offset = 100;
	op.len = 77;
	CU_ASSERT_EQUAL(copy(op), GNTST_okay);
	CU_ASSERT(ours[99] == 0 && ours[100] == 0xab && ours[176] == 0xab && ours[177] == 0);

	memset(ours, 0xcd, PAGE_SIZE);
	op = copy_of(DOMID_SELF, own.raw, lender->id, 9, GNTCOPY_dest_gref);
	CU_ASSERT_EQUAL(copy(op), GNTST_okay);
	CU_ASSERT(theirs[0] == 0xcd && theirs[PAGE_SIZE - 1] == 0xcd);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(lent) + frame_references(own), 0);
	CU_ASSERT_EQUAL(lender->references, 1);
	CU_ASSERT_EQUAL(user->references, 1);
	CU_ASSERT_EQUAL(user->account.used[ACCOUNT_GRANT_COPIES], 2);
}

static void copy_across_a_page_is_refused(void)
{
	struct gnttab_copy op;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	op = copy_of(lender->id, 9, DOMID_SELF, given_frame(user).raw, GNTCOPY_source_gref);
	op.source.offset = 1;
	CU_ASSERT_EQUAL(copy(op), GNTST_bad_copy_arg);
	op.source.offset = 0;
	op.dest.offset = 0xffff;
	CU_ASSERT_EQUAL(copy(op), GNTST_bad_copy_arg);
	op.dest.offset = 0;
	op.len = 0xffff;
	CU_ASSERT_EQUAL(copy(op), GNTST_bad_copy_arg);
	op.dest.offset = PAGE_SIZE;
	op.len = 0;
	CU_ASSERT_EQUAL(copy(op), GNTST_okay);
}

static void copy_of_frames_needs_a_grant_or_to_own_them(void)
{
	mfn_t theirs, own, table;

	given_two();
	theirs = given_frame(lender);
	own = given_frame(user);
	table = given_page_table(user);
	CU_ASSERT_EQUAL(copy(copy_of(lender->id, theirs.raw, DOMID_SELF, own.raw, 0)), GNTST_permission_denied);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, lender->id, theirs.raw, 0)), GNTST_permission_denied);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, theirs.raw, DOMID_SELF, own.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, theirs.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, UINT64_MAX, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, table.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, table.raw, DOMID_SELF, own.raw, 0)), GNTST_okay);
	CU_ASSERT_EQUAL(copy(copy_of(77, 9, DOMID_SELF, own.raw, GNTCOPY_source_gref)), GNTST_bad_domain);
	CU_ASSERT_EQUAL(frame_references(own), 0);
}

/* It needs no references of its own frames, and gets no more of them than anybody. */
static void frozen_caller_s_copies_are_as_anybody_s(void)		/* F6 */
{
	mfn_t theirs, own, table;

	given_two();
	theirs = given_frame(lender);
	own = given_frame(user);
	table = given_page_table(user);
	lend(lender, 9, user->id, theirs, 0);
	user->is_frozen = true;
	memset(mfn_to_virt(theirs), 0xab, PAGE_SIZE);
	CU_ASSERT_EQUAL(copy(copy_of(lender->id, 9, DOMID_SELF, own.raw, GNTCOPY_source_gref)), GNTST_okay);
	CU_ASSERT_EQUAL(((uint8_t *)mfn_to_virt(own))[PAGE_SIZE - 1], 0xab);
	memset(mfn_to_virt(own), 0xcd, PAGE_SIZE);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, lender->id, 9, GNTCOPY_dest_gref)), GNTST_okay);
	CU_ASSERT_EQUAL(((uint8_t *)mfn_to_virt(theirs))[PAGE_SIZE - 1], 0xcd);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, table.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, theirs.raw, DOMID_SELF, own.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, theirs.raw, 0)), GNTST_bad_page);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, DOMID_SELF, UINT64_MAX, 0)), GNTST_bad_page);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(own) + frame_references(theirs), 0);
}

/* Own frames, grants of one lender and of another, those that do not exist, in one batch: nothing of one is left for the next. */
static void sides_of_a_batch_are_not_mixed_up(void)
{
	enum { COUNT = 6 };
	static const int16_t status[COUNT] = { GNTST_okay, GNTST_okay, GNTST_bad_domain, GNTST_okay, GNTST_bad_page, GNTST_okay };
	struct gnttab_copy *op;
	mfn_t own, target, lent;

	given_two();
	own = given_frame(user);
	target = given_frame(user);
	lent = given_frame(lender);
	memset(mfn_to_virt(own), 'o', PAGE_SIZE);
	memset(mfn_to_virt(lent), 'l', PAGE_SIZE);
	/* The grant's number is that of a frame, too. */
	lend(lender, 9, user->id, lent, 0);
	op = fake_guest_memory(COUNT * sizeof(*op));
	op[0] = copy_of(DOMID_SELF, own.raw, DOMID_SELF, target.raw, 0);
	op[1] = copy_of(lender->id, 9, DOMID_SELF, target.raw, GNTCOPY_source_gref);
	op[2] = copy_of(77, 9, DOMID_SELF, target.raw, GNTCOPY_source_gref);
	op[3] = op[1];
	op[4] = copy_of(DOMID_SELF, 9, DOMID_SELF, target.raw, 0);
	op[5] = op[0];
	for (uint16_t i = 0; i < COUNT; i++) {
		op[i].dest.offset = i;
		op[i].len = 1;
	}
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_copy, op, COUNT), 0);
	for (uint32_t i = 0; i < COUNT; i++)
		CU_ASSERT_EQUAL(op[i].status, status[i]);
	CU_ASSERT_EQUAL(memcmp(mfn_to_virt(target), "ol\0l\0o", COUNT), 0);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(frame_references(own) + frame_references(target) + frame_references(lent), 0);
	CU_ASSERT(lender->references == 1 && user->references == 1);
}

static void readonly_grant_is_no_destination(void)
{
	mfn_t own;

	given_two();
	own = given_frame(user);
	lend(lender, 9, user->id, given_frame(lender), GTF_readonly);
	CU_ASSERT_EQUAL(copy(copy_of(DOMID_SELF, own.raw, lender->id, 9, GNTCOPY_dest_gref)), GNTST_general_error);
	CU_ASSERT_EQUAL(copy(copy_of(lender->id, 9, DOMID_SELF, own.raw, GNTCOPY_source_gref)), GNTST_okay);
	CU_ASSERT_TRUE(is_unused(9));
}

/* Each operation of a batch stands alone, though they share what they have looked up. */
static void batch_of_copies_has_a_status_for_each(void)
{
	enum { COUNT = 21 };
	struct gnttab_copy *op;
	mfn_t own, lent[2];

	given_two();
	own = given_frame(user);
	for (uint32_t i = 0; i < 2; i++) {
		lent[i] = given_frame(lender);
		memset(mfn_to_virt(lent[i]), 'a' + i, PAGE_SIZE);
		lend(lender, 9 + i, user->id, lent[i], 0);
	}
	op = fake_guest_memory(COUNT * sizeof(*op));
	for (uint16_t i = 0; i < COUNT; i++) {
		op[i] = copy_of(lender->id, 9 + i % 3, DOMID_SELF, own.raw, GNTCOPY_source_gref);
		op[i].dest.offset = i;
		op[i].len = 1;
	}
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_copy, op, COUNT), 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		CU_ASSERT_EQUAL(op[i].status, i % 3 == 2 ? GNTST_general_error : GNTST_okay);
		CU_ASSERT_EQUAL(((char *)mfn_to_virt(own))[i], i % 3 == 2 ? 0 : 'a' + (int)i % 3);
	}
	CU_ASSERT_TRUE(is_unused(9) && is_unused(10));
	CU_ASSERT_EQUAL(frame_references(own) + frame_references(lent[0]) + frame_references(lent[1]), 0);
	CU_ASSERT_EQUAL(lender->references, 1);
}

static void one_grant_can_be_source_and_destination(void)
{
	struct gnttab_copy op;
	mfn_t lent;

	given_two();
	lent = given_frame(lender);
	strcpy(mfn_to_virt(lent), "abcdef");
	lend(lender, 9, user->id, lent, 0);
	op = copy_of(lender->id, 9, lender->id, 9, GNTCOPY_source_gref | GNTCOPY_dest_gref);
	op.dest.offset = 2;
	op.len = 4;
	CU_ASSERT_EQUAL(copy(op), GNTST_okay);
	CU_ASSERT_STRING_EQUAL(mfn_to_virt(lent), "ababcd");
	CU_ASSERT_TRUE(is_unused(9));
}

/* ---- batches ---- */

static void unreadable_operation_ends_the_call(void)
{
	struct gnttab_map_grant_ref *op;
	mfn_t frame;

	given_two();
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	op = fake_guest_memory(3 * sizeof(*op));
	for (uint32_t i = 0; i < 3; i++)
		op[i] = (struct gnttab_map_grant_ref){ .host_addr = FAKE_VA(i), .flags = GNTMAP_host_map, .ref = 9,
						       .dom = lender->id, .status = 1 };
	fake.guest_fault_at = guest_address(&op[2]);

	CU_ASSERT_EQUAL(grant_op(GNTTABOP_map_grant_ref, op, 3), -EFAULT);
	CU_ASSERT_EQUAL(op[0].status, GNTST_okay);
	CU_ASSERT_EQUAL(op[1].status, GNTST_okay);
	CU_ASSERT_EQUAL(op[2].status, 1);
	CU_ASSERT_EQUAL(frame_references(frame), 2);
	CU_ASSERT_EQUAL(do_grant_table_op(GNTTABOP_copy, 0x1234, 1), -EFAULT);
}

static void preempted_batch_goes_on_where_it_stopped(void)
{
	enum { COUNT = 50 };
	struct gnttab_unmap_grant_ref *op;
	uint32_t calls = 1;
	grant_handle_t handle;
	long result;

	given_two();
	lend(lender, 9, user->id, given_frame(lender), 0);
	op = fake_guest_memory(COUNT * sizeof(*op));
	for (uint32_t i = 0; i < COUNT; i++) {
		map(9, GNTMAP_host_map, i, &handle);
		op[i] = (struct gnttab_unmap_grant_ref){ FAKE_VA(i), 0, handle, 1 };
	}
	fake.preempt_every = 2;
	result = grant_op(GNTTABOP_unmap_grant_ref, op, COUNT);
	while (result == -ERESTART) {
		CU_ASSERT_EQUAL(fake.continued_number, __HYPERVISOR_grant_table_op);
		CU_ASSERT_EQUAL(fake.continued_count, 3);
		CU_ASSERT(fake.continued[2] < COUNT && fake.continued[2] > 0);
		result = do_grant_table_op(fake.continued[0], fake.continued[1], fake.continued[2]);
		calls++;
	}
	CU_ASSERT_EQUAL(result, 0);
	CU_ASSERT_EQUAL(calls, 4);
	for (uint32_t i = 0; i < COUNT; i++)
		CU_ASSERT_EQUAL(op[i].status, GNTST_okay);
	CU_ASSERT_TRUE(is_unused(9));
}

/* ---- transfer ---- */

static int transfer(mfn_t frame, grant_ref_t gref)
{
	struct gnttab_transfer *op = GUEST_COPY(struct gnttab_transfer, .mfn = frame.raw, .domid = lender->id,
						.ref = gref);

	CU_ASSERT_EQUAL(grant_op(GNTTABOP_transfer, op, 1), 0);
	return op->status;
}

static void transfer_gives_a_frame_to_who_waits_for_it(void)
{
	mfn_t frame;

	given_two();
	frame = given_frame(user);
	*entry_of(lender, 9) = (struct grant_entry_v1){ GTF_accept_transfer, user->id, 0x123 };
	CU_ASSERT_EQUAL(transfer(frame, 9), GNTST_okay);
	CU_ASSERT_EQUAL(frame_at(frame)->owner, lender->id);
	CU_ASSERT_EQUAL(entry_of(lender, 9)->frame, frame.raw);
	CU_ASSERT_EQUAL(entry_of(lender, 9)->flags,
			GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
	CU_ASSERT_EQUAL(m2p_get(frame).raw, 0x123);
	CU_ASSERT_EQUAL(user->frame_count, 0);
	CU_ASSERT_EQUAL(lender->frame_count, 1);
	CU_ASSERT_EQUAL(transfer(given_frame(user), 9), GNTST_general_error);	/* not twice */
}

static void transfer_that_is_refused_changes_nothing(void)
{
	struct domain *receiver;
	mfn_t frame, used;

	given_two();
	frame = given_frame(user);
	used = given_frame(user);
	CU_ASSERT_PTR_NOT_NULL(frame_get(used, user));
	CU_ASSERT_EQUAL(transfer(frame, 9), GNTST_general_error);		/* nobody waits */
	*entry_of(lender, 9) = (struct grant_entry_v1){ GTF_accept_transfer, user->id + 5, 0x123 };
	CU_ASSERT_EQUAL(transfer(frame, 9), GNTST_general_error);		/* not for us */
	entry_of(lender, 9)->domid = user->id;
	CU_ASSERT_EQUAL(transfer(used, 9), GNTST_bad_page);			/* it is mapped somewhere */
	CU_ASSERT_EQUAL(transfer(given_frame(lender), 9), GNTST_bad_page);	/* not ours */
	CU_ASSERT_EQUAL(transfer(mfn(UINT64_MAX), 9), GNTST_general_error);
	CU_ASSERT_EQUAL(transfer(frame, 512), GNTST_bad_gntref);
	receiver = lender;
	lender = &(struct domain){ .id = 77 };
	CU_ASSERT_EQUAL(transfer(frame, 9), GNTST_bad_domain);
	lender = receiver;
	lender->frame_limit = 1;
	CU_ASSERT_EQUAL(transfer(frame, 9), GNTST_general_error);		/* it is full */
	CU_ASSERT_EQUAL(entry_of(lender, 9)->flags, GTF_accept_transfer);
	CU_ASSERT_EQUAL(frame_at(frame)->owner, user->id);
	CU_ASSERT_EQUAL(user->frame_count, 2);
}

/* ---- the table ---- */

static void table_that_would_be_too_large_does_not_grow(void)
{
	xen_pfn_t *list;
	struct gnttab_setup_table *setup;

	given_two();
	list = fake_guest_memory((GRANT_FRAMES_MAX + 1) * sizeof(*list));
	setup = GUEST_COPY(struct gnttab_setup_table, .dom = DOMID_SELF, .nr_frames = GRANT_FRAMES_MAX + 1);
	set_xen_guest_handle(setup->frame_list, list);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_setup_table, setup, 1), 0);
	CU_ASSERT_EQUAL(setup->status, GNTST_general_error);
	CU_ASSERT_EQUAL(user->grants->frame_count, 1);
	CU_ASSERT_EQUAL(list[0], 0);
}

static void table_grows_to_its_limit(void)
{
	struct gnttab_setup_table *setup;
	struct gnttab_query_size *query;
	xen_pfn_t *list;

	given_two();
	list = fake_guest_memory(GRANT_FRAMES_MAX * sizeof(*list));
	setup = GUEST_COPY(struct gnttab_setup_table, .dom = DOMID_SELF, .nr_frames = GRANT_FRAMES_MAX);
	set_xen_guest_handle(setup->frame_list, list);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_setup_table, setup, 1), 0);
	CU_ASSERT_EQUAL(setup->status, GNTST_okay);
	for (uint32_t i = 0; i < GRANT_FRAMES_MAX; i++)
		CU_ASSERT_EQUAL(list[i], virt_to_mfn(user->grants->shared[i]).raw);

	query = GUEST_COPY(struct gnttab_query_size, .dom = DOMID_SELF);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_query_size, query, 1), 0);
	CU_ASSERT_EQUAL(query->nr_frames, GRANT_FRAMES_MAX);
	CU_ASSERT_EQUAL(query->max_nr_frames, GRANT_FRAMES_MAX);

	setup->nr_frames = GRANT_FRAMES_MAX + 1;
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_setup_table, setup, 1), 0);
	CU_ASSERT_EQUAL(setup->status, GNTST_general_error);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_setup_table, setup, 2), -EINVAL);
}

static void table_of_another_domain_is_for_the_privileged(void)
{
	struct gnttab_query_size *query;
	struct gnttab_get_version *version;

	given_two();
	query = GUEST_COPY(struct gnttab_query_size, .dom = lender->id);
	version = GUEST_COPY(struct gnttab_get_version, .dom = lender->id);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_query_size, query, 1), 0);
	CU_ASSERT_EQUAL(query->status, GNTST_permission_denied);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_get_version, version, 1), -EPERM);
	version->dom = 77;
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_get_version, version, 1), -ESRCH);
	fake_run(given_domain_zero()->vcpu[0]);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_query_size, query, 1), 0);
	CU_ASSERT_EQUAL(query->status, GNTST_okay);
	CU_ASSERT_EQUAL(query->nr_frames, 1);
}

static void version_two_is_refused_and_one_named_instead(void)
{
	struct gnttab_set_version *set;

	given_two();
	set = GUEST_COPY(struct gnttab_set_version, .version = 2);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_set_version, set, 1), -ENOSYS);
	CU_ASSERT_EQUAL(set->version, 1);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_set_version, set, 1), 0);
	set->version = 3;
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_set_version, set, 1), -EINVAL);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_get_status_frames, set, 1), -ENOSYS);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_cache_flush, set, 1), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(grant_op(99, set, 1), -ENOSYS);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_copy, set, UINT32_MAX), -EINVAL);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_copy, set, 0), 0);
}

static void no_memory_is_an_error_and_no_more(void)
{
	grant_handle_t handle;
	mfn_t frame;

	given_two();
	for (uint32_t call = 1; call <= 2; call++) {
		fake.heap_fail_call = call;
		CU_ASSERT_EQUAL(grant_frame(lender, 1, &frame), -ENOMEM);
	}
	CU_ASSERT_EQUAL(lender->grants->frame_count, 1);
	lend(lender, 9, user->id, given_frame(lender), 0);
	fake.heap_fail_call = 1;
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_no_space);
	CU_ASSERT_EQUAL(map(9, GNTMAP_host_map, 0, &handle), GNTST_okay);
}

/* ---- two CPUs ---- */

#define COPIES 2000		/* that get through */

static bool copier_is_done;

/* Copies into the grant as fast as it can, whether it is lent or not. */
static void *copy_on_and_on(void *argument)
{
	struct gnttab_copy *op = argument;
	uint32_t copies = 0;

	fake_on_cpu(1);
	fake_run(user->vcpu[0]);
	while (copies < COPIES)
		copies += grant_op(GNTTABOP_copy, op, 1) == 0 && op->status == GNTST_okay;
	store_release(&copier_is_done, true);
	return NULL;
}

/* What the lender writes after it has withdrawn is never overwritten by a late copy. */
static void no_copy_is_late(void)				/* G2 */
{
	struct gnttab_copy *op;
	uint64_t *page, late = 0;
	mfn_t lent, own;
	pthread_t thread;

	given_two();
	fake_run(NULL);
	fake_allow_waiting(true);
	copier_is_done = false;
	lent = given_frame(lender);
	own = given_frame(user);
	memset(mfn_to_virt(own), 0xee, PAGE_SIZE);
	op = fake_guest_memory(sizeof(*op));
	*op = copy_of(DOMID_SELF, own.raw, lender->id, 9, GNTCOPY_dest_gref);
	page = mfn_to_virt(lent);
	pthread_create(&thread, NULL, copy_on_and_on, op);
	for (uint32_t i = 0; !load_acquire(&copier_is_done); i++) {
		lend(lender, 9, user->id, lent, 0);
		for (uint32_t wait = 0; wait < i % 64; wait++)
			read_once(&page[0]);
		while (!withdraw(lender, 9))
			;
		write_once(&page[511], i);
		for (uint32_t wait = 0; wait < 20; wait++)
			late += read_once(&page[511]) != i;
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(late, 0);
	CU_ASSERT_EQUAL(frame_references(lent), 0);
	CU_ASSERT_EQUAL(frame_references(own), 0);
}

#define SHARED_HANDLES 64

static grant_handle_t shared_handles[SHARED_HANDLES];
static uint32_t unmapped[2];

/* Both vcpus of a user try to end every mapping; op->handle is the vcpu's number. */
static void *unmap_all(void *argument)
{
	struct gnttab_unmap_grant_ref *op = argument;
	uint32_t cpu = op->handle;

	fake_on_cpu(cpu);
	fake_run(user->vcpu[cpu]);
	for (uint32_t i = 0; i < SHARED_HANDLES; i++) {
		uint32_t which = cpu ? i : SHARED_HANDLES - 1 - i;

		*op = (struct gnttab_unmap_grant_ref){ FAKE_VA(which), 0, shared_handles[which], 1 };
		unmapped[cpu] += grant_op(GNTTABOP_unmap_grant_ref, op, 1) == 0 && op->status == GNTST_okay;
	}
	return NULL;
}

static void two_vcpus_end_each_mapping_once(void)		/* G4 */
{
	struct gnttab_unmap_grant_ref *op;
	pthread_t thread;
	mfn_t frame;

	fake_frames_reset();
	lender = given_domain();
	user = given_domain_with(9, 2, false);
	fake_run(user->vcpu[0]);
	fake_allow_waiting(true);
	frame = given_frame(lender);
	lend(lender, 9, user->id, frame, 0);
	for (uint32_t i = 0; i < SHARED_HANDLES; i++)
		map(9, GNTMAP_host_map, i, &shared_handles[i]);
	op = fake_guest_memory(2 * sizeof(*op));
	op[0] = (struct gnttab_unmap_grant_ref){ .handle = 0 };
	op[1] = (struct gnttab_unmap_grant_ref){ .handle = 1 };
	memset(unmapped, 0, sizeof(unmapped));
	pthread_create(&thread, NULL, unmap_all, &op[1]);
	unmap_all(&op[0]);
	pthread_join(thread, NULL);

	CU_ASSERT_EQUAL(unmapped[0] + unmapped[1], SHARED_HANDLES);
	CU_ASSERT_EQUAL(frame_references(frame), 0);
	CU_ASSERT_EQUAL(frame_writable_references(frame), 0);
	CU_ASSERT_TRUE(is_unused(9));
	CU_ASSERT_EQUAL(lender->references, 1);
}

/* ---- anything, and after each step everything counted afresh ---- */

#define RANDOM_GREFS 8
#define RANDOM_SLOTS 16
#define RANDOM_STEPS 20000

static struct { bool used; uint32_t flags; grant_ref_t gref; grant_handle_t handle; } slots[RANDOM_SLOTS];

static void counts_agree(void)					/* G1, G3, G4 */
{
	uint64_t bad = 0;

	for (grant_ref_t gref = 0; gref < RANDOM_GREFS; gref++) {
		const struct grant_active *active = grant_active(lender->grants, gref);
		uint32_t readers = 0, writers = 0;

		for (uint32_t slot = 0; slot < RANDOM_SLOTS; slot++)
			if (slots[slot].used && slots[slot].gref == gref)
				*(slots[slot].flags & GNTMAP_readonly ? &readers : &writers) += 1;
		bad += active->readers != readers || active->writers != writers;
	}
	for (uint64_t number = 0; number < FAKE_RAM_BYTES / PAGE_SIZE; number++) {
		const struct frame *frame = frame_at(mfn(number));
		uint64_t references = 0, writable = 0;

		if (!(frame->count & FRAME_ALLOCATED))
			continue;
		for (uint32_t slot = 0; slot < RANDOM_SLOTS; slot++) {
			references += fake_entries[slot] && pte_frame(fake_entries[slot]).raw == number;
			writable += (fake_entries[slot] & PTE_WRITABLE) &&
				    pte_frame(fake_entries[slot]).raw == number;
		}
		if (frame_type_of(frame->type) == FRAME_L1)
			references++, writable++;	/* its own type */
		bad += frame_references(mfn(number)) != references;
		bad += frame_writable_references(mfn(number)) != writable;
	}
	CU_ASSERT_EQUAL(bad, 0);
}

static void random_map(uint32_t slot, const mfn_t *frames)
{
	grant_ref_t gref = (grant_ref_t)rand() % RANDOM_GREFS;
	uint32_t flags = GNTMAP_host_map | (rand() % 2 ? GNTMAP_readonly : 0);

	if (rand() % 4 == 0)
		*entry_of(lender, gref) = (struct grant_entry_v1){ (uint16_t)rand(), user->id, (uint32_t)rand() };
	if (rand() % 2 == 0)
		lend(lender, gref, user->id, frames[rand() % 4], rand() % 2 ? GTF_readonly : 0);
	if (slots[slot].used || map(gref, flags, slot, &slots[slot].handle) != GNTST_okay)
		return;
	slots[slot].used = true;
	slots[slot].flags = flags;
	slots[slot].gref = gref;
}

static void random_unmap(uint32_t slot)
{
	uint32_t address = rand() % 4 ? slot : (uint32_t)rand() % RANDOM_SLOTS;

	/* Wherever it is taken from, the handle's own kind of entry for its own frame is gone. */
	if (slots[slot].used && unmap(slots[slot].handle, FAKE_VA(address)) == GNTST_okay)
		slots[slot].used = false;
}

static void every_count_is_right_after_anything(void)
{
	mfn_t frames[4];

	given_two();
	srand(1);
	memset(slots, 0, sizeof(slots));
	for (uint32_t i = 0; i < 3; i++)
		frames[i] = given_frame(lender);
	frames[3] = given_page_table(lender);
	for (uint32_t step = 0; step < RANDOM_STEPS; step++) {
		uint32_t slot = (uint32_t)rand() % RANDOM_SLOTS;

		if (step % 100 == 0)
			counts_agree();
		if (rand() % 2)
			random_map(slot, frames);
		else
			random_unmap(slot);
	}
	counts_agree();
}

static const struct unit_case cases[] = {
	UNIT_CASE(withdrawn_grant_cannot_be_mapped),
	UNIT_CASE(mapped_grant_cannot_be_withdrawn),
	UNIT_CASE(grant_to_another_domain_cannot_be_mapped),
	UNIT_CASE(what_one_maps_no_other_maps_too),
	UNIT_CASE(nothing_new_is_mapped_from_or_by_who_dies),
	UNIT_CASE(reference_beyond_the_table_is_refused),
	UNIT_CASE(mapping_of_no_kind_or_no_domain_is_refused),
	UNIT_CASE(mapping_counts_and_unmapping_gives_back),
	UNIT_CASE(readonly_grant_is_mapped_only_readonly),
	UNIT_CASE(page_table_is_never_mapped_writable),
	UNIT_CASE(frame_of_somebody_else_cannot_be_lent),
	UNIT_CASE(bad_address_leaves_nothing_behind),
	UNIT_CASE(mapping_by_entry_takes_flags_and_address),
	UNIT_CASE(mapping_for_a_device_is_refused),
	UNIT_CASE(address_of_a_mapping_is_told),
	UNIT_CASE(handle_is_good_once),
	UNIT_CASE(handle_ends_only_an_entry_of_its_kind),
	UNIT_CASE(entry_that_the_guest_cleared_itself_is_not_dropped_twice),
	UNIT_CASE(lender_that_rewrites_its_entry_changes_no_mapping),
	UNIT_CASE(batch_of_unmaps_flushes_once),
	UNIT_CASE(handles_run_out_and_come_back),
	UNIT_CASE(dying_user_lets_everything_go),
	UNIT_CASE(frames_of_a_dying_lender_stay_until_dropped),
	UNIT_CASE(table_frames_wait_for_their_mappings),
	UNIT_CASE(domain_may_lend_to_itself),
	UNIT_CASE(copy_moves_bytes_both_ways),
	UNIT_CASE(copy_across_a_page_is_refused),
	UNIT_CASE(copy_of_frames_needs_a_grant_or_to_own_them),
	UNIT_CASE(frozen_caller_s_copies_are_as_anybody_s),
	UNIT_CASE(sides_of_a_batch_are_not_mixed_up),
	UNIT_CASE(readonly_grant_is_no_destination),
	UNIT_CASE(batch_of_copies_has_a_status_for_each),
	UNIT_CASE(one_grant_can_be_source_and_destination),
	UNIT_CASE(unreadable_operation_ends_the_call),
	UNIT_CASE(preempted_batch_goes_on_where_it_stopped),
	UNIT_CASE(transfer_gives_a_frame_to_who_waits_for_it),
	UNIT_CASE(transfer_that_is_refused_changes_nothing),
	UNIT_CASE(table_that_would_be_too_large_does_not_grow),
	UNIT_CASE(table_grows_to_its_limit),
	UNIT_CASE(table_of_another_domain_is_for_the_privileged),
	UNIT_CASE(version_two_is_refused_and_one_named_instead),
	UNIT_CASE(no_memory_is_an_error_and_no_more),
	UNIT_CASE(no_copy_is_late),
	UNIT_CASE(two_vcpus_end_each_mapping_once),
	UNIT_CASE(every_count_is_right_after_anything),
};

int main(void)
{
	return unit_run("grants", cases, ARRAY_SIZE(cases));
}
