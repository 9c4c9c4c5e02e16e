/* SPDX-License-Identifier: MIT */
#include "lib/ring_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/grant_table.h>

#include "../../protocols/ring.h"

#define ENTRIES_A_PAGE (FRAME_BYTES / sizeof(grant_entry_v1_t))

/* The frame behind a grant, from the lender's own table (version 1: what a paravirtual guest has here). */
int ring_view_frame(struct core *core, domid_t front, domid_t back, uint32_t gref, xen_pfn_t *mfn)
{
	void *at = NULL;
	xenforeignmemory_resource_handle *resource =
		xenforeignmemory_map_resource(core->memory, front, XENMEM_resource_grant_table, XENMEM_resource_grant_table_id_shared,
					      gref / ENTRIES_A_PAGE, 1, &at, PROT_READ, 0);
	grant_entry_v1_t entry;

	if (!resource)
		return -(errno ? errno : EFAULT);
	entry = ((volatile grant_entry_v1_t *)at)[gref % ENTRIES_A_PAGE];
	xenforeignmemory_unmap_resource(core->memory, resource);
	if ((entry.flags & GTF_type_mask) != GTF_permit_access || entry.domid != back)
		return -EINVAL;
	*mfn = entry.frame;
	return 0;
}

static int copy_page(struct core *core, domid_t front, domid_t back, uint32_t gref, uint8_t *to)
{
	xen_pfn_t mfn;
	int result = ring_view_frame(core, front, back, gref, &mfn);
	void *at;

	if (result)
		return result;
	at = core_map(core, front, PROT_READ, &mfn, 1);
	if (!at)
		return -(errno ? errno : EFAULT);
	memcpy(to, at, FRAME_BYTES);
	core_unmap(core, at, 1);
	return 0;
}

int ring_view_read(struct core *core, domid_t front, domid_t back, const uint32_t *gref, uint32_t pages, uint32_t slot_bytes,
		   struct ring_view *view)
{
	const struct ring_shared *shared;
	uint8_t *copy = malloc(pages * FRAME_BYTES);
	int result = copy ? 0 : -ENOMEM;

	for (uint32_t i = 0; !result && i < pages; i++)
		result = copy_page(core, front, back, gref[i], copy + i * FRAME_BYTES);
	if (result) {
		free(copy);
		return result;
	}
	shared = (const void *)copy;
	*view = (struct ring_view){
		.req_prod = shared->req_prod, .req_event = shared->req_event, .rsp_prod = shared->rsp_prod, .rsp_event = shared->rsp_event,
		.slots = ring_slots(pages * FRAME_BYTES, slot_bytes), .slot_bytes = slot_bytes, .pages = copy,
	};
	return 0;
}

const void *ring_view_slot(const struct ring_view *view, uint32_t index)
{
	return view->pages + sizeof(struct ring_shared) + (size_t)(index % view->slots) * view->slot_bytes;
}

const volatile struct ring_shared *ring_watch(struct core *core, domid_t front, domid_t back, uint32_t gref)
{
	xen_pfn_t mfn;
	int result = ring_view_frame(core, front, back, gref, &mfn);

	if (!result)
		return core_map(core, front, PROT_READ, &mfn, 1);
	errno = -result;
	return NULL;
}

void ring_watch_end(struct core *core, const volatile struct ring_shared *shared)
{
	core_unmap(core, (void *)shared, 1);
}
