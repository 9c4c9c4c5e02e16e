/* SPDX-License-Identifier: MIT */
/*
 * A domain's table from first to last: shared frames, which the guest maps and writes, and beside each the active
 * entries, which it never sees. The table only grows.
 */
#include "include/types.h"

#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "grant/table.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/frame.h"

static int table_add_frame(struct domain *domain, struct grant_table *table)
{
	struct grant_entry_v1 *shared = heap_alloc(PAGE_SIZE);
	struct grant_active *active = heap_alloc(GRANTS_PER_FRAME * sizeof(*active));

	if (!shared || !active) {
		heap_free(shared);
		heap_free(active);
		return -ENOMEM;
	}
	frame_share(shared, domain, true);
	table->shared[table->frame_count] = shared;
	table->active[table->frame_count] = active;
	table->frame_count++;
	return 0;
}

int grant_table_grow(struct domain *domain, uint32_t frame_count)
{
	struct grant_table *table = domain->grants;
	int error = 0;

	if (frame_count > GRANT_FRAMES_MAX || domain->is_dying)
		return -EINVAL;
	while (!error && table->frame_count < frame_count)
		error = table_add_frame(domain, table);
	return error;
}

int grant_domain_init(struct domain *domain)
{
	struct grant_table *table = heap_alloc(sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->handle_free = HANDLE_NONE;
	domain->grants = table;
	if (grant_table_grow(domain, 1) == 0)
		return 0;
	heap_free(table);
	domain->grants = NULL;
	return -ENOMEM;
}

int grant_frame(struct domain *domain, uint32_t index, mfn_t *frame)
{
	int error;

	if (index >= GRANT_FRAMES_MAX)
		return -EINVAL;
	spin_lock(&domain->grant_lock);
	error = grant_table_grow(domain, index + 1);
	if (!error)
		*frame = virt_to_mfn(domain->grants->shared[index]);
	spin_unlock(&domain->grant_lock);
	return error;
}

/* ---- a user's handles: numbers for its mappings, in pages that are added when the free ones run out ---- */

static struct grant_handle *handle_at(struct grant_table *table, uint32_t number)
{
	return &table->handles[number / HANDLES_PER_PAGE][number % HANDLES_PER_PAGE];
}

static bool handle_grow(struct grant_table *table)
{
	uint32_t first = table->handle_pages * HANDLES_PER_PAGE;
	struct grant_handle *page;

	if (table->handle_pages == HANDLE_PAGES_MAX)
		return false;
	page = heap_alloc(PAGE_SIZE);
	if (!page)
		return false;
	for (uint32_t i = 0; i < HANDLES_PER_PAGE; i++)
		page[i].gref = i + 1 < HANDLES_PER_PAGE ? first + i + 1 : HANDLE_NONE;
	table->handles[table->handle_pages++] = page;
	table->handle_free = first;
	return true;
}

struct grant_handle *handle_take(struct grant_table *table, uint32_t *number)
{
	struct grant_handle *handle;

	if (table->handle_free == HANDLE_NONE && !handle_grow(table))
		return NULL;
	*number = table->handle_free;
	handle = handle_at(table, *number);
	table->handle_free = handle->gref;
	return handle;
}

struct grant_handle *handle_find(struct grant_table *table, uint32_t number)
{
	struct grant_handle *handle;

	if (number >= table->handle_pages * HANDLES_PER_PAGE)
		return NULL;
	handle = handle_at(table, number);
	return handle->lender ? handle : NULL;
}

void handle_release(struct grant_table *table, uint32_t number)
{
	struct grant_handle *handle = handle_at(table, number);

	handle->lender = NULL;
	handle->flags = 0;
	handle->gref = table->handle_free;
	table->handle_free = number;
}

/* ---- the end ---- */

/* Takes one handle of a dying domain away. The reference to the frame goes when its page table does. */
static void handle_destroy(struct domain *user, uint32_t number)
{
	struct grant_handle *handle = handle_find(user->grants, number);
	struct domain *lender;

	if (!handle)
		return;
	lender = handle->lender;
	spin_lock_two(&user->grant_lock, &lender->grant_lock);
	grant_unpin(lender, handle->gref, !(handle->flags & GNTMAP_readonly));
	handle_release(user->grants, number);
	spin_unlock_two(&user->grant_lock, &lender->grant_lock);
	domain_put(lender);
}

/* No vcpu of the domain runs any more, so nobody else touches its handles. */
int grant_domain_destroy(struct domain *domain)
{
	struct grant_table *table = domain->grants;

	while (table->handle_destroy < table->handle_pages * HANDLES_PER_PAGE) {
		handle_destroy(domain, table->handle_destroy++);
		if (table->handle_destroy % 64 == 0 && preempt_needed())
			return -ERESTART;
	}
	return 0;
}

/* The frames stay where they are until nobody has an entry pinned: grant_domain_free(). */
bool grant_domain_unshare(struct domain *domain)
{
	struct grant_table *table = domain->grants;

	while (table->unshared_count < table->frame_count &&
	       frame_unshare(table->shared[table->unshared_count]))
		table->unshared_count++;
	return table->unshared_count == table->frame_count;
}

/* Whoever has pinned an entry holds the domain, so nobody has. One that never ran has its frames still shared. */
void grant_domain_free(struct domain *domain)
{
	struct grant_table *table = domain->grants;

	ASSERT(grant_domain_unshare(domain), "G1");
	for (uint32_t frame = 0; frame < table->frame_count; frame++) {
		heap_free(table->shared[frame]);
		heap_free(table->active[frame]);
	}
	for (uint32_t page = 0; page < table->handle_pages; page++)
		heap_free(table->handles[page]);
	heap_free(table);
	domain->grants = NULL;
}
