/* SPDX-License-Identifier: MIT */
/* A driver domain is declared, says ready, and its frames are counted and copied (reset/reset.h). */
#include "reset/reset.h"

#include "cpu/entry.h"
#include "cpu/tlb.h"
#include "domain/hypercall.h"
#include "event/event.h"
#include "mem/table.h"

/* ---- which frame is what ---- */

static bool regions_ok(const struct driver_frames *region, uint32_t count, uint32_t first, uint32_t last)
{
	for (uint32_t i = 0; i < count; i++)
		if (region[i].frame_class < first || region[i].frame_class > last ||
		    region[i].pfn + region[i].pages < region[i].pfn)
			return false;
	return true;
}

/* What was said before stays, unless it is all said anew: first Dom0 speaks, then the domain. page_list_lock is held. */
static void classify(struct domain *domain, const struct driver_frames *region, uint32_t count, bool is_anew)
{
	const uint64_t kept = is_anew ? ~FRAME_CLASS_MASK : UINT64_MAX;

	for (uint32_t i = domain->page_list; i != FRAME_LINK_NONE; i = frame_of(mfn(i))->next) {
		uint64_t pfn = m2p_get(mfn(i)).raw;

		__atomic_fetch_and(&frame_of(mfn(i))->count, kept, __ATOMIC_SEQ_CST);
		for (uint32_t n = 0; n < count; n++)
			if (pfn - region[n].pfn < region[n].pages && !frame_class_of(frame_of(mfn(i))))
				__atomic_fetch_or(&frame_of(mfn(i))->count,
						  (uint64_t)region[n].frame_class << FRAME_CLASS_SHIFT, __ATOMIC_SEQ_CST);
	}
}

int reset_declare(struct domain *domain, const struct skink_domctl_driver *wanted)
{
	struct vcpu_runstate_info runstate;
	struct reset *reset = domain->reset;

	if (reset && reset->is_declared)
		return -EEXIST;
	if (domain == domain_zero || domain->vcpu_max != 1 || wanted->region_count > SKINK_DRIVER_REGIONS ||
	    !regions_ok(wanted->region, wanted->region_count, DRIVER_SCRATCH, DRIVER_HOST))
		return -EINVAL;
	if (wanted->clean_max > SKINK_DRIVER_CLEAN_MAX || read_once(&domain->frame_count) > SKINK_DRIVER_FRAMES_MAX)
		return -E2BIG;
	sched_get_runstate(domain->vcpu[0], &runstate);
	if (!read_once(&domain->pause_count) || (!reset && runstate.time[RUNSTATE_running]))
		return -EBUSY;
	if (!reset)
		reset = heap_alloc(sizeof(*reset));
	if (!reset)
		return -ENOMEM;
	reset->clean_max = wanted->clean_max;
	reset->is_declared = true;
	spin_lock(&domain->page_list_lock);
	classify(domain, wanted->region, wanted->region_count, true);
	spin_unlock(&domain->page_list_lock);
	domain->reset = reset;
	return 0;
}

/* ---- changed frames ---- */

/* Memory comes in long runs of frames, which must not make runs of slots: two of them would be looked through from end to end. */
static uint32_t first_slot(const struct reset *reset, mfn_t number)
{
	return (uint32_t)number.raw * 0x9e3779b1u >> (32 - bit_lowest(reset->slot_count));
}

struct reset_frame *reset_find(const struct reset *reset, mfn_t number)
{
	uint32_t mask = reset->slot_count - 1;

	for (uint32_t i = first_slot(reset, number); reset->frame && reset->frame[i].number; i = (i + 1) & mask)
		if (reset->frame[i].number == number.raw)
			return &reset->frame[i];
	return NULL;
}

/* R3, R6: a table has no slot. With the lock, so that to nobody it is neither watched nor in the list. */
NOINLINE void frame_note_change(struct frame *frame)
{
	struct reset *reset = domain_find(frame->owner)->reset;
	struct reset_frame *slot;

	spin_lock(&reset->lock);
	slot = frame_unwatch(frame) ? reset_find(reset, frame_number(frame)) : NULL;
	if (slot) {
		slot->next = reset->changed;
		reset->changed = (uint32_t)(slot - reset->frame) + 1;
	}
	spin_unlock(&reset->lock);
}

NOINLINE int frame_may_write(struct frame *frame)
{
	if (frame_class_of(frame) == DRIVER_HOST && !current_vcpu()->domain->is_privileged)
		return -EPERM;		/* R5 */
	frame_touch(frame);
	return 0;
}

/* ---- ready ---- */

/* Page tables but L1, and tables of descriptors: they stay what they are, and as they are (R2). */
static bool is_frozen(uint64_t type) { return (type & FRAME_TYPE_COUNT_MASK) && frame_type_of(type) != FRAME_WRITABLE; }

static void slot_take(struct reset *reset, struct frame *frame)
{
	uint32_t i = first_slot(reset, frame_number(frame));

	while (reset->frame[i].number)
		i = (i + 1) & (reset->slot_count - 1);
	reset->frame[i].number = (uint32_t)frame_number(frame).raw;
	reset->info.frames_restored++;
	frame_watch(frame);
}

