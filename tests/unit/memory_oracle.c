/* SPDX-License-Identifier: MIT */
#include "memory_oracle.h"

#include <stdarg.h>
#include <string.h>

#include "cpu/directmap.h"
#include "cpu/tlb.h"
#include "domain/domain.h"
#include "mem/alloc.h"
#include "pci/function.h"
#include "reset/reset.h"
#include "tables.h"

#define DOMAIN_IDS 16		/* tests use ids below it */

struct expected {
	uint32_t count, type_count;
	uint8_t type;		/* of the type references; FRAME_PLAIN: none seen */
	bool is_deferred, is_listed;
};

static struct expected expected[FAKE_FRAME_LIMIT];
static char complaint[200];
static uint64_t last_table, last_entry;		/* what was looked at last */

/* The first thing that is found wrong. */
static void complain(const char *format, ...)
{
	va_list arguments;

	if (complaint[0])
		return;
	va_start(arguments, format);
	vsnprintf(complaint, sizeof(complaint), format, arguments);
	va_end(arguments);
}

static struct frame *frames;

static struct frame *record(uint64_t number) { return &frames[number]; }

static void expect(mfn_t number, enum frame_type type, const char *who)
{
	struct expected *e = &expected[number.raw];

	if (number.raw >= FAKE_FRAME_LIMIT) {
		complain("%s names frame %lx, which does not exist", who, number.raw);
		return;
	}
	e->count++;
	if (type == FRAME_PLAIN)
		return;
	if (e->type_count && e->type != type)
		complain("frame %lx: %s uses it as type %u, others as %u: F1 (entry %lx of %lx)", number.raw, who, type,
			 e->type, last_entry, last_table);
	e->type = type;
	e->type_count++;
}

/* ---- tables ---- */

static bool is_live_table(const struct frame *frame)
{
	return (frame->type & FRAME_VALIDATED) && frame_type_of(frame->type) >= FRAME_L1 &&
	       frame_type_of(frame->type) <= FRAME_L4;
}

static void check_core_slots(uint64_t table, const pte_t *entries)
{
	bool sees_m2p = entries[L4_CORE_FIRST] != 0;

	if (sees_m2p && entries[L4_CORE_FIRST] != core_l4[L4_CORE_FIRST])
		complain("L4 %lx: slot 256 is not the core's: T3", table);
	if (memcmp(&entries[L4_CORE_FIRST + 1], &core_l4[L4_CORE_FIRST + 1],
		   (L4_CORE_END - L4_CORE_FIRST - 1) * sizeof(pte_t)))
		complain("L4 %lx: the core's slots are not the core's: T3", table);
}

/* ---- pages of devices ---- */

#define FUNCTIONS_MAX 16
static uint32_t device_mappings[FUNCTIONS_MAX];

/* Q3: the only function that has something on the page. */
static const struct pci_function *function_of(uint64_t number, uint32_t *index)
{
	const struct pci_function *function = pci_functions, *found = NULL;
	paddr_t page = number << PAGE_SHIFT;
	uint32_t found_count = 0;

	for (uint32_t i = 0; function; function = function->next, i++)
		for (uint32_t n = 0; n < BARS; n++) {
			const struct pci_bar *bar = &function->bar[n];

			if (bar->bytes && (bar->start & PAGE_MASK) <= page && page < bar->start + bar->bytes) {
				found_count += found != function;
				found = function;
				*index = i;
			}
		}
	return found_count == 1 ? found : NULL;
}

static void take_device(uint64_t table, enum frame_type level, pte_t entry)
{
	uint32_t index = 0;
	const struct pci_function *function = function_of(pte_frame(entry).raw, &index);

	if (!function || level != FRAME_L1)
		complain("table %lx (L%u): entry %lx is of no device's page: Q3", table, level, entry);
	else if (function->owner && function->owner->id != record(table)->owner)
		complain("table %lx: entry %lx is of another domain's device: Q1", table, entry);
	else if (function->msix_count && function->msix_start >> PAGE_SHIFT == pte_frame(entry).raw)
		complain("table %lx: entry %lx is of an MSI-X table: Q3", table, entry);
	else
		device_mappings[index]++;
}

static void compare_devices(void)
{
	const struct pci_function *function = pci_functions;

	for (uint32_t i = 0; function; function = function->next, i++)
		if (device_mappings[i] != function->mappings)
			complain("function %x: %u mappings, %u are known: Q3", function->sbdf, function->mappings, device_mappings[i]);
	if (spin_is_locked(&pci_lock))
		complain("pci_lock was left locked");
}

