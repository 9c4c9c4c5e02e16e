/* SPDX-License-Identifier: MIT */
/* An IOMMU that refuses when the input says so, and complains when it is asked in the wrong order (iommu/iommu.h). */
#include "guests.h"

#include <string.h>

#include "cpu/irq.h"
#include "include/errno.h"
#include "input.h"
#include "iommu/iommu.h"
#include "pci.h"

#define FUNCTIONS 0x20			/* all are on the first slots of bus 0 */

static bool is_there;
static const struct domain *attached[FUNCTIONS];
static bool has_pool[GUESTS];
static uint32_t sender[PIRQ_COUNT];	/* function + 1 */

void fuzz_iommu_start(bool exists)
{
	is_there = exists;
	memset(attached, 0, sizeof(attached));
	memset(has_pool, 0, sizeof(has_pool));
	memset(sender, 0, sizeof(sender));
}

bool iommu_is_there(void) { return is_there; }

int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count)
{
	if (has_pool[domain->id])
		fuzz_fails("a domain gets a second pool");
	if (take8() > 0xe0)
		return -ENOSPC;
	has_pool[domain->id] = true;
	return 0;
}

void iommu_pool_unmap(struct domain *domain)
{
	for (uint32_t sbdf = 0; sbdf < FUNCTIONS; sbdf++)
		if (attached[sbdf] == domain)
			fuzz_fails("a pool goes while a function is attached to it: D3");
	has_pool[domain->id] = false;
}

int iommu_device_attach(uint32_t sbdf, struct domain *domain)
{
	if (!has_pool[domain->id] || attached[sbdf])
		fuzz_fails("a function is attached twice, or to no pool");
	if (take8() > 0xc0)
		return -EOPNOTSUPP;
	attached[sbdf] = domain;
	return 0;
}

void iommu_device_detach(uint32_t sbdf) { attached[sbdf] = NULL; }

int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data)
{
	if (sender[vector])
		fuzz_fails("a vector is given to two functions");
	if (take8() > 0xe0)
		return -ENODEV;
	sender[vector] = sbdf + 1;
	return 0;
}

void iommu_msi_unmap(uint32_t sbdf, uint32_t vector)
{
	/* One that was refused, and then bound by somebody who had guessed it, goes with its function. */
	if (sender[vector] && sender[vector] != sbdf + 1)
		fuzz_fails("a function gives back another's vector");
	sender[vector] = 0;
}

void fuzz_check_iommu(void)
{
	for (const struct pci_function *function = pci_functions; function; function = function->next) {
		bool is_master = pci_config_read(function->sbdf, PCI_COMMAND, 2) & COMMAND_MASTER;

		if (function->is_attached != (attached[function->sbdf] != NULL))
			fuzz_fails("a function is attached, and its owner does not know, or the reverse");
		if (attached[function->sbdf] && attached[function->sbdf] != function->owner)
			fuzz_fails("a function is attached to the pool of another domain: Q2");
		if (is_there && is_master && function->is_assignable && !attached[function->sbdf])
			fuzz_fails("a function that is not attached is a bus master: Q2");
	}
}
