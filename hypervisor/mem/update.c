/* SPDX-License-Identifier: MIT */
/* mmu_update, update_va_mapping, and the guest's own writes to its tables. */
#include "mem/update.h"

#include "cpu/tlb.h"
#include "mem/pagelist.h"
#include "mem/table.h"

/* An entry in place of whatever is there. With `keeps_ad` accessed and dirty stay as the CPU has set them. */
static int entry_write(struct domain_locked owner, struct frame *table, pte_t *at, const struct domain *source, pte_t entry, bool keeps_ad)
{
	pte_t kept_bits = keeps_ad && (entry & PTE_PRESENT) ? PTE_ACCESSED | PTE_DIRTY : 0;
	int error;

	do {
		pte_t old = read_once(at);

		error = entry_replace(owner, table, at, source, old, entry | (old & kept_bits));
	} while (error == -EAGAIN);
	return error;
}

/* ---- mmu_update ---- */

static NOINLINE int update_machphys(struct domain *source, paddr_t place, uint64_t value)
{
	if (source->is_frozen)
		return -EPERM;
	return frame_name(paddr_to_mfn(place), source, gfn(value)) ? 0 : -EINVAL;
}

/* Not a table's: an ordinary word of the domain's. */
static NOINLINE int update_word(struct domain_locked owner, paddr_t place, uint64_t value)
{
	struct frame *frame;
	int error = frame_get_as(paddr_to_mfn(place), owner.domain, FRAME_WRITABLE, &frame);

	if (error)
		return error == -ERESTART ? error : -EINVAL;
	write_once((uint64_t *)paddr_to_virt(place), value);
	frame_put_as(frame, FRAME_WRITABLE);
	return 0;
}

static inline int update(struct domain_locked owner, struct domain *source, struct mmu_update request)
{
	uint32_t command = request.ptr % sizeof(pte_t);
	paddr_t place = request.ptr - command;
	struct frame *table;

	if (command == MMU_MACHPHYS_UPDATE)
		return update_machphys(source, place, request.val);
	if (command > MMU_PT_UPDATE_NO_TRANSLATE)
		return -EINVAL;
	table = frame_table_of(owner, paddr_to_mfn(place));
	if (unlikely(!table))
		return update_word(owner, place, request.val);
	return entry_write(owner, table, paddr_to_virt(place), source, request.val, command == MMU_PT_UPDATE_PRESERVE_AD);
}

static int update_one(const struct batch *batch, const void *request)
{
	return update((struct domain_locked){ batch->tables }, batch->source, *(const struct mmu_update *)request);
}

/* `domain`: low 16 bits whose frames, high 16 bits whose tables, plus 1, 0 for the caller's own. */
FLATTEN long do_mmu_update(uint64_t requests, uint64_t count, uint64_t done_address, uint64_t domain)
{
	struct domain *source = current_vcpu()->domain, *tables = source;
	bool names_own = (domid_t)domain == DOMID_SELF;
	uint32_t others = domain >> 16 & 0xffff;
	struct domain_locked owner;
	long result = names_own ? 0 : domain_get_managed((domid_t)domain, &source);

	if (result)
		return result;
	if (others)
		result = domain_get_managed((domid_t)(others - 1), &tables);
	if (!result) {
		const struct batch batch = {
			.hypercall = __HYPERVISOR_mmu_update, .address = requests, .entry_bytes = sizeof(struct mmu_update), .count = (uint32_t)count,
			.at_once = 32, .done_address = done_address, .domain = domain, .tables = tables, .source = source,
		};

		owner = domain_lock(tables);
		if (source != tables && tables != current_vcpu()->domain)
			result = -EPERM;	/* a guest maps nobody else's frames but by a grant */
		else
			result = tables->is_dying ? -ESRCH : batch_run(&batch, update_one);	/* D2 */
		domain_unlock(owner);
		if (others)
			domain_put(tables);
	}
	if (!names_own)
		domain_put(source);
	return result;
}

/* By far the most have one request, of the caller's own tables, and nobody asks how many were done. What is not over then begins again among the others. */
static bool update_alone(struct domain *own, const struct cpu_user_regs *regs, int *error)
{
	struct domain_locked owner;
	struct mmu_update request;

	if (regs->rsi != 1 || regs->rdx || regs->r10 != DOMID_SELF || !guest_read_two(&request.ptr, &request.val, regs->rdi))
		return false;
	owner = domain_lock(own);
	*error = own->is_dying ? -ERESTART : update(owner, own, request);
	domain_unlock(owner);
	return *error != -ERESTART;
}

FLATTEN void hypercall_mmu_update(struct vcpu *vcpu)
{
	struct cpu_user_regs *regs = &vcpu->regs;
	int error;

	account_charge(vcpu->domain, ACCOUNT_HYPERCALLS, 1);
	if (likely(update_alone(vcpu->domain, regs, &error)))
		regs->rax = (uint64_t)error;
	else
		regs->rax = (uint64_t)do_mmu_update(regs->rdi, regs->rsi, regs->rdx, regs->r10);
}

