/* SPDX-License-Identifier: MIT */
/* Which frames of a domain its devices reach (domain/dma_pool.h: D3). */
#include "domain/dma_pool.h"

#include <control.h>

#include "domain/domain.h"
#include "iommu/iommu.h"
#include "mem/frame.h"
#include "pci/pci.h"

static void put_frames(mfn_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		frame_put_as(frame_of(mfn(first.raw + i)), FRAME_WRITABLE);
}

/* All or none. */
static int get_frames(const struct domain *domain, mfn_t first, uint64_t count)
{
	struct frame *frame;
	int error = 0;

	for (uint64_t i = 0; i < count && !error; i++) {
		error = frame_get_as(mfn(first.raw + i), domain, FRAME_WRITABLE, &frame);
		if (error)
			put_frames(first, i);
	}
	return error;
}

int dma_pool_declare(struct domain *domain, struct skink_domctl_dma_pool *wanted)
{
	bool is_unprotected = wanted->flags & SKINK_DMA_POOL_UNPROTECTED;
	mfn_t first = mfn(wanted->first_mfn);
	int error;

	if (wanted->count == 0 || wanted->count > SKINK_DMA_POOL_FRAMES_MAX ||
	    (wanted->flags & ~SKINK_DMA_POOL_UNPROTECTED))
		return -EINVAL;
	if (domain->dma_pool.count)
		return -EEXIST;
	if (!iommu_is_there() && !is_unprotected)
		return -EOPNOTSUPP;
	error = get_frames(domain, first, wanted->count);
	if (error)
		return error;
	error = iommu_pool_map(domain, first, wanted->count);
	if (error) {
		put_frames(first, wanted->count);
		return error;
	}
	wanted->is_protected = iommu_is_there();
	domain->dma_pool.first = first;
	domain->dma_pool.count = wanted->count;
	domain->dma_pool.is_unprotected = is_unprotected;
	error = pci_pool_is_there(domain);
	if (error)
		dma_pool_release(domain);
	return error;
}

void dma_pool_release(struct domain *domain)
{
	struct dma_pool *pool = &domain->dma_pool;

	if (!pool->count)
		return;
	iommu_pool_unmap(domain);
	put_frames(pool->first, pool->count);
	pool->count = 0;
}
