/* SPDX-License-Identifier: MIT */
/* Which function reaches what (iommu/iommu.h: N1 to N4). Lock: iommu_lock, for all units and their tables. */
#include "iommu/iommu.h"

#include "boot/boot_info.h"
#include "cpu/apic.h"
#include "cpu/irq.h"
#include "iommu/dmar.h"
#include "iommu/pages.h"
#include "iommu/registers.h"
#include "iommu/unit.h"
#include "pci/function.h"

#define POOLS_MAX		64u

/* A remapped interrupt: entry, message, IOAPIC's entry. */
#define VECTOR_SHIFT		16
#define DESTINATION_SHIFT	32
#define FROM_REQUESTER_ALONE	(1ULL << 18)
#define MESSAGE_INDEX_SHIFT	5
#define MESSAGE_REMAPPED	(1u << 4)
#define IOAPIC_INDEX_SHIFT	17
#define IOAPIC_REMAPPED		(1u << 16)

/* Fault records. */
#define STATUS_FAULTS		3u		/* some are lost, some are there */
#define STATUS_LOST		1u
#define MASKED			(1u << 31)
#define RECORD_VALID		(1ULL << 63)
#define RECORD_IS_READ		(1ULL << 62)
#define REASON_INTERRUPT	0x20u		/* and above */
#define QUIET_NS		(10 * NSEC_PER_MSEC)

static struct spinlock iommu_lock;
static bool is_on;
static uint64_t pool_ids = 1;		/* in use: bits; 0 is what units take for entries that are not there */
static uint64_t stray_faults;		/* of what is no function that was found at boot */
static struct timer quiet;

bool iommu_is_there(void) { return is_on; }

/* ---- memory ---- */

int iommu_pool_map(struct domain *domain, mfn_t first, uint64_t count)
{
	struct dma_pool *pool = &domain->dma_pool;
	uint32_t id;
	int error;

	if (!is_on)
		return 0;
	spin_lock(&iommu_lock);
	id = ~pool_ids ? (uint32_t)__builtin_ctzll(~pool_ids) : POOLS_MAX;
	error = id >= MIN(POOLS_MAX, pages_pools_max()) ? -ENOSPC : pages_map(first, count, &pool->tables);
	if (!error) {
		pool_ids |= 1ULL << id;
		pool->id = id;
	}
	spin_unlock(&iommu_lock);
	return error;
}

void iommu_pool_unmap(struct domain *domain)
{
	struct dma_pool *pool = &domain->dma_pool;

	if (!pool->tables)
		return;
	spin_lock(&iommu_lock);
	for (const struct pci_function *function = pci_functions; function; function = function->next)
		ASSERT(function->pool_id != pool->id, "N2");
	pages_free(pool->tables);
	pool->tables = NULL;
	pool_ids &= ~(1ULL << pool->id);
	spin_unlock(&iommu_lock);
}

static int attach(struct vtd_unit *unit, struct pci_function *function, const struct domain *domain)
{
	const struct dma_pool *pool = &domain->dma_pool;
	struct vtd_entry *entry = unit_context(unit, function->sbdf);

	if (!entry)
		return -ENOMEM;
	if (function->pool_id)
		return -EBUSY;
	function->pool_id = pool->id;
	function->attached_to = domain->id;
	vtd_entry_set(entry, virt_to_paddr(pool->tables) | VTD_PRESENT, pool->id << 8 | (pages_levels() - 2));
	unit_forget_function(unit, function->sbdf, pool->id);
	return 0;
}

int iommu_device_attach(uint32_t sbdf, struct domain *domain)
{
	struct pci_function *function = pci_find(sbdf);
	struct vtd_unit *unit;
	int error;

	if (!is_on)
		return 0;
	unit = dmar_unit_of(sbdf);
	if (!domain->dma_pool.tables)
		return -EINVAL;
	if (!unit || !function)
		return -ENODEV;
	if (dmar_reserves_for(sbdf) || pci_shares_name(sbdf))
		return -EOPNOTSUPP;
	spin_lock(&iommu_lock);
	error = attach(unit, function, domain);
	spin_unlock(&iommu_lock);
	return error;
}

void iommu_device_detach(uint32_t sbdf)
{
	struct vtd_unit *unit = is_on ? dmar_unit_of(sbdf) : NULL;
	struct pci_function *function = pci_find(sbdf);

	if (!unit)
		return;
	spin_lock(&iommu_lock);
	if (function && function->pool_id) {
		vtd_entry_set(unit_context(unit, sbdf), 0, 0);
		unit_forget_function(unit, sbdf, function->pool_id);
		function->pool_id = 0;
	}
	spin_unlock(&iommu_lock);
}

/* ---- interrupts: the entry's index is the vector ---- */

static void interrupt_set(struct vtd_unit *unit, uint32_t vector, uint64_t low, uint64_t high)
{
	spin_lock(&iommu_lock);
	vtd_entry_set(&unit->interrupts[vector], low, high);
	unit_forget_interrupt(unit, vector);
	spin_unlock(&iommu_lock);
}

