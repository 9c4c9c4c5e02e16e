/* SPDX-License-Identifier: MIT */
/* mmu_update, update_va_mapping, and the guest's own writes to its tables. */
#include "mem/update.h"

#include "cpu/cpu.h"
#include "cpu/directmap.h"
#include "cpu/tlb.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"
#include "include/types.h"
#include "lib/bits.h"
#include "mem/frame.h"
#include "mem/m2p.h"
#include "mem/table.h"

#define BATCH_CONTINUES	(1U << 31)	/* in `count`: this call goes on where an earlier one stopped */
/* If nothing but these changes in an L1 entry, the references stay as they are. */
#define NO_REFERENCE_BITS	(PTE_ACCESSED | PTE_DIRTY | PTE_AVAIL | PTE_NO_EXECUTE | PTE_USER)

static pte_t *entry_of(const struct frame *table, uint32_t index)
{
	return (pte_t *)mfn_to_virt(frame_number(table)) + index;
}

/* Puts `entry` in place of what is there; `*old` is what was. False if a comparison failed. */
static bool entry_exchange(struct entry_change *change, pte_t *at, pte_t entry, pte_t *old)
{
	pte_t wanted = entry;

	*old = read_once(at);
	do {
		if (change->compares && *old != change->expected)
			return false;
		if (change->keeps_ad && (entry & PTE_PRESENT))
			wanted = entry | (*old & (PTE_ACCESSED | PTE_DIRTY));
	} while (!__atomic_compare_exchange_n(at, old, wanted, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	return true;
}

static bool keeps_references(enum frame_type level, pte_t old, pte_t new)
{
	return level == FRAME_L1 && (old & PTE_PRESENT) && !((old ^ new) & ~NO_REFERENCE_BITS);
}

int entry_change(struct domain_locked owner, struct entry_change *change, pte_t entry)
{
	enum frame_type level = frame_type_of(change->table->type);
	pte_t *at = entry_of(change->table, change->index);
	pte_t old = read_once(at), unused;
	int error;

	if (level == FRAME_L4 && change->index >= L4_CORE_FIRST && change->index < L4_CORE_END)
		return -EINVAL;
	if (change->compares && old != change->expected)
		return -EAGAIN;
	if (keeps_references(level, old, entry)) {
		entry |= PTE_USER;
		return entry_exchange(change, at, entry, &unused) ? 0 : -EAGAIN;
	}
	error = entry_take(change->table, level, change->source, &entry);
	if (error)
		return error;
	if (!entry_exchange(change, at, entry, &old)) {
		entry_drop(change->table, level, entry);
		return -EAGAIN;
	}
	entry_drop(change->table, level, old);
	account_charge(owner.domain, ACCOUNT_PAGE_TABLE_UPDATES, 1);
	return 0;
}

/* ---- mmu_update ---- */

long batch_run(const struct batch *batch)
{
	uint32_t done = 0, left = batch->count & ~BATCH_CONTINUES, i;
	uint64_t address = batch->address;
	int error = 0;

	if ((batch->count & BATCH_CONTINUES) && guest_read(&done, batch->done_address, sizeof(done)))
		return -EFAULT;
	for (i = 0; i < left; i++, address += batch->entry_bytes) {
		bool stops = i && i % batch->preempt_every == 0 && preempt_needed();

		error = stops ? -ERESTART : batch->one(batch, address);
		if (error)
			break;
	}
	done += i;
	if (batch->done_address && guest_write(batch->done_address, &done, sizeof(done)) && !error)
		error = -EFAULT;
	if (error != -ERESTART)
		return error;
	return hypercall_continue(batch->hypercall, 4, address,
				  (uint64_t)((left - i) | (batch->done_address ? BATCH_CONTINUES : 0)),
				  batch->done_address, batch->domain);
}

static int update_table(struct domain_locked owner, const struct batch *batch, struct frame *frame,
			const struct mmu_update *request, uint32_t command)
{
	struct entry_change change = {
		.table = frame, .index = (request->ptr & ~PAGE_MASK) / 8, .source = batch->source,
		.keeps_ad = command == MMU_PT_UPDATE_PRESERVE_AD,
	};
	uint64_t word = load_acquire(&frame->type);
	int error;

	if ((word & FRAME_VALIDATED) && frame_type_of(word) >= FRAME_L1 && frame_type_of(word) <= FRAME_L4)
		return entry_change(owner, &change, request->val);

	/* Not a table: an ordinary word of the domain's. */
	error = frame_get_type(frame, FRAME_WRITABLE);
	if (error)
		return error == -ERESTART ? error : -EINVAL;
	write_once(entry_of(frame, change.index), request->val);
	frame_put_type(frame);
	return 0;
}

static int update_one(const struct batch *batch, uint64_t address)
{
	struct domain_locked owner = { batch->tables };
	struct mmu_update request;
	struct frame *frame;
	uint32_t command;
	int error = 0;

	if (guest_read(&request, address, sizeof(request)))
		return -EFAULT;
	command = request.ptr & 3;
	frame = frame_get(paddr_to_mfn(request.ptr), command == MMU_MACHPHYS_UPDATE ? batch->source : batch->tables);
	if (!frame)
		return -EINVAL;
	if (command == MMU_MACHPHYS_UPDATE)
		m2p_set(frame_number(frame), gfn(request.val));
	else
		error = request.ptr & 4 ? -EINVAL : update_table(owner, batch, frame, &request, command);
	frame_put(frame);
	return error;
}

/* `domain`: low 16 bits whose frames, high 16 bits whose tables, plus 1, 0 for the caller's own. */
long do_mmu_update(uint64_t requests, uint64_t count, uint64_t done_address, uint64_t domain)
{
	struct batch batch = {
		.hypercall = __HYPERVISOR_mmu_update, .one = update_one, .address = requests,
		.entry_bytes = sizeof(struct mmu_update), .count = (uint32_t)count, .preempt_every = 32,
		.done_address = done_address, .domain = domain,
	};
	uint32_t tables = domain >> 16 & 0xffff;
	struct domain_locked owner;
	long result = domain_get_managed((domid_t)domain, &batch.source);

	if (result)
		return result;
	result = domain_get_managed(tables ? (domid_t)(tables - 1) : DOMID_SELF, &batch.tables);
	if (!result) {
		owner = domain_lock(batch.tables);
		result = batch.tables->is_dying ? -ESRCH : batch_run(&batch);	/* D2 */
		domain_unlock(owner);
		domain_put(batch.tables);
	}
	domain_put(batch.source);
	return result;
}

/* ---- update_va_mapping ---- */

bool l1_find(struct domain_locked owner, const struct vcpu *vcpu, uint64_t va, struct frame **table, uint32_t *index)
{
	mfn_t number = vcpu->table_kernel;

	if (!guest_range_ok(va, 1) || number.raw == 0)
		return false;
	for (unsigned int level = FRAME_L4; ; level--) {
		pte_t entry;

		*table = frame_at(number);
		*index = va >> (12 + 9 * (level - 1)) & 511;
		if (!*table || frame_type_of((*table)->type) != level || (*table)->owner != owner.domain->id)
			return false;
		if (level == FRAME_L1)
			return true;
		entry = read_once(entry_of(*table, *index));
		if (!(entry & PTE_PRESENT))
			return false;
		number = pte_frame(entry);
	}
}

int vcpus_to_cpus(const struct domain *domain, uint64_t address, cpumask_t *cpus)
{
	uint32_t id, bytes = (domain->vcpu_max + 7) / 8;
	uint64_t mask = 0;

	*cpus = 0;
	if (guest_read(&mask, address, bytes))
		return -EFAULT;
	bits_each(id, mask & ((1ULL << domain->vcpu_max) - 1))
		if (read_once(&domain->vcpu[id]->is_running))
			*cpus |= 1ULL << domain->vcpu[id]->cpu->id;
	*cpus &= read_once(&domain->dirty_cpus);
	return 0;
}

int flush_as_asked(struct vcpu *vcpu, uint64_t va, uint64_t flags)
{
	uint64_t kind = flags & UVMF_FLUSHTYPE_MASK, where = flags & ~UVMF_FLUSHTYPE_MASK;
	uint64_t what = kind == UVMF_INVLPG ? va : TLB_ALL_PAGES;
	cpumask_t cpus = read_once(&vcpu->domain->dirty_cpus);

	if (kind == UVMF_NONE)
		return 0;
	if (kind != UVMF_TLB_FLUSH && kind != UVMF_INVLPG)
		return -ENOSYS;
	/* UVMF_LOCAL and UVMF_MULTI are the same bits: a pointer of 0 is "here". */
	if (where == UVMF_LOCAL)
		cpus = 1ULL << cpu_id();
	else if (where != UVMF_ALL && vcpus_to_cpus(vcpu->domain, where, &cpus))
		return -EFAULT;
	tlb_flush(cpus, what);
	return 0;
}

static long update_va(uint64_t va, pte_t entry, uint64_t flags, struct domain *source)
{
	struct vcpu *vcpu = current_vcpu();
	struct entry_change change = { .source = source };
	struct domain_locked owner = domain_lock(vcpu->domain);
	int error = -EINVAL;

	if (l1_find(owner, vcpu, va, &change.table, &change.index))
		error = entry_change(owner, &change, entry);
	domain_unlock(owner);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_update_va_mapping_otherdomain, 4, va, entry, flags,
					  (uint64_t)source->id);
	return error ? error : flush_as_asked(vcpu, va, flags);
}

long do_update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags)
{
	return update_va(va, entry, flags, current_vcpu()->domain);
}

