/* SPDX-License-Identifier: MIT */
#include "tables.h"

#include <string.h>

#include "cpu/directmap.h"
#include "cpu/entry.h"
#include "cpu/paging.h"
#include "cpu/speculation.h"
#include "cpu/tlb.h"
#include "lib/bits.h"
#include "mem/alloc.h"
#include "mem/deferred.h"

#pragma weak fake_alloc_reset
#pragma weak fake_domain_reset
#pragma weak fake_channel_reset
#pragma weak fake_pci_reset

uint64_t core_l4[512];
uint64_t speculation_l1tf_limit;
struct fake_translation fake_tlb[FAKE_CPUS][FAKE_TLB_ENTRIES];

static struct frame frames[1UL << FRAME_CHUNK_SHIFT];	/* behind FAKE_FRAME_LIMIT: never in use */
static uint64_t machine_to_physical[FAKE_FRAME_LIMIT];
static mfn_t base[FAKE_CPUS];

static void tlb_forget(cpumask_t cpus, uint64_t address);

struct frame *const frame_table = frames;
void m2p_set(mfn_t frame, gfn_t guest) { machine_to_physical[frame.raw] = guest.raw; }
gfn_t m2p_get(mfn_t frame) { return gfn(machine_to_physical[frame.raw]); }
void switch_reload_gdt(struct vcpu *vcpu) { }
void switch_reload_ldt(struct vcpu *vcpu) { }
void switch_save_current(struct vcpu *vcpu) { }

void switch_leave_current(struct vcpu *vcpu)
{
	paging_load_core();
	vcpu->domain->dirty_cpus &= ~(1ULL << cpu_id());
}

void switch_enter_current(struct vcpu *vcpu)
{
	vcpu->domain->dirty_cpus |= 1ULL << cpu_id();
	mmu_load_base(vcpu);
}

void alloc_init(void)
{
	frame_limit = FAKE_FRAME_LIMIT;
	frame_chunk_add(0);
	memset(frames, 0, FAKE_FRAME_LIMIT * sizeof(frames[0]));
	memset(machine_to_physical, 0xff, sizeof(machine_to_physical));
	memset(fake_tlb, 0, sizeof(fake_tlb));
	memset(base, 0, sizeof(base));
	for (uint32_t i = L4_CORE_FIRST; i < L4_CORE_END; i++)
		core_l4[i] = (i - L4_CORE_FIRST + 16ULL) << PAGE_SHIFT | PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED;
	fake.tlb_watcher = tlb_forget;
	if (fake_alloc_reset)
		fake_alloc_reset();
	if (fake_domain_reset)
		fake_domain_reset();
	if (fake_channel_reset)
		fake_channel_reset();
	if (fake_pci_reset)
		fake_pci_reset();
	alloc_add(FAKE_FRAME_FIRST, FAKE_FRAME_LIMIT);
}

/* ---- base pointers ---- */

void paging_fill_core_slots(uint64_t *l4)
{
	memcpy(&l4[L4_CORE_FIRST], &core_l4[L4_CORE_FIRST], (L4_CORE_END - L4_CORE_FIRST) * sizeof(uint64_t));
}

void paging_set_m2p_slot(uint64_t *l4, bool is_visible)
{
	l4[L4_CORE_FIRST] = is_visible ? core_l4[L4_CORE_FIRST] : 0;
}

void tlb_load_base(paddr_t table)
{
	base[cpu_id()] = paddr_to_mfn(table);
	tlb_flush(1ULL << cpu_id(), TLB_ALL_PAGES);
	fake.base_loads++;
}

void paging_load_core(void) { tlb_load_base(0); }

static void domain_leaves(struct cpu *cpu, struct vcpu *prev)
{
	if (prev != cpu->idle && prev->domain != cpu->current->domain)
		prev->domain->dirty_cpus &= ~(1ULL << cpu->id);
	prev->is_running = false;
}

