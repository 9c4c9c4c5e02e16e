/* SPDX-License-Identifier: MIT */
#include "runtime/foreign.h"

#include "runtime/console.h"
#include "runtime/grants.h"
#include "runtime/memory.h"

#define FOREIGN_WINDOW 0x7c0000000000UL	/* below the BARs of pci.c */
#define HANDLE_NONE UINT32_MAX
#define MAP_PAGES_MAX 8u		/* at once */

static grant_handle_t foreign_handle[FOREIGN_PAGES_MAX];	/* HANDLE_NONE: the page is free */
static unsigned int foreign_pages;
static unsigned int foreign_next;		/* where to look first */

static uint64_t foreign_address(unsigned int page)
{
	return FOREIGN_WINDOW + page * PAGE_SIZE;
}

void foreign_init(unsigned int pages)
{
	ASSERT(pages <= FOREIGN_PAGES_MAX);
	foreign_pages = pages;
	for (unsigned int page = 0; page < pages; page++) {
		foreign_handle[page] = HANDLE_NONE;
		if (page % 512 == 0)
			ASSERT(memory_map(foreign_address(page), 0) == 0);
	}
}

static unsigned int foreign_find_from(unsigned int page, unsigned int count)
{
	unsigned int free = 0;

	for (; page < foreign_pages; page++) {
		free = foreign_handle[page] == HANDLE_NONE ? free + 1 : 0;
		if (free == count)
			return page + 1 - count;
	}
	return FOREIGN_PAGES_MAX;
}

static unsigned int foreign_find(unsigned int count)
{
	unsigned int first = foreign_find_from(foreign_next, count);

	if (first == FOREIGN_PAGES_MAX)
		first = foreign_find_from(0, count);
	if (first != FOREIGN_PAGES_MAX)
		foreign_next = first + count;
	return first;
}

static void foreign_release(unsigned int first, unsigned int count)
{
	for (unsigned int page = first; page < first + count; page++) {
		if (foreign_handle[page] != HANDLE_NONE)
			ASSERT(grant_unmap(foreign_address(page), foreign_handle[page]) == GNTST_okay);
		foreign_handle[page] = HANDLE_NONE;
	}
}

void *foreign_map(domid_t lender, const uint32_t *grefs, unsigned int count, int *status)
{
	struct gnttab_map_grant_ref map[MAP_PAGES_MAX];
	unsigned int first = foreign_find(count);

	*status = GNTST_no_space;
	if (first == FOREIGN_PAGES_MAX || count > MAP_PAGES_MAX)
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		map[i] = (struct gnttab_map_grant_ref){
			.host_addr = foreign_address(first + i), .flags = GNTMAP_host_map, .ref = grefs[i], .dom = lender,
		};
	ASSERT(grant_op(GNTTABOP_map_grant_ref, map, count) == 0);
	*status = GNTST_okay;
	for (unsigned int i = 0; i < count; i++)
		if (map[i].status == GNTST_okay)
			foreign_handle[first + i] = map[i].handle;
		else
			*status = map[i].status;
	if (*status == GNTST_okay)
		return (void *)foreign_address(first);
	foreign_release(first, count);
	return NULL;
}

void foreign_unmap(void *at, unsigned int count)
{
	foreign_release((unsigned int)(((uint64_t)at - FOREIGN_WINDOW) / PAGE_SIZE), count);
}
