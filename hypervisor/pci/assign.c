/* SPDX-License-Identifier: MIT */
/* Whose a function is: given by Dom0, taken back, freed by its owner's end (pci/pci.h: Q1, Q2, Q4). */
#include <control.h>

#include "cpu/tlb.h"
#include "iommu/iommu.h"
#include "pci/function.h"

#define EXPRESS_CAPABILITIES	0x04
#define EXPRESS_CONTROL		0x08
#define EXPRESS_STATUS		0x0a
#define EXPRESS_HAS_RESET	(1u << 28)
#define EXPRESS_RESET		(1u << 15)
#define EXPRESS_PENDING		(1u << 5)
#define EXPRESS_GONE		0xff20u		/* the same, and bits that are always 0 */
#define AF_CAPABILITIES		0x03
#define AF_CONTROL		0x04
#define AF_HAS_RESET		2u
#define RESET_NS		(100 * NSEC_PER_MSEC)	/* PCI Express base specification, 6.6.2 */
#define PENDING_POLLS_MAX	1000

bool pci_may_be_master(const struct pci_function *function)
{
	return function->owner && !function->is_stopped && function->owner->dma_pool.count &&
	       (function->is_attached || !iommu_is_there());
}

/* ---- reset ---- */

static bool has_express_reset(const struct pci_function *function)
{
	return function->express &&
	       (function_read(function, function->express + EXPRESS_CAPABILITIES, 4) & EXPRESS_HAS_RESET);
}

static bool has_af_reset(const struct pci_function *function)
{
	return function->af && (function_read(function, function->af + AF_CAPABILITIES, 1) & AF_HAS_RESET);
}

/* The function does not master any more. */
void pci_reset_start(struct pci_function *function)
{
	function->is_reset = true;
	if (has_express_reset(function)) {
		uint32_t at = function->express + EXPRESS_CONTROL;

		function_write(function, at, 2, function_read(function, at, 2) | EXPRESS_RESET);
	} else if (has_af_reset(function)) {
		function_write(function, function->af + AF_CONTROL, 1, 1);
	} else {
		return;
	}
	function->reset_over_ns = time_now_ns() + RESET_NS;
}

/* BARs as firmware had them, and all else as the core has it. False: the function does not answer. */
static bool restore(struct pci_function *function)
{
	for (uint32_t at = PCI_BAR; at < PCI_BAR_END; at += 4)
		function_write(function, at, 4, function->header[at / 4]);
	function_write(function, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX);
	pci_msi_prepare(function);
	return function_read(function, PCI_ID, 4) == function->header[0];
}

/* ---- starting and stopping ---- */

static int attach(struct pci_function *function, struct domain *domain)
{
	int error = 0;

	if (!function->is_attached && domain->dma_pool.count && iommu_is_there()) {
		error = iommu_device_attach(function->sbdf, domain);
		function->is_attached = !error;
	}
	return error;
}

static bool has_transactions(const struct pci_function *function)
{
	/* One that answers nothing reads as ones, and takes its time for each. */
	return function->express && (function_read(function, function->express + EXPRESS_STATUS, 2) & EXPRESS_GONE) == EXPRESS_PENDING;
}

/* Q2: it masters no more, and what it had on its way is done. */
static void detach(struct pci_function *function)
{
	bool was_attached;

	spin_lock(&pci_lock);
	was_attached = function->is_attached;
	function->is_attached = false;
	function_write(function, PCI_COMMAND, 2, COMMAND_MEMORY | COMMAND_NO_INTX);
	for (int polls = 0; polls < PENDING_POLLS_MAX && has_transactions(function); polls++)
		;
	spin_unlock(&pci_lock);
	if (was_attached)
		iommu_device_detach(function->sbdf);
}

/* ... and the owner sees nothing of it any more; its pirqs are still there. */
static void function_stop(struct pci_function *function)
{
	spin_lock(&pci_lock);
	function->is_stopped = true;
	pci_msi_disable(function);
	spin_unlock(&pci_lock);
	detach(function);
	pci_reset_start(function);
}

static void set_owner(struct pci_function *function, struct domain *domain, struct domain *owner)
{
	struct domain_locked locked = domain_lock(domain);

	spin_lock(&pci_lock);
	write_once(&function->owner, owner);
	function->is_stopped = false;
	function->is_reset = !owner;
	function->sized = 0;
	domain->pci_functions += owner ? 1 : -1;
	spin_unlock(&pci_lock);
	domain_unlock(locked);
}

/* ---- what Dom0 asks ---- */

int pci_test_assign(uint32_t sbdf)
{
	const struct pci_function *function = pci_find(sbdf);

	if (!function || !function->is_assignable)
		return -ENODEV;
	return function->owner || read_once(&function->mappings) ? -EBUSY : 0;
}

