/* SPDX-License-Identifier: MIT */
/* One VT-d unit (iommu/unit.h: U1). Lock: the caller's, iommu_lock, but at boot. */
#include "iommu/unit.h"

#include "cpu/apic.h"
#include "cpu/irq.h"
#include "cpu/paging.h"
#include "iommu/registers.h"

#define QUEUE_ENTRIES		256u		/* a page */
#define POLLS_MAX		10000000

/* Capabilities, extended ones. */
#define HAS_WRITE_BUFFER	(1ULL << 4)
#define HAS_PROTECTED		(3ULL << 5)
#define DRAINS_SHIFT		54		/* writes, reads */
#define HAS_QUEUE		(1ULL << 1)
#define HAS_REMAPPING		(1ULL << 3)
#define HAS_WIDE_IDS		(1ULL << 4)

/* Command and status. */
#define TRANSLATION_ON		(1u << 31)
#define ROOT_SET		(1u << 30)
#define WRITE_BUFFER_FLUSH	(1u << 27)
#define QUEUE_ON		(1u << 26)
#define REMAPPING_ON		(1u << 25)
#define INTERRUPTS_SET		(1u << 24)
#define COMMANDS_KEPT		(TRANSLATION_ON | QUEUE_ON | REMAPPING_ON)

#define INTERRUPTS_256		7ULL		/* 2^(7 + 1) entries */
#define INTERRUPTS_WIDE_IDS	(1ULL << 11)

/* What is put into the queue. */
#define FORGET_CONTEXT		1ULL
#define FORGET_PAGES		2ULL
#define FORGET_INTERRUPTS	4ULL
#define WAIT			(5ULL | 1 << 5 | 1ULL << 6)	/* write when done; nothing later before that */
#define ALL			(1ULL << 4)
#define OF_POOL			(2ULL << 4)
#define OF_FUNCTION		(3ULL << 4)
#define OF_INTERRUPT		(1ULL << 4)

struct vtd_unit vtd_units[VTD_UNITS_MAX];
uint32_t vtd_unit_count;

void vtd_entry_set(struct vtd_entry *entry, uint64_t low, uint64_t high)
{
	/* Never present with another's other half: whoever looks sees these in their order. */
	write_once(&entry->low, 0);
	store_release(&entry->high, high);
	store_release(&entry->low, low);
	cache_write_back(entry, sizeof(*entry));
}

/* ---- the queue ---- */

static NORETURN void give_up(const struct vtd_unit *unit, const char *what)
{
	/* To go on would be to reuse memory that devices still write to. */
	panic("iommu: the unit at 0x%lx does not %s (status 0x%x, faults 0x%x)", unit->address, what,
	      vtd_read32(unit->registers, VTD_STATUS), vtd_read32(unit->registers, VTD_FAULT_STATUS));
}

static void put(struct vtd_unit *unit, uint64_t low, uint64_t high)
{
	unit->queue[unit->tail] = (struct vtd_entry){ low, high };
	unit->tail = (unit->tail + 1) % QUEUE_ENTRIES;
}

/* What is put behind it is begun when all before it is done. */
static void put_wait(struct vtd_unit *unit)
{
	unit->told++;
	put(unit, WAIT | (uint64_t)unit->told << 32, virt_to_paddr(&unit->done));
}

/* The queue is empty again afterwards, so that it is never full. */
static void wait_until_done(struct vtd_unit *unit)
{
	int polls = 0;

	put_wait(unit);
	barrier_full();
	vtd_write32(unit->registers, VTD_QUEUE_TAIL, unit->tail * (uint32_t)sizeof(struct vtd_entry));
	while (load_acquire(&unit->done) != unit->told) {
		if (polls++ == POLLS_MAX)
			give_up(unit, "answer");
		cpu_relax_serving();
	}
}

/* Sends what is on already, and `bit` or not; the status has it as `expected` when that is done. */
static void command(struct vtd_unit *unit, uint32_t bit, bool is_on, bool expected)
{
	uint32_t kept = vtd_read32(unit->registers, VTD_STATUS) & COMMANDS_KEPT & ~bit;

	vtd_write32(unit->registers, VTD_COMMAND, kept | (is_on ? bit : 0));
	for (int polls = 0; !(vtd_read32(unit->registers, VTD_STATUS) & bit) == expected; polls++)
		if (polls == POLLS_MAX)
			give_up(unit, "obey");
}

/* Older units keep the core's writes in a buffer of their own. */
static void flush_write_buffer(struct vtd_unit *unit)
{
	if (unit->capability & HAS_WRITE_BUFFER)
		command(unit, WRITE_BUFFER_FLUSH, true, false);
}

static void put_pages(struct vtd_unit *unit, uint64_t which)
{
	put(unit, FORGET_PAGES | which | (unit->capability >> DRAINS_SHIFT & 3) << 6, 0);
}

