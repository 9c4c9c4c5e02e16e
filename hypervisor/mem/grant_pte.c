/* SPDX-License-Identifier: MIT */
/* The entries by which a domain maps what another has granted it. Their references are the entry's, as with any other. */
#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "domain/vcpu.h"
#include "include/types.h"
#include "mem/frame.h"
#include "mem/mmu.h"
#include "mem/table.h"
#include "mem/update.h"

#include <xen/grant_table.h>

/* The L1 table and index that `host_addr` means. With `contains_pte` the table gets a reference, else none. */
static bool place_find(struct domain_locked owner, struct vcpu *user, uint64_t host_addr, bool contains_pte,
		       struct frame **table, uint32_t *index)
{
	uint64_t word;

	if (!contains_pte)
		return l1_find(owner, user, host_addr, table, index);
	if (host_addr & 7)
		return false;
	*table = frame_at(paddr_to_mfn(host_addr));
	*index = (host_addr & ~PAGE_MASK) / 8;
	if (!*table || (*table)->owner != owner.domain->id)
		return false;
	word = load_acquire(&(*table)->type);
	/* Validated, and by our lock it stays so. */
	return (word & FRAME_VALIDATED) && frame_type_of(word) == FRAME_L1;
}

static pte_t *entry_of(const struct frame *table, uint32_t index)
{
	return (pte_t *)mfn_to_virt(frame_number(table)) + index;
}

int grant_pte_set(struct vcpu *user, uint64_t host_addr, bool contains_pte, pte_t entry)
{
	struct domain_locked owner = domain_lock(user->domain);
	int status = GNTST_bad_virt_addr;
	struct frame *table;
	uint32_t index;

	if (place_find(owner, user, host_addr, contains_pte, &table, &index)) {
		pte_t old = __atomic_exchange_n(entry_of(table, index), entry | PTE_USER, __ATOMIC_SEQ_CST);

		entry_drop(table, FRAME_L1, old);
		status = GNTST_okay;
	}
	domain_unlock(owner);
	return status;
}

int grant_pte_clear(struct vcpu *user, uint64_t host_addr, bool contains_pte, mfn_t frame, bool writable)
{
	struct domain_locked owner = domain_lock(user->domain);
	int status = GNTST_bad_virt_addr;
	struct frame *table;
	uint32_t index;

	if (place_find(owner, user, host_addr, contains_pte, &table, &index)) {
		pte_t *at = entry_of(table, index), old = read_once(at);

		status = GNTST_general_error;
		if ((old & PTE_PRESENT) && !!(old & PTE_WRITABLE) == writable && mfn_is(pte_frame(old), frame)) {
			__atomic_store_n(at, 0, __ATOMIC_SEQ_CST);
			status = GNTST_okay;
		}
	}
	domain_unlock(owner);
	return status;
}
