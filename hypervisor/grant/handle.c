/* SPDX-License-Identifier: MIT */
/* A user's handles: numbers for its mappings, in pages that are added when the free ones run out. */
#include "include/types.h"

#include "grant/table.h"
#include "mem/alloc.h"

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
