/* SPDX-License-Identifier: MIT */
/* Entries of its page tables that a driver may not have: it asks the core for them, as it would with a wrong number in its hand. */
#include "inject/faults.h"

#include <stdio.h>

#include <xen/xen.h>

#define PTE_KERNEL	0x67UL			/* present, writable, user, accessed, dirty */
#define PTE_FRAME	0x000ffffffffff000UL
#define PTE_RESERVED	(1UL << 51)		/* beyond what any frame has here */
#define MFN_OF_THE_CORE	0x100UL			/* its image begins at 1 MiB */

struct attempt {
	uint64_t entry_at;			/* the entry's machine address */
	uint64_t value;
};

/* Where the entry of a level (1 to 4) for an address stands, and what it is. */
static bool entry_of(struct victim *victim, uint64_t address, unsigned int level, struct attempt *entry)
{
	uint64_t table = victim->context.ctrlreg[3] >> FRAME_SHIFT;

	for (unsigned int at = 4; at >= level; at--) {
		uint64_t index = address >> (FRAME_SHIFT + 9 * (at - 1)) & 511;

		if (!victim_entry(victim, table, index, &entry->value))
			return false;
		entry->entry_at = (table << FRAME_SHIFT) + index * 8;
		table = (entry->value & PTE_FRAME) >> FRAME_SHIFT;
	}
	return true;
}

static bool frame_of_dom0(struct victim *victim, uint64_t *mfn)
{
	struct xen_domctl_getdomaininfo info;

	if (core_domain_info(&victim->core, 0, &info))
		return false;
	*mfn = info.shared_info_frame;
	return true;
}

enum kind { OF_DOM0, OF_THE_CORE, A_TABLE, DOM0S_TABLE, ABOVE_L1, RESERVED_BIT, KINDS };

static const char *const kinds[KINDS] = {
	[OF_DOM0] = "a frame of Domain-0, writable", [OF_THE_CORE] = "a frame of the core, writable", [A_TABLE] = "a page table of its own, writable",
	[DOM0S_TABLE] = "Domain-0's table, writable", [ABOVE_L1] = "an entry above the lowest level", [RESERVED_BIT] = "a frame number that no machine has",
};

/* In place of the entry for one of its variables, which it would lose if this were granted. */
static bool attempt_of(struct victim *victim, enum kind kind, uint64_t variable, struct attempt *attempt)
{
	struct driver_table header;
	struct attempt other;
	uint64_t table, mfn;

	if (!entry_of(victim, variable, 1, attempt))
		return false;
	switch (kind) {
	case OF_DOM0:
		if (!frame_of_dom0(victim, &mfn))
			return false;
		attempt->value = mfn << FRAME_SHIFT | PTE_KERNEL;
		return true;
	case OF_THE_CORE:
		attempt->value = MFN_OF_THE_CORE << FRAME_SHIFT | PTE_KERNEL;
		return true;
	case A_TABLE:
		attempt->value = (attempt->entry_at & PTE_FRAME) | PTE_KERNEL;
		return true;
	case DOM0S_TABLE:
		if (!victim_table(victim, &table, &header) || !entry_of(victim, table, 1, &other))
			return false;
		attempt->value = (other.value & PTE_FRAME) | PTE_KERNEL;
		return true;
	case ABOVE_L1:
		if (!entry_of(victim, variable, 2, attempt))
			return false;
		attempt->value = 0;
		return true;
	default:
		attempt->value |= PTE_RESERVED;
		return true;
	}
}

static enum injected ask(struct victim *victim, struct fault *fault, const struct attempt *attempt)
{
	struct mmu_update update = { attempt->entry_at | MMU_NORMAL_PT_UPDATE, attempt->value };
	uint64_t at = below_stack(victim);
	const uint64_t argument[4] = { at, 1, 0, DOMID_SELF };
	enum injected injected;
	int64_t result;

	if (!victim_write(victim, at, &update, sizeof(update)))
		return VICTIM_GONE;
	injected = hypercall_as(victim, __HYPERVISOR_mmu_update, argument, &result);
	if (injected != INJECTED)
		return injected;
	json_object_set_new(fault->record, "result", json_integer(result));
	fault_activated(fault, true, result < 0 ? "the core has refused it" : "the core has done it");
	return INJECTED;
}

enum injected fault_page_table(struct victim *victim, struct fault *fault)
{
	enum kind kind = (enum kind)random_below(&fault->random, KINDS);
	struct attempt attempt;
	struct found found;
	enum injected result = reach_any(victim, fault, MUTATION_FLIP, NULL, &found);
	uint64_t before;

	if (result != INJECTED)
		return result;
	if (!attempt_of(victim, kind, victim->image.data, &attempt))
		return NOT_INJECTED;
	json_object_set_new(fault->record, "location", json_string(kinds[kind]));
	before = victim->context.user_regs.rip;
	fault_tell(victim, fault, before, &attempt.entry_at, &attempt.value, sizeof(attempt.value));
	return ask(victim, fault, &attempt);
}