int pci_assign(struct domain *domain, uint32_t sbdf)
{
	struct pci_function *function = pci_find(sbdf);
	int error = pci_test_assign(sbdf);

	if (error)
		return error;
	if (!function->is_reset)
		pci_reset_start(function);
	if (time_now_ns() < function->reset_over_ns)	/* Q4 */
		return -ERESTART;
	if (!restore(function))
		return -ENODEV;
	error = attach(function, domain);
	if (!error)
		set_owner(function, domain, domain);
	return error;
}

static void function_release(struct pci_function *function, struct domain *domain)
{
	spin_lock(&pci_lock);
	pci_msi_free(function);
	spin_unlock(&pci_lock);
	set_owner(function, domain, NULL);
	/* T5: what was mapped may still be in the TLBs where the domain has run. */
	tlb_flush(read_once(&domain->dirty_cpus), TLB_ALL_PAGES);
}

int pci_deassign(struct domain *domain, uint32_t sbdf)
{
	struct pci_function *function = pci_find(sbdf);
	struct domain_locked locked;
	bool is_in_use;

	if (!function || function->owner != domain)
		return -ENODEV;
	/* Stopped under both locks, so that it gets no more mappings and pirqs than it had when this looked. */
	locked = domain_lock(domain);
	spin_lock(&pci_lock);
	is_in_use = read_once(&function->mappings) || function->msis;
	function->is_stopped |= !is_in_use;
	spin_unlock(&pci_lock);
	domain_unlock(locked);
	if (is_in_use)
		return -EBUSY;
	function_stop(function);
	function_release(function, domain);
	return 0;
}

int pci_describe(struct skink_domctl_pci_function *wanted)
{
	const struct pci_function *function = pci_functions;
	uint32_t index = wanted->index;

	for (uint32_t i = 0; function && i < index; i++)
		function = function->next;
	if (!function)
		return -ENOENT;
	*wanted = (struct skink_domctl_pci_function){
		.index = index, .sbdf = function->sbdf, .vendor = (uint16_t)function->header[0],
		.device = function->header[0] >> 16, .subsystem_vendor = (uint16_t)function->header[PCI_SUBSYSTEM / 4],
		.subsystem = function->header[PCI_SUBSYSTEM / 4] >> 16, .class_code = function->header[PCI_CLASS / 4] >> 8,
		.header_type = (uint8_t)(function->header[3] >> 16), .revision = (uint8_t)function->header[PCI_CLASS / 4],
		.owner = function->owner ? function->owner->id : DOMID_INVALID,
		.flags = (function->is_assignable ? SKINK_PCI_ASSIGNABLE : 0) |
			 (function->is_attached ? SKINK_PCI_PROTECTED : 0) |
			 (has_express_reset(function) || has_af_reset(function) ? SKINK_PCI_HAS_RESET : 0),
		.msix_vectors = function->msix_count, .faults = (uint32_t)read_once(&function->faults),
		.storms = function->storms,
	};
	for (uint32_t n = 0; n < BARS; n++)
		if (function->bar[n].bytes) {
			wanted->bar_start[n] = function->bar[n].start;
			wanted->bar_order[n] = (uint8_t)bit_lowest(function->bar[n].bytes);
		}
	return 0;
}

/* ---- what happens to the owner ---- */

/* All or none: before, none was. */
int pci_pool_is_there(struct domain *domain)
{
	int error = 0;

	for (struct pci_function *function = pci_functions; function && !error; function = function->next)
		if (function->owner == domain)
			error = attach(function, domain);
	for (struct pci_function *function = pci_functions; function && error; function = function->next)
		if (function->owner == domain)
			detach(function);
	return error;
}

void pci_domain_fence(struct domain *domain)
{
	for (struct pci_function *function = pci_functions; function; function = function->next)
		if (function->owner == domain && !function->is_stopped)
			detach(function);
}

void pci_domain_renew(struct domain *domain)
{
	spin_lock(&pci_lock);
	for (struct pci_function *function = pci_functions; function; function = function->next)
		if (function->owner == domain && !function->is_stopped) {
			pci_msi_prepare(function);
			pci_msi_free(function);
			function->sized = 0;
		}
	spin_unlock(&pci_lock);
}

void pci_domain_stop(struct domain *domain)
{
	for (struct pci_function *function = pci_functions; function; function = function->next)
		if (function->owner == domain && !function->is_stopped)
			function_stop(function);
}

void pci_domain_release(struct domain *domain)
{
	for (struct pci_function *function = pci_functions; function; function = function->next)
		if (function->owner == domain)
			function_release(function, domain);
}
