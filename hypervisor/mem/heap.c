/* SPDX-License-Identifier: MIT */
/*
 * Memory for the core, in whole frames: what it allocates is large (a vcpu, a table of events), or there are few of it (a CPU, a
 * function of PCI). The first frame has the order in `validated`.
 */

void *heap_alloc(size_t bytes)
{
	unsigned int order = 0;
	mfn_t first;

	while (PAGE_SIZE << order < bytes)
		order++;
	first = frame_alloc(order);
	if (mfn_is(first, MFN_NONE))
		return NULL;
	frame_of(first)->validated = (uint16_t)order;
	return memset(mfn_to_virt(first), 0, PAGE_SIZE << order);
}

void heap_free(void *memory)
{
	mfn_t first = memory ? virt_to_mfn(memory) : MFN_NONE;

	if (memory)
		frame_free(first, frame_of(first)->validated);
}
