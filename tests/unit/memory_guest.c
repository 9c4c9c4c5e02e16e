/* SPDX-License-Identifier: MIT */
#include "memory_guest.h"

#include "cpu/directmap.h"
#include "domain/hypercall.h"
#include "include/errno.h"
#include "lib/log.h"
#include "mem/alloc.h"
#include "mem/base.h"
#include "tables.h"

#define RIP 0x1000

uint32_t guest_call_tries = UINT32_MAX, guest_call_continued;

uint64_t *words_of(uint64_t number) { return mfn_to_virt(mfn(number)); }

static bool allocate(struct memory_guest *guest)
{
	for (uint32_t i = 0; i < GUEST_PAGES; i++) {
		mfn_t frame;

		if (frame_alloc_for(guest->domain, 0, 0, &frame))
			return false;
		guest->page[i] = frame.raw;
		m2p_set(frame, gfn(i));
	}
	return true;
}

static void fill_tables(const uint64_t page[GUEST_PAGES])
{
	words_of(page[L4_KERNEL])[0] = words_of(page[L4_USER])[0] = pte(page[L3], WRITABLE);
	words_of(page[L3])[0] = pte(page[L2], WRITABLE);
	words_of(page[L2])[0] = pte(page[L1], WRITABLE);
	words_of(page[L2])[1] = pte(page[L1_SECOND], WRITABLE);
	for (uint32_t i = 0; i < GUEST_PAGES; i++)
		words_of(page[L1])[i] = pte(page[i], i < DATA ? READ_ONLY : WRITABLE);
}

bool memory_guest_build(struct memory_guest *guest)
{
	struct domain_locked owner;
	int error;

	if (!allocate(guest))
		return false;
	fill_tables(guest->page);
	error = mmu_set_first_base(guest->domain->vcpu[0], mfn(guest->page[L4_KERNEL]));
	owner = domain_lock(guest->domain);
	if (!error)
		error = base_set(owner, guest->domain->vcpu[0], mfn(guest->page[L4_USER]), false);
	domain_unlock(owner);
	return error == 0;
}

struct memory_guest given_guest(domid_t id)
{
	struct memory_guest guest = { .domain = given_domain_with(id, 2, id == 0) };

	guest.domain->frame_limit = 512;
	if (!memory_guest_build(&guest))
		panic("given_guest: no tables");
	fake_switch_to(guest.domain->vcpu[0]);
	return guest;
}

void guest_enters_core(struct vcpu *vcpu)
{
	if (vcpu->regs.rax == __HYPERVISOR_mmu_update)
		hypercall_mmu_update(vcpu);
	else
		hypercall_dispatch(vcpu);
}

long guest_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct vcpu *vcpu = current_vcpu();

	guest_call_continued = 0;
	vcpu->regs.rax = number;
	vcpu->regs.rdi = a;
	vcpu->regs.rsi = b;
	vcpu->regs.rdx = c;
	vcpu->regs.r10 = d;
	for (;;) {
		vcpu->regs.rip = RIP;
		guest_enters_core(vcpu);
		if (vcpu->regs.rip == RIP)
			return (long)vcpu->regs.rax;
		if (guest_call_continued++ == guest_call_tries)
			return -ERESTART;
		fake_deferred_steps(vcpu, UINT32_MAX);
	}
}

long guest_updates(uint64_t table, uint32_t index, pte_t entry)
{
	struct mmu_update *request = GUEST_COPY(struct mmu_update, .ptr = table << PAGE_SHIFT | index * 8, .val = entry);

	return guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, DOMID_SELF);
}

long guest_maps(uint64_t va, pte_t entry)
{
	return guest_call(__HYPERVISOR_update_va_mapping, va, entry, UVMF_NONE, 0);
}

long guest_ext(uint32_t command, uint64_t number)
{
	struct mmuext_op *op = GUEST_COPY(struct mmuext_op, .cmd = command, .arg1.mfn = number);

	return guest_call(__HYPERVISOR_mmuext_op, guest_address(op), 1, 0, DOMID_SELF);
}

long guest_unpins(uint64_t number) { return guest_ext(MMUEXT_UNPIN_TABLE, number); }

int guest_ends(struct domain *domain)
{
	int error;

	for (uint32_t cpu = 0; cpu < FAKE_CPUS; cpu++) {
		fake_on_cpu(cpu);
		if (current_vcpu()->domain == domain)
			fake_switch_to(NULL);
	}
	fake_on_cpu(0);
	do {
		error = domain_destroy(domain);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
	} while (error == -ERESTART);
	return error;
}