/* ---- update_va_mapping ---- */

/* The entry of `level` for `va` in the table that the one above leads to; NULL if it leads to none. */
static inline pte_t *entry_below(const pte_t *above, uint64_t va, unsigned int level)
{
	pte_t entry = read_once(above);

	return entry & PTE_PRESENT ? (pte_t *)paddr_to_virt(entry & PTE_ADDRESS) + (va >> (3 + 9 * level) & 511) : NULL;
}

/* No level needs a check: a base pointer's table is validated, and so is all below it (F2, T2, T4). */
pte_t *entry_for(struct domain_locked owner, const struct vcpu *vcpu, uint64_t va)
{
	pte_t above = mfn_to_paddr(vcpu->table_kernel) | PTE_PRESENT, *at;

	if (!guest_range_ok(va, 1) || above == PTE_PRESENT)
		return NULL;
	if (!(at = entry_below(&above, va, 4)) || !(at = entry_below(at, va, 3)) || !(at = entry_below(at, va, 2)))
		return NULL;
	return entry_below(at, va, 1);
}

int flush_where(struct vcpu *vcpu, enum flush_scope scope, uint64_t mask_address, uint64_t what)
{
	const struct domain *domain = vcpu->domain;
	cpumask_t cpus = 1ULL << cpu_id();
	uint64_t mask = 0;
	uint32_t id;

	if (scope != FLUSH_HERE)
		cpus = read_once(&domain->dirty_cpus);
	if (scope == FLUSH_VCPUS) {
		cpumask_t running = 0;

		if (guest_read(&mask, mask_address, (domain->vcpu_max + 7) / 8))
			return -EFAULT;
		bits_each(id, mask & ((1ULL << domain->vcpu_max) - 1))
			if (read_once(&domain->vcpu[id]->is_running))
				running |= 1ULL << domain->vcpu[id]->cpu->id;
		cpus &= running;
	}
	tlb_flush(cpus, what);
	return 0;
}

/* UVMF_*. */
static int flush_as_asked(struct vcpu *vcpu, uint64_t va, uint64_t flags)
{
	uint64_t kind = flags & UVMF_FLUSHTYPE_MASK, where = flags & ~UVMF_FLUSHTYPE_MASK;

	if (kind == UVMF_NONE)
		return 0;
	if (kind != UVMF_TLB_FLUSH && kind != UVMF_INVLPG)
		return -ENOSYS;
	/* UVMF_LOCAL and UVMF_MULTI are the same bits: a pointer of 0 is "here". */
	return flush_where(vcpu, where == UVMF_LOCAL ? FLUSH_HERE : where == UVMF_ALL ? FLUSH_ALL : FLUSH_VCPUS, where,
			   kind == UVMF_INVLPG ? va : TLB_ALL_PAGES);
}

static long update_va(uint64_t va, pte_t entry, uint64_t flags, struct domain *source)
{
	struct vcpu *vcpu = current_vcpu();
	struct domain_locked owner = domain_lock(vcpu->domain);
	pte_t *at = entry_for(owner, vcpu, va);
	int error = at ? entry_write(owner, frame_of(virt_to_mfn(at)), at, source, entry, false) : -EINVAL;

	domain_unlock(owner);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_update_va_mapping_otherdomain, 4, va, entry, flags,
					  (uint64_t)source->id);
	return error ? error : flush_as_asked(vcpu, va, flags);
}

FLATTEN long do_update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags)
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

/* `bytes` of `word` at `offset` replaced. */
static uint64_t word_merge(uint64_t word, uint64_t value, unsigned int offset, unsigned int bytes)
{
	uint64_t mask = operand_mask(bytes) << offset * 8;

	return (word & ~mask) | (value << offset * 8 & mask);
}

static int emulate_write(struct domain_locked owner, struct vcpu *vcpu, uint64_t va, uint64_t value,
			 unsigned int bytes, uint64_t expected)
{
	/* While the lock is held what maps the table stays, and with it the frame. */
	pte_t *mapper = entry_for(owner, vcpu, va), mapped = mapper ? read_once(mapper) : 0, old, *at;
	unsigned int offset = va % sizeof(pte_t);
	struct frame *table;
	int error;

	if ((mapped & (PTE_PRESENT | PTE_DEVICE)) != PTE_PRESENT)
		return -EAGAIN;
	table = frame_of(pte_frame(mapped));
	if (table->owner != owner.domain->id || !frame_is_table(table))
		return -EAGAIN;
	at = table_entries(table) + va % PAGE_SIZE / sizeof(pte_t);
	old = read_once(at);
	if (word_merge(old, expected, offset, bytes) != old)
		return -EBUSY;
	error = entry_replace(owner, table, at, vcpu->domain, old, word_merge(old, value, offset, bytes));
	return !error ? 0 : error == -EAGAIN || error == -ERESTART ? -EBUSY : -EPERM;
}

FLATTEN int mmu_emulate_write(struct vcpu *vcpu, uint64_t va, uint64_t value, unsigned int bytes, uint64_t expected)
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
