/* SPDX-License-Identifier: MIT */
#include "runtime/ready.h"

#include "driver.h"
#include "runtime/console.h"
#include "runtime/hypercall.h"
#include "runtime/memory.h"

static struct driver_ready ready = { .version = DRIVER_VERSION };

void *ready_scratch(uint32_t pages)
{
	void *at = page_alloc_many(pages);
	struct driver_frames *last = &ready.region[ready.region_count ? ready.region_count - 1 : 0];

	if (ready.region_count && last->pfn + last->pages == virt_to_pfn(at)) {
		last->pages += pages;
		return at;
	}
	ASSERT(ready.region_count < DRIVER_READY_REGIONS);
	ready.region[ready.region_count++] = (struct driver_frames){ virt_to_pfn(at), pages, DRIVER_SCRATCH };
	return at;
}

static const char *reason(long error)
{
	switch (error) {
	case -XEN_ENOSYS:	return "Domain-0 has not declared it a driver domain";
	case -XEN_E2BIG:	return "it has more memory or page tables than can be restored";
	case -XEN_ENOMEM:	return "there is no memory for its clean copy";
	default:		return "the core refuses";
	}
}

/* The allocator empties a page before it gives it out: what stands there needs no copy. */
static void name_unused(void)
{
	unsigned long count, first = page_unused(&count);

	if (!count || ready.region_count == DRIVER_READY_REGIONS)
		return;
	ready.region[ready.region_count++] = (struct driver_frames){ first, (uint32_t)count, DRIVER_SCRATCH };
}

uint32_t ready_say(void)
{
	long result;

	name_unused();
	result = hypercall(DRIVER_HYPERCALL, &ready);
	if (result >= 0)
		return (uint32_t)result;
	printf("a death of this domain is final: %s: error %ld\n", reason(result), -result);
	return 0;
}