static void take_entry(uint64_t table, enum frame_type level, pte_t entry)
{
	struct frame *frame;

	if (!(entry & PTE_PRESENT))
		return;
	if (!(entry & PTE_USER) || (level > FRAME_L1 && (entry & (PTE_LARGE | PTE_GLOBAL))))
		complain("table %lx (L%u): entry %lx is not as the core makes them", table, level, entry);
	if (entry & PTE_DEVICE) {
		take_device(table, level, entry);
		return;
	}
	if (pte_frame(entry).raw >= FAKE_FRAME_LIMIT) {
		complain("table %lx (L%u): entry %lx names no frame", table, level, entry);
		return;
	}
	frame = record(pte_frame(entry).raw);
	if (level > FRAME_L1 && frame->owner != record(table)->owner)
		complain("table %lx (L%u): entry %lx is another domain's: T2", table, level, entry);
	if ((frame->count & FRAME_CORE) && !(frame->type & FRAME_TYPE_COUNT_MASK))
		complain("table %lx (L%u): entry %lx maps the core's own frame", table, level, entry);
	last_entry = entry;
	last_table = table;
	expect(pte_frame(entry), level > FRAME_L1 ? level - 1 : entry & PTE_WRITABLE ? FRAME_WRITABLE : FRAME_PLAIN,
	       "an entry");
}

static void take_table(uint64_t number)
{
	struct frame *frame = record(number);
	enum frame_type level = frame_type_of(frame->type);
	const pte_t *entries;
	uint32_t end = is_live_table(frame) ? 512 : frame->validated;

	if (!is_live_table(frame) && !(frame->type & (FRAME_PARTIAL | FRAME_DEFERRED)))
		return;
	if (level < FRAME_L1 || level > FRAME_L4)
		complain("frame %lx: flags of a table, type %u", number, level);
	entries = mfn_to_virt(mfn(number));
	for (uint32_t i = 0; i < end; i++)
		if (entries[i] && !(level == FRAME_L4 && i >= L4_CORE_FIRST && i < L4_CORE_END))
			take_entry(number, level, entries[i]);
	if (level == FRAME_L4 && is_live_table(frame))
		check_core_slots(number, entries);
}

/* Code and data segments of ring 3, or not present: no gate, no system segment. */
static void check_segments(uint64_t number)
{
	const uint64_t *descriptor = mfn_to_virt(mfn(number));

	for (uint32_t i = 0; i < 512; i++)
		if ((descriptor[i] >> 47 & 1) && ((descriptor[i] >> 44 & 7) != 7))
			complain("segment frame %lx: descriptor %u is %lx", number, i, descriptor[i]);
}

static void take_flags(uint64_t number)
{
	const struct frame *frame = record(number);
	uint64_t type = frame->type, references = type & FRAME_TYPE_COUNT_MASK;

	if (frame->count == 0)
		return;
	if ((type & FRAME_PINNED))
		expect(mfn(number), frame_type_of(type), "a pin");
	if (frame->count & FRAME_ALLOCATED)
		expect(mfn(number), FRAME_PLAIN, "its owner");
	if ((type & (FRAME_PARTIAL | FRAME_DEFERRED)) && references)
		complain("frame %lx: partial or deferred, and in use: type %lx", number, type);
	if (type & (FRAME_PARTIAL | FRAME_DEFERRED))
		expect(mfn(number), FRAME_PLAIN, "partial or deferred state");
	if (references && frame_type_of(type) != FRAME_WRITABLE && !(type & FRAME_VALIDATED))
		complain("frame %lx: in use and not validated: type %lx", number, type);
	if ((frame->count & FRAME_CORE) && frame->owner != DOMID_INVALID)	/* shared */
		expect(mfn(number), frame_type_of(type), "the core");
	if (frame_type_of(type) == FRAME_SEGMENT && references)
		check_segments(number);
	take_table(number);
}

/* ---- domains ---- */

static void take_deferred_list(const struct vcpu *vcpu)
{
	uint32_t steps = 0;

	for (uint32_t i = vcpu->deferred_tables; i && steps++ < FAKE_FRAME_LIMIT; i = record(i)->flushed) {
		if (!(record(i)->type & FRAME_DEFERRED) || expected[i].is_deferred)
			complain("frame %x: in a list of deferred tables, and is not or is twice", i);
		expected[i].is_deferred = true;
	}
}

