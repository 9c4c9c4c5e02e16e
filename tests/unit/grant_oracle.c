/* SPDX-License-Identifier: MIT */
#include "memory_oracle.h"

#include <stdio.h>
#include <string.h>

#include "cpu/directmap.h"
#include "domain/domain.h"
#include "grant/table.h"
#include "tables.h"

#define DOMAIN_IDS 16
#define FRAMES 4		/* of a table, as many as tests make */

static char complaint[200];
static uint16_t readers[DOMAIN_IDS][GRANTS_PER_FRAME * FRAMES], writers[DOMAIN_IDS][GRANTS_PER_FRAME * FRAMES];
static int16_t mapped[FAKE_FRAME_LIMIT][2];	/* by the domain at hand, read-only and writable */

/* G4, the other way round: each handle in use is counted. Lenders that are gone are not looked at. */
static void take_handle(struct domain *user, const struct grant_handle *handle)
{
	bool writable = !(handle->flags & GNTMAP_readonly);
	const struct grant_active *active;

	if (!handle->lender)
		return;
	if (handle->flags & HANDLE_GOING)
		snprintf(complaint, sizeof(complaint), "domain %u: a handle was left half unmapped", user->id);
	active = grant_active(handle->lender->grants, handle->gref);
	if (active->user != user->id)
		snprintf(complaint, sizeof(complaint), "domain %u, gref %u: counted for %u, not %u: G4", handle->lender->id,
			 handle->gref, active->user, user->id);
	mapped[active->frame][writable]--;
	if (domain_find(handle->lender->id) == handle->lender)
		(writable ? writers : readers)[handle->lender->id][handle->gref]++;
}

static void take_handles(struct domain *user)
{
	struct grant_table *table = user->grants;

	for (uint32_t page = 0; page < table->handle_pages; page++)
		for (uint32_t i = 0; i < HANDLES_PER_PAGE; i++)
			take_handle(user, &table->handles[page][i]);
}

static void check_active(const struct domain *lender)
{
	const struct grant_table *table = lender->grants;

	ASSERT(table->frame_count <= FRAMES, "room in the oracle");
	for (grant_ref_t gref = 0; gref < table->frame_count * GRANTS_PER_FRAME; gref++) {
		const struct grant_active *active = &table->active[gref / GRANTS_PER_FRAME][gref % GRANTS_PER_FRAME];

		if (active->readers != readers[lender->id][gref] || active->writers != writers[lender->id][gref])
			snprintf(complaint, sizeof(complaint), "domain %u, gref %u: %u readers %u writers, handles have %u, %u: G4",
				 lender->id, gref, active->readers, active->writers, readers[lender->id][gref],
				 writers[lender->id][gref]);
	}
}

/* Nobody but the privileged domain maps a frame of another more often than it has handles for it. */
static void check_mappings(struct domain *user)
{
	for (uint64_t t = FAKE_FRAME_FIRST; t < FAKE_FRAME_LIMIT; t++) {
		const struct frame *table = &frame_table[t];
		const pte_t *entries;

		if (table->count == 0 || table->owner != user->id || frame_type_of(table->type) != FRAME_L1 ||
		    !(table->type & (FRAME_VALIDATED | FRAME_PARTIAL | FRAME_DEFERRED)))
			continue;
		entries = mfn_to_virt(mfn(t));
		for (uint32_t i = 0; i < table->validated; i++)
			if ((entries[i] & (PTE_PRESENT | PTE_DEVICE)) == PTE_PRESENT &&
			    frame_table[pte_frame(entries[i]).raw].owner != user->id)
				mapped[pte_frame(entries[i]).raw][!!(entries[i] & PTE_WRITABLE)]++;
	}
	for (uint64_t i = FAKE_FRAME_FIRST; i < FAKE_FRAME_LIMIT; i++)
		if (mapped[i][0] > 0 || mapped[i][1] > 0)
			snprintf(complaint, sizeof(complaint), "domain %u maps frame %lx of %u without a grant", user->id, i,
				 frame_table[i].owner);
}

const char *grant_oracle_complaint(void)
{
	complaint[0] = 0;
	memset(readers, 0, sizeof(readers));
	memset(writers, 0, sizeof(writers));
	for (domid_t id = 0; id < DOMAIN_IDS; id++) {
		struct domain *domain = domain_find(id);

		memset(mapped, 0, sizeof(mapped));
		if (domain && domain->grants)
			take_handles(domain);
		if (domain && !domain->is_privileged && !domain->is_dying)
			check_mappings(domain);
	}
	for (domid_t id = 0; id < DOMAIN_IDS; id++)
		if (domain_find(id) && domain_find(id)->grants)
			check_active(domain_find(id));
	return complaint[0] ? complaint : NULL;
}