/* To CPU 0, as an edge; N4. */
static void interrupt_allow(struct vtd_unit *unit, uint32_t vector, uint16_t requester)
{
	uint64_t destination = cpu_by_id[0]->apic_id;

	if (!apic_is_x2apic())
		destination <<= 8;
	interrupt_set(unit, vector, destination << DESTINATION_SHIFT | vector << VECTOR_SHIFT | VTD_PRESENT,
		      FROM_REQUESTER_ALONE | requester);
}

int iommu_msi_map(uint32_t sbdf, uint32_t vector, uint64_t *address, uint32_t *data)
{
	struct vtd_unit *unit = is_on ? dmar_unit_of(sbdf) : NULL;

	if (!unit)
		return is_on ? -ENODEV : 0;
	interrupt_allow(unit, vector, (uint16_t)sbdf);
	*address = MSI_ADDRESS | vector << MESSAGE_INDEX_SHIFT | MESSAGE_REMAPPED;
	*data = 0;
	return 0;
}

void iommu_msi_unmap(uint32_t sbdf, uint32_t vector)
{
	struct vtd_unit *unit = is_on ? dmar_unit_of(sbdf) : NULL;

	if (unit)
		interrupt_set(unit, vector, 0, 0);
}

bool iommu_ioapic_entry(uint32_t ioapic_id, uint32_t vector, uint32_t *high)
{
	uint16_t requester = 0;
	struct vtd_unit *unit = is_on ? dmar_ioapic(ioapic_id, &requester) : NULL;

	if (!unit)
		return !is_on;
	interrupt_allow(unit, vector, requester);
	*high = vector << IOAPIC_INDEX_SHIFT | IOAPIC_REMAPPED;
	return true;
}

/* ---- faults ---- */

/* Told when the count has doubled. */
static void fault_tell(const struct vtd_unit *unit, uint64_t low, uint64_t high)
{
	uint32_t sbdf = unit->segment << 16 | (uint16_t)high, reason = high >> 32 & 0xff;
	bool is_interrupt = reason >= REASON_INTERRUPT;
	struct pci_function *function = pci_find(sbdf);
	uint64_t count = function ? ++function->faults : ++stray_faults;
	char owner[16] = "nobody";

	if (count & (count - 1))
		return;
	if (function && function->attached_to != DOMID_INVALID)
		format_string(owner, sizeof(owner), "domain %u", function->attached_to);
	log_warning("iommu: %s 0x%lx refused to %x:%x.%x of %s (reason 0x%x), %lu times so far\n",
		    is_interrupt ? "interrupt" : high & RECORD_IS_READ ? "reading" : "writing",
		    is_interrupt ? low >> 48 : low & PAGE_MASK, sbdf >> 8, sbdf >> 3 & 31, sbdf & 7, owner, reason, count);
}

static void faults_read(const struct vtd_unit *unit)
{
	uint32_t at = VTD_RECORDS_AT(unit);

	if (!(vtd_read32(unit->registers, VTD_FAULT_STATUS) & STATUS_FAULTS))
		return;
	for (uint32_t i = 0; i < VTD_RECORDS(unit); i++, at += 16) {
		uint64_t high = vtd_read64(unit->registers, at + 8);

		if (!(high & RECORD_VALID))
			continue;
		fault_tell(unit, vtd_read64(unit->registers, at), high);
		vtd_write32(unit->registers, at + 12, (uint32_t)(RECORD_VALID >> 32));
	}
	vtd_write32(unit->registers, VTD_FAULT_STATUS, STATUS_LOST);
}

static void faults_read_all(bool is_quiet)
{
	spin_lock(&iommu_lock);
	for (struct vtd_unit *unit = vtd_units; unit < vtd_units + vtd_unit_count; unit++) {
		faults_read(unit);
		vtd_write32(unit->registers, VTD_FAULT_CONTROL, is_quiet ? MASKED : 0);
	}
	spin_unlock(&iommu_lock);
}

/* Each time a while of silence follows, whatever devices try. What came meanwhile interrupts at its end. */
void iommu_faults_read(void)
{
	faults_read_all(true);
	timer_set(&quiet, time_now_ns() + QUIET_NS);
}

static void quiet_ends(void *data) { faults_read_all(false); }

/* ---- at boot ---- */

void iommu_init(void)
{
	bool is_good = option_flag("iommu", true) && dmar_parse();

	for (uint32_t i = 0; is_good && i < vtd_unit_count; i++)
		is_good = unit_probe(&vtd_units[i]) && pages_limit(&vtd_units[i]);
	if (!is_good) {
		log_info("iommu: none is in use: nothing guards memory against devices\n");
		return;
	}
	timer_init(&quiet, quiet_ends, NULL);
	for (uint32_t i = 0; i < vtd_unit_count; i++)
		unit_enable(&vtd_units[i]);
	is_on = true;
	log_info("iommu: %u units, tables of %u levels, interrupts remapped\n", vtd_unit_count, pages_levels());
}