void fake_switch_to(struct vcpu *vcpu)
{
	struct cpu *cpu = this_cpu();
	struct vcpu *prev = cpu->current;

	vcpu = vcpu ? vcpu : cpu->idle;
	if (vcpu == prev)
		return;
	cpu->current = vcpu;
	vcpu->is_running = true;
	vcpu->cpu = cpu;
	if (vcpu == cpu->idle) {
		paging_load_core();
	} else {
		vcpu->domain->dirty_cpus |= 1ULL << cpu->id;
		mmu_load_base(vcpu);
	}
	domain_leaves(cpu, prev);
}

void fake_deferred_steps(struct vcpu *vcpu, uint32_t steps)
{
	while (vcpu->deferred_tables && steps--)
		deferred_step(vcpu);
}

/* ---- TLBs ---- */

static void tlb_forget(cpumask_t cpus, uint64_t address)
{
	uint32_t cpu;

	bits_each(cpu, cpus & ((1ULL << FAKE_CPUS) - 1))
		for (uint32_t i = 0; i < FAKE_TLB_ENTRIES; i++)
			/* A page's flush takes all cached table entries along. */
			if (address == TLB_ALL_PAGES || fake_tlb[cpu][i].is_table ||
			    fake_tlb[cpu][i].va == (address & PAGE_MASK))
				fake_tlb[cpu][i].domain = NULL;
}

static struct fake_translation *tlb_slot(uint64_t va, bool is_table)
{
	uint32_t half = FAKE_TLB_ENTRIES / 2;

	return &fake_tlb[cpu_id()][is_table ? half + (va >> 21) % half : (va >> PAGE_SHIFT) % half];
}

static pte_t *entry_at(mfn_t table, uint64_t va, unsigned int level)
{
	return (pte_t *)mfn_to_virt(table) + (va >> (12 + 9 * (level - 1)) & 511);
}

/* The L1 table for `va`, by the cache or by the tables above. */
static bool walk_upper(uint64_t va, mfn_t *table, bool *is_writable)
{
	struct fake_translation *cached = tlb_slot(va, true);

	if (cached->domain && cached->va == (va & ~0x1fffffULL)) {
		*table = cached->frame;
		*is_writable = cached->is_writable;
		return true;
	}
	*table = base[cpu_id()];
	*is_writable = true;
	for (unsigned int level = 4; level > 1; level--) {
		pte_t *entry = entry_at(*table, va, level);

		if (!table->raw || !(*entry & PTE_PRESENT) || !(*entry & PTE_USER))
			return false;
		*entry |= PTE_ACCESSED;
		*is_writable &= !!(*entry & PTE_WRITABLE);
		*table = pte_frame(*entry);
	}
	*cached = (struct fake_translation){ va & ~0x1fffffULL, current_vcpu()->domain, *table, *is_writable, false, true };
	return true;
}

void *fake_guest_touch(uint64_t va, bool writes)
{
	struct fake_translation *cached = tlb_slot(va, false);
	bool is_writable;
	pte_t *entry;
	mfn_t table;

	if (!cached->domain || cached->va != (va & PAGE_MASK) || (writes && !(cached->is_writable && cached->is_dirty))) {
		if (!walk_upper(va, &table, &is_writable))
			return NULL;
		entry = entry_at(table, va, 1);
		is_writable &= !!(*entry & PTE_WRITABLE);
		if (!(*entry & PTE_PRESENT) || !(*entry & PTE_USER) || (writes && !is_writable))
			return NULL;
		*entry |= PTE_ACCESSED | (writes ? PTE_DIRTY : 0);
		*cached = (struct fake_translation){ va & PAGE_MASK, current_vcpu()->domain, pte_frame(*entry),
						     is_writable, *entry & PTE_DIRTY, false };
	}
	if (cached->frame.raw >= FAKE_FRAME_LIMIT)
		return NULL;		/* a device's: the TLB remembers it all the same */
	return (uint8_t *)mfn_to_virt(cached->frame) + (va & ~PAGE_MASK);
}