static void take_vcpu(const struct vcpu *vcpu)
{
	if (vcpu->table_kernel.raw)
		expect(vcpu->table_kernel, FRAME_L4, "a base pointer");
	if (vcpu->table_user.raw)
		expect(vcpu->table_user, FRAME_L4, "a user base pointer");
	for (uint32_t i = 0; i < ARRAY_SIZE(vcpu->gdt_frame); i++)
		if (vcpu->gdt_frame[i].raw)
			expect(vcpu->gdt_frame[i], FRAME_SEGMENT, "a GDT");
	for (uint32_t i = 0; i < ARRAY_SIZE(vcpu->ldt_frame); i++)
		if (vcpu->ldt_frame[i].raw)
			expect(vcpu->ldt_frame[i], FRAME_SEGMENT, "an LDT");
	if (vcpu->info_frame.raw)
		expect(vcpu->info_frame, FRAME_WRITABLE, "a vcpu_info");
	take_deferred_list(vcpu);
}

static uint64_t take_page_list(const struct domain *domain, uint32_t first)
{
	uint32_t before = FRAME_LINK_NONE;
	uint64_t count = 0;

	for (uint32_t i = first; i != FRAME_LINK_NONE && !complaint[0]; i = record(i)->next) {
		if (expected[i].is_listed || record(i)->owner != domain->id || record(i)->prev != before)
			complain("frame %x: in the page list of domain %u, owner %u, link %x", i, domain->id,
				 record(i)->owner, record(i)->prev);
		expected[i].is_listed = true;
		before = i;
		count++;
	}
	return count;
}

/* The copy of one that dies goes from its first slot on. */
static void take_reset(const struct reset *reset)
{
	for (uint32_t i = reset->released; i < reset->slot_count; i++)
		if (reset->frame[i].number)
			expect(mfn(reset->frame[i].number), FRAME_PLAIN, "a reset");
}

static void take_domain(const struct domain *domain)
{
	uint64_t count = take_page_list(domain, domain->page_list) + take_page_list(domain, domain->page_list_kept);

	if (count != domain->frame_count)
		complain("domain %u: %lu frames listed, %lu counted", domain->id, count, domain->frame_count);
	for (uint64_t i = 0; i < domain->dma_pool.held; i++)
		expect(mfn(domain->dma_pool.first.raw + i), FRAME_WRITABLE, "a DMA pool");
	if (domain->reset && domain->reset->frame)
		take_reset(domain->reset);
	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		take_vcpu(domain->vcpu[i]);
	if (spin_is_locked(&domain->lock) || spin_is_locked(&domain->page_list_lock) ||
	    spin_is_locked(&domain->grant_lock))
		complain("domain %u: a lock was left locked", domain->id);
}

/* ---- the comparison ---- */

static void compare(uint64_t number)
{
	const struct frame *frame = record(number);
	const struct expected *e = &expected[number];
	uint64_t count = frame->count & FRAME_COUNT_MASK, type_count = frame->type & FRAME_TYPE_COUNT_MASK;

	if (count != e->count)
		complain("frame %lx: %lu references, %u are known: F3 (count %lx, type %lx, owner %u)", number, count,
			 e->count, frame->count, frame->type, frame->owner);
	if (frame->count == 0)
		return;
	if (type_count != e->type_count || (e->type_count && e->type != frame_type_of(frame->type)))
		complain("frame %lx: type %lx, known are %u as %u: F2", number, frame->type, e->type_count, e->type);
	if (!!(frame->type & FRAME_DEFERRED) != e->is_deferred)
		complain("frame %lx: deferred and in no list, or the reverse", number);
	if (!(frame->count & FRAME_CORE) != e->is_listed)
		complain("frame %lx: count %lx, and %s page list", number, frame->count,
			 e->is_listed ? "in a" : "in no");
}

/* ---- TLBs ---- */