/*
 * Each restored frame gets a slot, and a reference: it is not freed while it has one. page_list_lock is held; whoever has dropped a
 * frame's last reference may be waiting for it.
 */
static int collect(struct domain *domain)
{
	struct reset *reset = domain->reset;

	for (uint32_t i = domain->page_list; i != FRAME_LINK_NONE; i = frame_of(mfn(i))->next) {
		struct frame *frame = frame_of(mfn(i));
		uint64_t type = read_once(&frame->type);

		if (type & (FRAME_PARTIAL | FRAME_DEFERRED))
			return -EBUSY;
		if (!is_frozen(type)) {
			if (frame_class_of(frame) == DRIVER_RESTORED && reset->info.frames_restored < reset->slot_count / 2 &&
			    frame_get(mfn(i), domain))
				slot_take(reset, frame);
		} else if (frame_is_table(frame) && frame_type_of(type) == FRAME_L1) {
			if (reset->table_count == RESET_TABLES_MAX)
				return -E2BIG;
			reset->table[reset->table_count++].number = i;
		}
	}
	return 0;
}

static int begin(struct domain *domain, uint64_t argument)
{
	struct reset *reset = domain->reset;
	struct driver_ready ready;
	int error;

	if (guest_read(&ready, argument, sizeof(ready)))
		return -EFAULT;
	/* Without upcalls the guest runs nothing else until this is done. */
	if (ready.version != DRIVER_VERSION || ready.region_count > DRIVER_READY_REGIONS ||
	    !regions_ok(ready.region, ready.region_count, DRIVER_SCRATCH, DRIVER_PRESERVED) ||
	    !read_once(&domain->vcpu[0]->info->evtchn_upcall_mask))
		return -EINVAL;
	if (read_once(&domain->frame_count) > SKINK_DRIVER_FRAMES_MAX)
		return -E2BIG;
	for (reset->slot_count = 2; reset->slot_count < 2 * read_once(&domain->frame_count); reset->slot_count *= 2)
		;
	reset->frame = heap_alloc(reset->slot_count * sizeof(*reset->frame));
	if (!reset->frame)
		return -ENOMEM;
	write_once(&domain->is_frozen, true);
	spin_lock(&domain->page_list_lock);
	classify(domain, ready.region, ready.region_count, false);
	error = collect(domain);
	spin_unlock(&domain->page_list_lock);
	return error;
}

static bool is_zero(const uint64_t *page)
{
	uint32_t i = 0;

	while (i < PAGE_SIZE / sizeof(*page) && !page[i])
		i++;
	return i == PAGE_SIZE / sizeof(*page);
}

static int clean_alloc(struct reset *reset, uint32_t *clean)
{
	mfn_t copy = reset->clean_count < reset->clean_max ? frame_alloc(0) : MFN_NONE;

	if (mfn_is(copy, MFN_NONE))
		return -ENOMEM;
	reset->clean_count++;
	*clean = (uint32_t)copy.raw;
	return 0;
}