long do_update_va_mapping_otherdomain(uint64_t va, uint64_t entry, uint64_t flags, uint64_t domain)
{
	struct domain *source;
	long result = domain_get_managed((domid_t)domain, &source);

	if (!result) {
		result = update_va(va, entry, flags, source);
		domain_put(source);
	}
	return result;
}

/* ---- a guest's own writes ---- */

bool mmu_walk(struct vcpu *vcpu, uint64_t va, pte_t *l1_entry)
{
	struct domain_locked owner = domain_lock(vcpu->domain);
	struct frame *table;
	uint32_t index;
	bool found = l1_find(owner, vcpu, va, &table, &index);

	if (found)
		*l1_entry = read_once(entry_of(table, index));
	domain_unlock(owner);
	return found && (*l1_entry & PTE_PRESENT);
}

/* `bytes` of `word` at `offset` replaced. */
static uint64_t word_merge(uint64_t word, uint64_t value, unsigned int offset, unsigned int bytes)
{
	uint64_t mask = (bytes == 8 ? ~0ULL : (1ULL << bytes * 8) - 1) << offset * 8;

	return (word & ~mask) | (value << offset * 8 & mask);
}

static int emulate_write(struct domain_locked owner, struct vcpu *vcpu, uint64_t va, uint64_t value,
			 unsigned int bytes, uint64_t *expected)
{
	struct entry_change change = { .source = vcpu->domain, .index = (va & ~PAGE_MASK) / 8, .compares = true };
	unsigned int offset = va & 7;
	struct frame *mapper;
	uint32_t index;
	uint64_t word;
	pte_t entry;
	int error;

	if (!l1_find(owner, vcpu, va, &mapper, &index))
		return -EAGAIN;
	entry = read_once(entry_of(mapper, index));
	change.table = frame_at(pte_frame(entry));
	if (!(entry & PTE_PRESENT) || !change.table || change.table->owner != owner.domain->id)
		return -EAGAIN;
	word = load_acquire(&change.table->type);
	if (!(word & FRAME_VALIDATED) || frame_type_of(word) < FRAME_L1 || frame_type_of(word) > FRAME_L4)
		return -EAGAIN;

	do {
		word = read_once(entry_of(change.table, change.index));
		change.expected = word;
		if (expected && word_merge(word, *expected, offset, bytes) != word) {
			*expected = word >> offset * 8;
			return -EBUSY;
		}
		error = entry_change(owner, &change, word_merge(word, value, offset, bytes));
	} while (error == -EAGAIN);
	if (error == -ERESTART)
		return -EBUSY;
	return error ? -EPERM : 0;
}

int mmu_emulate_write(struct vcpu *vcpu, uint64_t va, uint64_t value, unsigned int bytes, uint64_t *expected)
{
	struct domain_locked owner;
	int error;

	if ((va & 7) + bytes > 8)
		return -EAGAIN;
	owner = domain_lock(vcpu->domain);
	error = emulate_write(owner, vcpu, va, value, bytes, expected);
	domain_unlock(owner);
	return error;
}