/* Does a table of `domain` have an entry for the frame, as writable as that? */
static bool is_mapped_by(const struct domain *domain, uint64_t number, bool writable)
{
	for (uint64_t t = FAKE_FRAME_FIRST; t < FAKE_FRAME_LIMIT; t++) {
		const struct frame *table = record(t);
		const pte_t *entries;

		if (frame_type_of(table->type) != FRAME_L1 || table->owner != domain->id || table->count == 0 ||
		    !(table->type & (FRAME_VALIDATED | FRAME_PARTIAL | FRAME_DEFERRED)))
			continue;
		entries = mfn_to_virt(mfn(t));
		for (uint32_t i = 0; i < table->validated; i++)
			if ((entries[i] & PTE_PRESENT) && pte_frame(entries[i]).raw == number &&
			    (!writable || (entries[i] & PTE_WRITABLE)))
				return true;
	}
	return false;
}

/* What a CPU that still uses this translation may do. */
static void check_reach(const struct domain *domain, uint64_t number, bool writable, uint64_t va)
{
	const struct frame *frame = record(number < FAKE_FRAME_LIMIT ? number : 0);
	enum frame_type type = frame_type_of(frame->type);
	const struct pci_function *function;
	uint32_t index;
	bool is_used = frame->type & (FRAME_TYPE_COUNT_MASK | FRAME_PARTIAL | FRAME_DEFERRED);

	if (number >= FAKE_FRAME_LIMIT) {
		function = function_of(number, &index);
		if (function && function->owner != domain)
			complain("TLB: domain %u reaches %lx of a device that is not its at %lx: Q4", domain->id, number, va);
		return;
	}
	if (frame->count == 0)
		return;			/* free: flushed before it is given out */
	if (frame->owner == domain->id) {
		if (writable && is_used && type != FRAME_WRITABLE)
			complain("TLB: domain %u may write frame %lx at %lx, type %u: F1", domain->id, number, va, type);
	} else if (!is_mapped_by(domain, number, writable)) {
		complain("TLB: domain %u reaches frame %lx of %u at %lx (writable %u), maps it no more: T5",
			 domain->id, number, frame->owner, va, writable);
	}
}

static void check_cached_table(const struct fake_translation *cached)
{
	const struct frame *table = record(cached->frame.raw);
	const pte_t *entries = mfn_to_virt(cached->frame);

	if (table->count == 0)
		return;
	if (cached->is_writable && (table->owner != cached->domain->id || frame_type_of(table->type) != FRAME_L1)) {
		complain("TLB: domain %u walks frame %lx as a table, type %lx, owner %u", cached->domain->id,
			 cached->frame.raw, table->type, table->owner);
		return;
	}
	if (table->owner != cached->domain->id || frame_type_of(table->type) != FRAME_L1)
		return;
	for (uint32_t i = 0; i < 512; i++)
		if ((entries[i] & PTE_PRESENT) && (entries[i] & PTE_USER))
			check_reach(cached->domain, pte_frame(entries[i]).raw,
				    cached->is_writable && (entries[i] & PTE_WRITABLE), cached->va + i * PAGE_SIZE);
}

static void check_tlbs(void)
{
	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++) {
		for (uint32_t i = 0; i < FAKE_TLB_ENTRIES; i++) {
			const struct fake_translation *cached = &fake_tlb[cpu][i];

			if (!cached->domain)
				continue;
			if (!(cached->domain->dirty_cpus >> cpu & 1))
				complain("CPU %u remembers domain %u, which does not know", cpu, cached->domain->id);
			if (cached->is_table)
				check_cached_table(cached);
			else
				check_reach(cached->domain, cached->frame.raw, cached->is_writable, cached->va);
		}
	}
}

const char *memory_oracle_complaint(void)
{
	uint64_t unused = 0;

	complaint[0] = 0;
	frames = frame_table;
	memset(expected, 0, sizeof(expected));
	memset(device_mappings, 0, sizeof(device_mappings));
	for (domid_t id = 0; id < DOMAIN_IDS; id++)
		if (domain_find(id))
			take_domain(domain_find(id));
	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++)
		take_deferred_list(cpu_by_id[cpu]->idle);
	for (uint64_t i = FAKE_FRAME_FIRST; i < FAKE_FRAME_LIMIT; i++)
		take_flags(i);
	for (uint64_t i = FAKE_FRAME_FIRST; i < FAKE_FRAME_LIMIT && !complaint[0]; i++) {
		compare(i);
		unused += record(i)->count == 0;
	}
	compare_devices();
	if (unused != frames_free())
		complain("%lu frames are in no use, the allocator has %lu: A1", unused, frames_free());
	if (!complaint[0])
		check_tlbs();
	return complaint[0] ? complaint : NULL;
}
