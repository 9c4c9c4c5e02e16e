/* SPDX-License-Identifier: MIT */
/* Which frames of a domain its devices reach (domain/dma_pool.h: D3). */

#include <control.h>

#include "iommu/iommu.h"
#include "pci/pci.h"

#define FRAMES_AT_ONCE	64		/* between two looks at preempt_needed() */

/* Goes on where it stopped. */
static int hold_frames(struct domain *domain, uint64_t count)
{
	struct dma_pool *pool = &domain->dma_pool;
	struct frame *frame;
	int error;

	for (uint32_t i = 1; pool->held < count; i++) {
		error = frame_get_as(mfn(pool->first.raw + pool->held), domain, FRAME_WRITABLE, &frame);
		if (error)
			return error;
		pool->held++;
		if (i % FRAMES_AT_ONCE == 0 && pool->held < count && preempt_needed())
			return -ERESTART;
	}
	return 0;
}

static int complete(struct domain *domain, uint64_t count)
{
	struct dma_pool *pool = &domain->dma_pool;
	int error = hold_frames(domain, count);

	if (!error)
		error = iommu_pool_map(domain, pool->first, count);
	if (!error) {
		pool->count = count;
		error = pci_pool_is_there(domain);
	}
	return error;
}

int dma_pool_declare(struct domain *domain, struct skink_domctl_dma_pool *wanted)
{
	struct dma_pool *pool = &domain->dma_pool;
	bool is_unprotected = wanted->flags & SKINK_DMA_POOL_UNPROTECTED;
	int error;

	if (wanted->count == 0 || wanted->count > SKINK_DMA_POOL_FRAMES_MAX ||
	    (wanted->flags & ~SKINK_DMA_POOL_UNPROTECTED))
		return -EINVAL;
	if (pool->count)
		return -EEXIST;
	/* Another is under way, or was given up. */
	if (pool->held && (!mfn_is(pool->first, mfn(wanted->first_mfn)) || pool->held >= wanted->count))
		return -EEXIST;
	if (!iommu_is_there() && !is_unprotected)
		return -EOPNOTSUPP;
	pool->first = mfn(wanted->first_mfn);
	pool->is_unprotected = is_unprotected;
	wanted->is_protected = iommu_is_there();
	error = complete(domain, wanted->count);
	while (error && error != -ERESTART && dma_pool_release(domain))
		;
	return error;
}

int dma_pool_release(struct domain *domain)
{
	struct dma_pool *pool = &domain->dma_pool;

	if (pool->count)
		iommu_pool_unmap(domain);
	pool->count = 0;
	for (uint32_t i = 1; pool->held; i++) {
		frame_put_as(frame_of(mfn(pool->first.raw + --pool->held)), FRAME_WRITABLE);
		if (i % FRAMES_AT_ONCE == 0 && pool->held && preempt_needed())
			return -ERESTART;
	}
	return 0;
}
