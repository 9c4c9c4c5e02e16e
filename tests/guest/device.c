/* SPDX-License-Identifier: MIT */
#include "device.h"

#include "builder.h"
#include "control.h"
#include "runtime/console.h"
#include "runtime/lib.h"
#include "runtime/memory.h"

static long describe(uint32_t index, struct skink_domctl_pci_function *function)
{
	struct xen_domctl op = { 0 };
	long error;

	((struct skink_domctl_pci_function *)op.u.pad)->index = index;
	error = domctl(SKINK_DOMCTL_pci_function, 0, &op);
	memcpy(function, op.u.pad, sizeof(*function));
	return error;
}

static long device_domctl(uint32_t command, uint32_t sbdf)
{
	struct xen_domctl op = { .u.assign_device = { .dev = XEN_DOMCTL_DEV_PCI, .u.pci.machine_sbdf = sbdf } };

	return domctl(command, 0, &op);
}

void device_pool(unsigned int pages)
{
	uint8_t *at = page_alloc_many(pages);
	struct xen_domctl op = { 0 };
	struct skink_domctl_dma_pool *pool = (void *)op.u.pad;

	for (unsigned int page = 0; page < pages; page++)
		ASSERT(virt_to_mfn(at + page * PAGE_SIZE) == virt_to_mfn(at) + page);
	*pool = (struct skink_domctl_dma_pool){ virt_to_mfn(at), pages, SKINK_DMA_POOL_UNPROTECTED, 0 };
	ASSERT(domctl(SKINK_DOMCTL_dma_pool, 0, &op) == 0);
	printf("# the pool is %sprotected by an IOMMU\n", pool->is_protected ? "" : "not ");
	pool_init(at, virt_to_mfn(at) << 12, pages);
}

bool device_find(bool (*knows)(const struct pci_function *function), struct pci_function *function)
{
	struct skink_domctl_pci_function there;

	for (uint32_t index = 0; describe(index, &there) == 0; index++) {
		if (!(there.flags & SKINK_PCI_ASSIGNABLE) || device_domctl(XEN_DOMCTL_assign_device, there.sbdf))
			continue;
		if (pci_open(there.sbdf, function) == 0 && knows(function))
			return true;
		ASSERT(device_domctl(XEN_DOMCTL_deassign_device, there.sbdf) == 0);
	}
	return false;
}