static int copy_frames(struct reset *reset)
{
	int error = 0;

	for (uint32_t copies = 0; reset->next < reset->slot_count && !error; reset->next++) {
		struct reset_frame *slot = &reset->frame[reset->next];

		if (!slot->number)
			continue;
		if (++copies % COPIES_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
		if (is_zero(mfn_to_virt(mfn(slot->number))))
			continue;
		error = clean_alloc(reset, &slot->clean);
		if (!error)
			page_copy(mfn_to_virt(mfn(slot->clean)), mfn_to_virt(mfn(slot->number)));
	}
	return error;
}

/*
 * What an entry is in a clean table, and from now on in the guest's: accessed; not dirty if its frame is restored, and dirty if
 * it is not, so that after a while only those differ of which a reset must know. Another's frame is not restored: 0.
 */
static int entry_clean(struct domain *domain, pte_t *entry, pte_t *clean)
{
	struct frame *frame = *entry & PTE_DEVICE ? NULL : frame_of(pte_frame(*entry));
	struct reset_frame *slot = NULL;

	*clean = *entry;
	if (!(*entry & PTE_PRESENT))
		return 0;
	if (frame && frame->owner == domain->id) {
		if ((*entry & PTE_WRITABLE) && frame_class_of(frame) == DRIVER_HOST)
			return -EBUSY;		/* R5 */
		slot = reset_find(domain->reset, pte_frame(*entry));
	}
	if (slot && (*entry & PTE_WRITABLE))
		slot->writers++;
	*entry = slot ? (*entry | PTE_ACCESSED) & ~PTE_DIRTY : *entry | PTE_ACCESSED | PTE_DIRTY;
	*clean = frame && frame->owner != domain->id ? 0 : *entry;
	return 0;
}

static int copy_table(struct domain *domain, struct reset_table *table)
{
	pte_t *entry = mfn_to_virt(mfn(table->number)), *clean;
	int error = clean_alloc(domain->reset, &table->clean);

	if (error)
		return error;
	clean = mfn_to_virt(mfn(table->clean));
	table->is_quiet = true;
	for (uint32_t i = 0; i < TABLE_ENTRIES && !error; i++) {
		error = entry_clean(domain, &entry[i], &clean[i]);
		table->is_quiet &= entry[i] == clean[i] && !((entry[i] & PTE_PRESENT) && (entry[i] & (PTE_WRITABLE | PTE_DIRTY)) == PTE_WRITABLE);
	}
	if (table->is_quiet && !error)
		frame_watch(frame_of(mfn(table->number)));
	return error;
}

/* R4: more may write to it than the entries that were counted. */
void reset_note_shared(struct reset *reset, const struct reset_frame *slot)
{
	struct frame *frame = frame_of(mfn(slot->number));
	uint64_t type = read_once(&frame->type);

	if (frame_type_of(type) == FRAME_WRITABLE && (type & FRAME_TYPE_COUNT_MASK) != slot->writers)
		frame_touch(frame);
}

static int copy_all(struct domain *domain)
{
	struct reset *reset = domain->reset;
	struct domain_locked locked;
	int error = copy_frames(reset);

	if (error)
		return error;
	locked = domain_lock(domain);
	for (uint32_t i = 0; i < reset->table_count && !error; i++)
		error = copy_table(domain, &reset->table[i]);
	domain_unlock(locked);
	tlb_flush(read_once(&domain->dirty_cpus), TLB_ALL_PAGES);
	for (uint32_t i = 0; i < reset->slot_count && !error; i++)
		if (reset->frame[i].number)
			reset_note_shared(reset, &reset->frame[i]);
	return error;
}

/* It can be tried again. */
static void take_back(struct domain *domain)
{
	while (reset_release(domain))
		;
	write_once(&domain->is_frozen, false);
}

static void save(struct vcpu *vcpu)
{
	struct reset *reset = vcpu->domain->reset;
	const shared_info_t *shared = vcpu->domain->shared_info;

	switch_save_current(vcpu);
	reset->regs = vcpu->regs;
	reset->regs.entry_vector = 0;
	memcpy(reset->vcpu, (const char *)vcpu + VCPU_SAVED_FROM, sizeof(reset->vcpu));
	memcpy(reset->events_masked, shared->evtchn_mask, sizeof(reset->events_masked));
	event_keep_all(vcpu->domain, reset->info.generation == 0);
}

long do_driver_op(uint64_t argument)
{
	struct vcpu *vcpu = current_vcpu();
	struct reset *reset = vcpu->domain->reset;
	int error = 0;

	if (!reset)
		return -ENOSYS;
	if (vcpu->multicall)
		return -EINVAL;
	if (read_once(&reset->state) != SKINK_DRIVER_STARTING)
		return -EBUSY;
	/* A table that is half taken apart is neither a table nor memory: first the exit path. */
	if (!vcpu->deferred_tables && !reset->frame)
		error = begin(vcpu->domain, argument);
	if (!vcpu->deferred_tables && !error)
		error = copy_all(vcpu->domain);
	if (vcpu->deferred_tables || error == -ERESTART)
		return hypercall_continue(DRIVER_HYPERCALL, 0);
	if (error) {
		take_back(vcpu->domain);
		return error;
	}
	save(vcpu);
	reset->next = 0;
	reset->info.frames_clean = reset->clean_count;
	store_release(&reset->state, SKINK_DRIVER_SERVING);
	reset_tell_host();
	return 0;
}

/* ---- the end ---- */

static void clean_free(struct reset *reset, uint32_t *clean)
{
	if (*clean) {
		frame_free(mfn(*clean), 0);
		reset->clean_count--;
	}
	*clean = 0;
}

static void slot_free(struct reset *reset, struct reset_frame *slot)
{
	struct frame *frame = frame_of(mfn(slot->number));

	frame_unwatch(frame);
	clean_free(reset, &slot->clean);
	frame_put(frame);
}

int reset_release(struct domain *domain)
{
	struct reset *reset = domain->reset;
	struct reset_frame *all;

	if (!reset || !reset->frame)
		return 0;
	for (uint32_t freed = 0; reset->released < reset->slot_count; reset->released++) {
		if (!reset->frame[reset->released].number)
			continue;
		if (++freed % COPIES_AT_ONCE == 0 && preempt_needed())
			return -ERESTART;
		slot_free(reset, &reset->frame[reset->released]);
	}
	for (; reset->table_count; reset->table_count--) {
		frame_unwatch(frame_of(mfn(reset->table[reset->table_count - 1].number)));
		clean_free(reset, &reset->table[reset->table_count - 1].clean);
	}
	reset->info.frames_restored = reset->next = reset->released = 0;
	spin_lock(&reset->lock);
	all = reset->frame;
	reset->frame = NULL;
	reset->changed = reset->restoring = 0;
	spin_unlock(&reset->lock);
	heap_free(all);
	return 0;
}

void reset_free(struct domain *domain) { heap_free(domain->reset); }
