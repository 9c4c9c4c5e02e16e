/* SPDX-License-Identifier: MIT */
/* The entries by which a domain maps what another has granted it. Their references are the entry's, as with any other. */
#include "mem/table.h"
#include "mem/update.h"

#include <xen/grant_table.h>

/* The L1 entry that `host_addr` means; NULL if there is none. */
static pte_t *place_find(struct domain_locked owner, struct vcpu *user, uint64_t host_addr, bool contains_pte)
{
	const struct frame *table;

	if (!contains_pte)
		return entry_for(owner, user, host_addr);
	table = host_addr % sizeof(pte_t) ? NULL : frame_table_of(owner, paddr_to_mfn(host_addr));
	return table && frame_type_of(table->type) == FRAME_L1 ? paddr_to_virt(host_addr) : NULL;
}

int grant_pte_set(struct vcpu *user, uint64_t host_addr, bool contains_pte, pte_t entry)
{
	struct domain_locked owner = domain_lock(user->domain);
	pte_t *at = place_find(owner, user, host_addr, contains_pte);

	if (at) {
		pte_t old = __atomic_exchange_n(at, entry | PTE_USER, __ATOMIC_SEQ_CST);

		frame_touch(frame_of(virt_to_mfn(at)));
		entry_fold(old);
		entry_drop(frame_of(virt_to_mfn(at)), FRAME_L1, old);
	}
	domain_unlock(owner);
	return at ? GNTST_okay : GNTST_bad_virt_addr;
}

int grant_pte_clear(struct vcpu *user, uint64_t host_addr, bool contains_pte, mfn_t frame, bool writable)
{
	struct domain_locked owner = domain_lock(user->domain);
	pte_t *at = place_find(owner, user, host_addr, contains_pte);
	pte_t old = at ? read_once(at) : 0;
	int status = at ? GNTST_general_error : GNTST_bad_virt_addr;

	if ((old & PTE_PRESENT) && !!(old & PTE_WRITABLE) == writable && mfn_is(pte_frame(old), frame)) {
		frame_touch(frame_of(virt_to_mfn(at)));
		entry_fold(old);
		__atomic_store_n(at, 0, __ATOMIC_SEQ_CST);
		status = GNTST_okay;
	}
	domain_unlock(owner);
	return status;
}
