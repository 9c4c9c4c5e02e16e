/* SPDX-License-Identifier: MIT */
#include "device/pool.h"

#include "runtime/console.h"
#include "runtime/lib.h"

uint8_t *pool_at;
uint64_t pool_bytes, pool_first_machine;

static uint32_t pages_low, pages_high;		/* between them: never given out */
static uint16_t recycled[POOL_PAGES_MAX];	/* buffers that came back: the latest is the warmest */
static uint32_t recycled_count;
/* Never given out; its owner's; came back, and is in recycled[]. */
enum { FRESH, LENT, BACK };
static uint8_t state[POOL_PAGES_MAX];
static uint32_t claimed_count;			/* between pages_low and pages_high, and not fresh */

void pool_init(void *at, uint64_t machine, uint64_t pages)
{
	if (pages > POOL_PAGES_MAX)
		pages = POOL_PAGES_MAX;
	pool_at = at;
	pool_bytes = pages * BUFFER_BYTES;
	pool_first_machine = machine;
	pool_reset();
}

void pool_reset(void)
{
	pages_low = recycled_count = claimed_count = 0;
	pages_high = (uint32_t)(pool_bytes / BUFFER_BYTES);
	memset(state, FRESH, sizeof(state));
}

void *pool_take(size_t bytes)
{
	size_t pages = (bytes + BUFFER_BYTES - 1) / BUFFER_BYTES;
	void *at = pool_at + (size_t)pages_low * BUFFER_BYTES;

	if (pages > pages_high - pages_low)
		panic("the DMA pool of %lu pages is too small: %zu pages more are needed in one piece, %u are left; give the domain a larger one",
		      pool_bytes / BUFFER_BYTES, pages, pages_high - pages_low);
	pages_low += (uint32_t)pages;
	return memset(at, 0, pages * BUFFER_BYTES);
}

uint32_t buffer_number(const void *buffer)
{
	return (uint32_t)((size_t)((const uint8_t *)buffer - pool_at) / BUFFER_BYTES);
}

static void *lend(uint32_t page)
{
	state[page] = LENT;
	return pool_at + (size_t)page * BUFFER_BYTES;
}

void *buffer_alloc(void)
{
	if (recycled_count)
		return lend(recycled[--recycled_count]);
	while (pages_high > pages_low) {
		if (state[--pages_high] == FRESH)
			return lend(pages_high);
		claimed_count--;
	}
	return NULL;
}

/* P2 */
bool buffer_claim(const void *at)
{
	uint32_t page = buffer_number(at);

	if (!pool_has(at, 1) || page < pages_low || page >= pages_high || state[page] != FRESH)
		return false;
	lend(page);
	claimed_count++;
	return true;
}

void buffer_free(void *buffer)
{
	uint32_t page = buffer_number(buffer);

	if (!pool_has(buffer, 1) || state[page] != LENT)
		panic("P1: buffer %p is freed and is not lent", buffer);
	state[page] = BACK;
	recycled[recycled_count++] = (uint16_t)page;
}

uint32_t buffer_free_count(void)
{
	return recycled_count + (pages_high - pages_low) - claimed_count;
}
