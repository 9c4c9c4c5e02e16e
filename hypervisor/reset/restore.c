/* SPDX-License-Identifier: MIT */
/* A reset, a bounded piece at a time: fence, release, copy, resume (reset/reset.h: R1 to R4). */
#include "reset/reset.h"

#include "cpu/entry.h"
#include "domain/domctl.h"
#include "event/event.h"
#include "grant/grant.h"
#include "mem/table.h"
#include "pci/pci.h"

/* ---- page tables: the vcpu does not run, and its TLB entries are gone, so an entry is simply another ---- */

/* Most are a mapping where there was none. */
static void entry_undo(struct domain *domain, struct frame *table, pte_t *at, pte_t clean, bool is_flushed)
{
	pte_t old = read_once(at);

	entry_fold(old);
	if (unlikely(clean & PTE_PRESENT)) {
		pte_t entry = clean;

		/* It held these references at ready; a device that Dom0 has taken away since is all that can be missing. */
		if (entry_keeps_references(FRAME_L1, old, clean))
			old = 0;
		else
			clean = entry_take(table, FRAME_L1, domain, &entry) ? 0 : entry;
	}
	write_once(at, clean);
	entry_release(table, FRAME_L1, old, &is_flushed);
}

static void table_undo(struct domain *domain, const struct reset_table *table)
{
	struct domain_locked locked = domain_lock(domain);
	struct frame *frame = frame_of(mfn(table->number));
	pte_t *entry = table_entries(frame);
	const pte_t *clean = mfn_to_virt(mfn(table->clean));
	bool is_flushed = !read_once(&domain->dirty_cpus);	/* T5: nobody has entries */

	for (uint32_t i = 0, first; (first = i = page_difference(entry, clean, i)) < TABLE_ENTRIES; domain->reset->info.entries_undone += i - first)
		do
			entry_undo(domain, frame, &entry[i], clean[i], is_flushed);
		while (++i < TABLE_ENTRIES && entry[i] != clean[i]);
	if (table->is_quiet)
		frame_watch(frame);
	domain_unlock(locked);
}

static int tables_undo(struct domain *domain)
{
	struct reset *reset = domain->reset;

	for (bool is_first = true; reset->next < reset->table_count; reset->next++) {
		if (frame_is_watched(frame_of(mfn(reset->table[reset->next].number))))
			continue;	/* R6 */
		if (!is_first && preempt_needed())
			return -ERESTART;
		table_undo(domain, &reset->table[reset->next]);
		is_first = false;
	}
	reset->next = 0;
	return 0;
}

/* ---- frames ---- */

static int frames_restore(struct reset *reset)
{
	for (uint32_t copies = 1; reset->restoring; copies++) {
		const struct reset_frame *slot = &reset->frame[reset->restoring - 1];
		void *page = mfn_to_virt(mfn(slot->number));

		reset->restoring = slot->next;
		frame_watch(frame_of(mfn(slot->number)));	/* R3: others may write to it while this copies */
		reset_note_shared(reset, slot);
		if (slot->clean)
			page_copy(page, mfn_to_virt(mfn(slot->clean)));
		else
			page_clear(page);
		reset->info.frames_copied++;
		if (copies % COPIES_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
	}
	return 0;
}

/* ---- the vcpu ---- */

static void vcpu_restore(struct vcpu *vcpu)
{
	struct reset *reset = vcpu->domain->reset;

	event_forget(vcpu->domain, reset->events_masked);
	vcpu->regs = reset->regs;
	vcpu->regs.rax = ++reset->info.generation;
	memcpy((char *)vcpu + VCPU_SAVED_FROM, reset->vcpu, sizeof(reset->vcpu));
	if (vcpu == current_vcpu())
		switch_enter_current(vcpu);
}

static int resume(struct domain *domain)
{
	struct reset *reset = domain->reset;
	struct vcpu *vcpu = domain->vcpu[0];
	int error = pci_pool_is_there(domain);

	/* First: its watchdog may just be shutting it down. */
	sched_vcpu_forget(vcpu);
	reset->phase = RESET_FENCE;
	__atomic_store_n(&vcpu->work, 0, __ATOMIC_SEQ_CST);
	write_once(&domain->is_shut_down, false);
	store_release(&domain->shutdown_reason, SHUTDOWN_NONE);
	if (error) {
		store_release(&reset->state, SKINK_DRIVER_SERVING);
		domain_crash(domain, "its devices cannot be attached again: error %d", error);
		return -EIO;
	}
	vcpu_restore(vcpu);
	reset->info.resume_ns = time_now_ns();
	store_release(&reset->state, SKINK_DRIVER_SERVING);
	sched_vcpu_kick(vcpu);
	sched_vcpu_update(vcpu);
	sched_vcpu_hurry(vcpu, RESET_BORROWS_US);
	reset_tell_host();
	return 0;
}

/* ---- all of it ---- */

int reset_step(struct domain *domain)
{
	struct reset *reset = domain->reset;

	if (load_acquire(&reset->state) != SKINK_DRIVER_RESETTING)
		return 0;
	if (domain->vcpu[0] == current_vcpu())
		switch_leave_current(domain->vcpu[0]);
	switch (reset->phase) {
	case RESET_FENCE:		/* R1 */
		reset->info.begin_ns = time_now_ns();
		pci_domain_fence(domain);
		reset->info.fence_ns = time_now_ns();
		reset->phase = RESET_TABLES;
		FALLTHROUGH;
	case RESET_TABLES:
		if (tables_undo(domain))
			return -ERESTART;
		reset->phase = RESET_GRANTS;
		FALLTHROUGH;
	case RESET_GRANTS:		/* after the entries: a lender that gets its frame back finds that nobody maps it */
		if (grant_release_all(domain, &reset->info.grants_released))
			return -ERESTART;
		/* All that have changed until now. Of what changes from here on the next reset hears. */
		spin_lock(&reset->lock);
		reset->restoring = reset->changed;
		reset->changed = 0;
		spin_unlock(&reset->lock);
		reset->phase = RESET_FRAMES;
		FALLTHROUGH;
	case RESET_FRAMES:
		if (frames_restore(reset))
			return -ERESTART;
		reset->info.copy_ns = time_now_ns();
	}
	return resume(domain);
}

/* Dom0 may hold the lock, and wait for this vcpu to leave its CPU. */
void reset_continue(struct vcpu *vcpu)
{
	if (domctl_try_lock()) {
		if (reset_step(vcpu->domain) == 0)
			__atomic_fetch_and(&vcpu->work, ~(uint64_t)VCPU_WORK_RESET, __ATOMIC_SEQ_CST);
		domctl_unlock();
	}
	(void)preempt_needed();		/* others run now, if they must */
}
