/* SPDX-License-Identifier: MIT */
/*
 * A domain's table from first to last: shared frames, which the guest maps and writes, and beside each the active
 * entries, which it never sees. The table only grows.
 */
#include "grant/table.h"

static int table_grow(struct domain *domain, uint32_t frame_count)
{
	struct grant_table *table = domain->grants;

	if (frame_count > GRANT_FRAMES_MAX || domain->is_dying)
		return -EINVAL;
	for (uint32_t i = table->frame_count; i < frame_count; i++) {
		struct grant_entry_v1 *shared = heap_alloc(PAGE_SIZE);
		struct grant_active *active = heap_alloc(GRANTS_PER_FRAME * sizeof(*active));

		if (!shared || !active) {
			heap_free(shared);
			heap_free(active);
			return -ENOMEM;
		}
		frame_share(shared, domain);
		table->shared[i] = shared;
		table->active[i] = active;
		table->frame_count++;
	}
	return 0;
}

int grant_domain_init(struct domain *domain)
{
	struct grant_table *table = heap_alloc(sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->handle_free = HANDLE_NONE;
	domain->grants = table;
	if (table_grow(domain, 1) == 0)
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
	error = table_grow(domain, index + 1);
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

bool handle_is_left(struct grant_table *table) { return table->handle_free != HANDLE_NONE || handle_grow(table); }

uint32_t handle_take(struct grant_table *table, struct grant_handle content)
{
	uint32_t number = table->handle_free;
	struct grant_handle *handle = handle_at(table, number);

	table->handle_free = handle->gref;
	table->handle_count++;
	*handle = content;
	return number;
}

struct grant_handle *handle_find(struct grant_table *table, uint32_t number)
{
	uint32_t count = table->handle_pages * HANDLES_PER_PAGE;
	struct grant_handle *handle;

	if (number >= count)
		return NULL;
	handle = handle_at(table, (uint32_t)array_index(number, count));
	return handle->lender ? handle : NULL;
}

/* Both grant_locks are held; the handle's reference to its lender is the caller's then, and so is that to its frame. It is the first `*free` one. */
static inline void handle_end_locked(struct grant_table *lent, struct grant_handle *handle, uint32_t number, uint32_t *free)
{
	grant_unpin(lent, handle->gref, !(handle->flags & GNTMAP_readonly));
	*handle = (struct grant_handle){ .gref = *free };
	*free = number;
}

void handle_end(struct domain *user, uint32_t number, struct frame *frame)
{
	struct grant_handle *handle = handle_at(user->grants, number);
	struct domain *lender = handle->lender;

	spin_lock_two(&user->grant_lock, &lender->grant_lock);
	frame_put_as(frame, frame_access(!(handle->flags & GNTMAP_readonly)));
	handle_end_locked(lender->grants, handle, number, &user->grants->handle_free);
	user->grants->handle_count--;
	spin_unlock_two(&user->grant_lock, &lender->grant_lock);
	domain_put(lender);
}

/* ---- the end ---- */

#define ENDS_AT_ONCE 64		/* between two looks at preempt_needed(); all of one page */
_Static_assert(HANDLES_PER_PAGE % ENDS_AT_ONCE == 0, "handles_end()");

/* The handle at handle_destroy, and those behind it that are the same lender's: the locks are taken once. Returns how many. */
static uint32_t handles_end(struct domain *user, struct grant_handle *handle)
{
	struct domain *lender = handle->lender;
	struct grant_table *table = user->grants, *lent = lender->grants;
	uint32_t number = table->handle_destroy, ended, free;

	spin_lock_two(&user->grant_lock, &lender->grant_lock);
	free = table->handle_free;
	do
		handle_end_locked(lent, handle++, number++, &free);
	while (number % ENDS_AT_ONCE && handle->lender == lender);
	ended = number - table->handle_destroy;
	table->handle_free = free;
	table->handle_count -= ended;
	table->handle_destroy = number;
	spin_unlock_two(&user->grant_lock, &lender->grant_lock);
	domain_put_many(lender, ended);
	return ended;
}

/* No vcpu of the domain runs, so nobody else touches its handles. The reference to the frame goes with its entry. */
int grant_release_all(struct domain *domain, uint32_t *released)
{
	struct grant_table *table = domain->grants;

	while (table->handle_count && table->handle_destroy < table->handle_pages * HANDLES_PER_PAGE) {
		struct grant_handle *handle = handle_find(table, table->handle_destroy);

		if (handle)
			*released += handles_end(domain, handle);
		else
			table->handle_destroy++;
		if (table->handle_destroy % ENDS_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
	}
	if (!domain->is_dying)
		table->handle_destroy = 0;
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