void unit_forget_function(struct vtd_unit *unit, uint32_t sbdf, uint32_t pool_id)
{
	flush_write_buffer(unit);
	put(unit, FORGET_CONTEXT | OF_FUNCTION | (uint64_t)(sbdf & 0xffff) << 32 | pool_id << 16, 0);
	/* In this order: what is read of pages again must not go by the old entry. */
	put_wait(unit);
	put_pages(unit, OF_POOL | pool_id << 16);
	wait_until_done(unit);
}

void unit_forget_interrupt(struct vtd_unit *unit, uint32_t vector)
{
	flush_write_buffer(unit);
	put(unit, FORGET_INTERRUPTS | OF_INTERRUPT | (uint64_t)vector << 32, 0);
	wait_until_done(unit);
}

static void forget_all(struct vtd_unit *unit)
{
	flush_write_buffer(unit);
	put(unit, FORGET_CONTEXT | ALL, 0);
	put_wait(unit);
	put_pages(unit, ALL);
	put(unit, FORGET_INTERRUPTS, 0);
	wait_until_done(unit);
}

struct vtd_entry *unit_context(struct vtd_unit *unit, uint32_t sbdf)
{
	struct vtd_entry *root = &unit->root[sbdf >> 8 & 0xff], *table;

	if (!(root->low & VTD_PRESENT)) {
		table = heap_alloc(PAGE_SIZE);
		if (!table)
			return NULL;
		cache_write_back(table, PAGE_SIZE);
		vtd_entry_set(root, virt_to_paddr(table) | VTD_PRESENT, 0);
		/* Some units remember also what was not there. */
		forget_all(unit);
	}
	table = paddr_to_virt(root->low & PAGE_MASK);
	return &table[sbdf & 0xff];
}

/* ---- at boot ---- */

bool unit_probe(struct vtd_unit *unit)
{
	uint64_t needed = HAS_QUEUE | HAS_REMAPPING | (apic_is_x2apic() ? HAS_WIDE_IDS : 0);

	unit->registers = mmio_map(unit->address, PAGE_SIZE);
	unit->capability = vtd_read64(unit->registers, VTD_CAPABILITY);
	unit->registers = mmio_map(unit->address, VTD_RECORDS_AT(unit) + VTD_RECORDS(unit) * 16);
	unit->extended = vtd_read64(unit->registers, VTD_EXTENDED);
	if ((unit->extended & needed) == needed)
		return true;
	log_warning("iommu: the unit at 0x%lx has no %s\n", unit->address,
		    unit->extended & HAS_REMAPPING ? "queue, or no x2APIC" : "interrupt remapping");
	return false;
}

static void *table_new(void)
{
	void *table = paddr_to_virt(core_page());

	cache_write_back(table, PAGE_SIZE);
	return table;
}

/* Our own interrupt goes by no table. */
static void enable_faults(struct vtd_unit *unit)
{
	uint32_t apic_id = cpu_by_id[0]->apic_id;

	vtd_write32(unit->registers, VTD_FAULT_DATA, VECTOR_IOMMU);
	vtd_write32(unit->registers, VTD_FAULT_ADDRESS, MSI_ADDRESS | (apic_id & 0xff) << 12);
	vtd_write32(unit->registers, VTD_FAULT_ADDRESS_HIGH, apic_id & ~0xffu);
	vtd_write32(unit->registers, VTD_FAULT_CONTROL, 0);
}

void unit_enable(struct vtd_unit *unit)
{
	unit->root = table_new();
	unit->interrupts = table_new();
	unit->queue = table_new();
	/* Firmware may have had it on. */
	command(unit, TRANSLATION_ON, false, false);
	command(unit, REMAPPING_ON, false, false);
	command(unit, QUEUE_ON, false, false);
	vtd_write32(unit->registers, VTD_QUEUE_TAIL, 0);
	vtd_write64(unit->registers, VTD_QUEUE, virt_to_paddr(unit->queue));
	command(unit, QUEUE_ON, true, true);
	vtd_write64(unit->registers, VTD_ROOT, virt_to_paddr(unit->root));
	command(unit, ROOT_SET, true, true);
	vtd_write64(unit->registers, VTD_INTERRUPTS, virt_to_paddr(unit->interrupts) | INTERRUPTS_256 |
		    (apic_is_x2apic() ? INTERRUPTS_WIDE_IDS : 0));
	command(unit, INTERRUPTS_SET, true, true);
	forget_all(unit);
	enable_faults(unit);
	/* Messages of the old form are blocked: nothing sets that they pass. */
	command(unit, REMAPPING_ON, true, true);
	command(unit, TRANSLATION_ON, true, true);
	if (unit->capability & HAS_PROTECTED)
		vtd_write32(unit->registers, VTD_PROTECTED, 0);
}
