/* SPDX-License-Identifier: MIT */
#include "runtime/grants.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

#define GRANT_FRAMES_LIMIT 32
#define GRANT_WINDOW 0x7e0000000000UL   /* where the table is mapped */

struct grant_entry_v1 *grant_entries = (struct grant_entry_v1 *)GRANT_WINDOW;
unsigned int grant_entry_count;
static grant_ref_t grant_next = GNTTAB_NR_RESERVED_ENTRIES;

int grant_op(unsigned int command, void *operations, unsigned int count)
{
	return (int)hypercall(__HYPERVISOR_grant_table_op, command, operations, count);
}

int grant_init(unsigned int frames)
{
	xen_pfn_t list[GRANT_FRAMES_LIMIT];
	struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = frames };
	int error;

	ASSERT(frames <= GRANT_FRAMES_LIMIT);
	set_xen_guest_handle(setup.frame_list, list);
	error = grant_op(GNTTABOP_setup_table, &setup, 1);
	if (error || setup.status)
		return error ? error : setup.status;
	for (unsigned int frame = 0; frame < frames && !error; frame++)
		error = memory_map(GRANT_WINDOW + frame * PAGE_SIZE, list[frame] << 12 | PTE_KERNEL);
	grant_entry_count = frames * (unsigned int)(PAGE_SIZE / sizeof(struct grant_entry_v1));
	return error;
}

/* The frame is written before the flags that make it valid. */
void grant_set(grant_ref_t gref, uint16_t flags, domid_t user, unsigned long mfn)
{
	ASSERT(gref < grant_entry_count);
	grant_entries[gref].frame = (uint32_t)mfn;
	grant_entries[gref].domid = user;
	__atomic_store_n(&grant_entries[gref].flags, flags, __ATOMIC_RELEASE);
}

grant_ref_t grant_lend(domid_t user, const void *page, uint16_t flags)
{
	for (unsigned int tried = 0; tried < grant_entry_count; tried++) {
		grant_ref_t gref = grant_next++;

		if (grant_next >= grant_entry_count)
			grant_next = GNTTAB_NR_RESERVED_ENTRIES;
		if (grant_entries[gref].flags)
			continue;
		grant_set(gref, GTF_permit_access | flags, user, virt_to_mfn(page));
		return gref;
	}
	panic("no grant reference left");
}

bool grant_withdraw(grant_ref_t gref)
{
	uint16_t flags = __atomic_load_n(&grant_entries[gref].flags, __ATOMIC_SEQ_CST);

	do {
		if (flags & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&grant_entries[gref].flags, &flags, 0, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

int grant_map(uint64_t address, uint32_t flags, grant_ref_t gref, domid_t lender,
	      grant_handle_t *handle)
{
	struct gnttab_map_grant_ref map = { .host_addr = address, .flags = flags, .ref = gref, .dom = lender };
	int error = grant_op(GNTTABOP_map_grant_ref, &map, 1);

	*handle = map.handle;
	return error ? error : map.status;
}

int grant_unmap(uint64_t address, grant_handle_t handle)
{
	struct gnttab_unmap_grant_ref unmap = { .host_addr = address, .handle = handle };
	int error = grant_op(GNTTABOP_unmap_grant_ref, &unmap, 1);

	return error ? error : unmap.status;
}
