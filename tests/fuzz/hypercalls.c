/* SPDX-License-Identifier: MIT */
/*
 * Four guests, all of them hostile, one privileged, call whatever the input says on two CPUs; the core is stopped half
 * way as often as the input says. After each step all that can be known about frames, grants and event channels is
 * computed anew and compared (tests/unit/memory_oracle.h); at the end every guest must go without leaving anything.
 *
 * With SKINK_FUZZ_TRACE in the environment each step is named.
 */
#include "guests.h"

#include <stdlib.h>
#include <string.h>

#include <control.h>
#include <xen/domctl.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "cpu/directmap.h"
#include "cpu/irq.h"
#include "cpu/tlb.h"
#include "event/channel.h"
#include "event/event.h"
#include "grant/table.h"
#include "mem/update.h"
#include "include/errno.h"
#include "input.h"
#include "pci.h"
#include "reset/reset.h"
#include "lib/bits.h"
#include "tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***arguments);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

#define STEPS_MAX	256
#define GREFS		12		/* few, so that two guests often mean the same */
#define SOME		4		/* elements of a batch */

static uint64_t address_of(const void *memory) { return (uint64_t)(uintptr_t)memory; }

/* ---- page tables ---- */

static void mmu_update(void)
{
	uint32_t count = 1 + take_below(SOME);
	struct mmu_update *request = guest_argument(count * sizeof(*request));
	uint32_t *done = guest_argument(sizeof(*done));
	uint8_t choice = take8();
	uint64_t domain = DOMID_SELF;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t command = take8();
		uint64_t table = command & 0x40 ? pick_frame() : pick_frame_of_type(FRAME_L1 + (command >> 3 & 3));

		request[i].ptr = table << PAGE_SHIFT | pick_index() * 8 |
				 (command < 0xc0 ? MMU_NORMAL_PT_UPDATE : command & 7);
		request[i].val = pick_entry();
	}
	if (choice & 1)
		domain = pick_domain() | (choice & 2 ? (uint64_t)(take_below(GUESTS) + 1) << 16 : 0);
	guest_calls(__HYPERVISOR_mmu_update, address_of(request), count, choice & 4 ? address_of(done) : 0, domain);
}

static void update_va_mapping(void)
{
	uint64_t va = pick_address(), entry = pick_entry();
	uint64_t flags = take_below(4) | (take8() & 1 ? UVMF_ALL : UVMF_LOCAL);

	if (take8() & 1)
		guest_calls(__HYPERVISOR_update_va_mapping_otherdomain, va, entry, flags, pick_domain());
	else
		guest_calls(__HYPERVISOR_update_va_mapping, va, entry, flags, 0);
}

static void mmuext_op(void)
{
	uint32_t count = 1 + take_below(SOME);
	struct mmuext_op *op = guest_argument(count * sizeof(*op));
	uint32_t *done = guest_argument(sizeof(*done));

	for (uint32_t i = 0; i < count; i++) {
		op[i].cmd = take_below(21);
		if (op[i].cmd == MMUEXT_SET_LDT || op[i].cmd == MMUEXT_INVLPG_LOCAL || op[i].cmd == MMUEXT_INVLPG_ALL) {
			op[i].arg1.linear_addr = pick_address();
			op[i].arg2.nr_ents = take16() & 0x1fff;
			continue;
		}
		op[i].arg1.mfn = take8() & 1 ? pick_frame() : pick_frame_of_type(op[i].cmd < 4 ? FRAME_L1 + op[i].cmd : FRAME_L4);
		op[i].arg2.vcpumask.p = done;
	}
	guest_calls(__HYPERVISOR_mmuext_op, address_of(op), count, take8() & 1 ? address_of(done) : 0,
		    take8() & 7 ? DOMID_SELF : pick_domain());
}

/* As its first instruction would do it that meets a write-protected table. */
static void direct_write(void)
{
	uint64_t va = pick_address() + pick_index() * 8, value = pick_entry(), expected;
	uint8_t choice = take8();
	uint32_t bytes = 1U << (choice & 3);
	const uint64_t *seen = fake_guest_touch(va, false);

	if (bytes < 8)
		va += take8() & 7;
	expected = seen && choice & 0x30 ? *seen >> (va & 7) * 8 : take64();
	(void)!mmu_emulate_write(current_vcpu(), va, value, bytes, expected);
}

/* The guest's own loads and stores, also in user mode. */
static void touch(void)
{
	struct vcpu *vcpu = current_vcpu();
	uint8_t choice = take8();
	bool in_user = (choice & 3) == 3 && vcpu->table_user.raw;
	uint32_t count = choice & 0x40 ? 1 + take_below(32) : 1;
	uint64_t va = pick_address() + pick_index() * 8, entry = pick_entry();

	if (in_user) {
		vcpu->in_kernel = false;
		mmu_load_base(vcpu);
	}
	for (uint32_t i = 0; i < count; i++) {
		uint64_t *word = fake_guest_touch(va + i * 8, choice & 4);

		if (word && choice & 4)
			*word = choice & 8 ? entry + ((uint64_t)i << PAGE_SHIFT) : choice & 0x10 ? pick_entry() : entry;
	}
	if (in_user) {
		vcpu->in_kernel = true;
		mmu_load_base(vcpu);
	}
}

/* A page that nobody uses, filled by the guest before, is pinned: a table so full that the core stops on the way. */
static void pin_full_table(void)
{
	uint64_t number = pick_frame_unused(current_vcpu()->domain), child;
	struct mmuext_op *pin = guest_argument(sizeof(*pin));
	uint8_t choice = take8();
	enum frame_type level = FRAME_L2 + choice % 3;
	uint64_t *words = mfn_to_virt(mfn(number));
	struct frame *frame;

	if (frame_at(mfn(number))->count != (FRAME_ALLOCATED | 1))
		return;
	child = choice & 4 ? pick_frame_of_type(level - 1) : pick_frame_unused(current_vcpu()->domain);
	/* As a guest writes: through a mapping, which the frame's type must allow. */
	if (frame_get_as(mfn(number), current_vcpu()->domain, FRAME_WRITABLE, &frame))
		return;
	memset(words, 0, PAGE_SIZE);
	for (uint32_t i = 0; i < 64; i += 1 + take_below(8))
		words[i] = child << PAGE_SHIFT | 7;
	frame_put_as(frame, FRAME_WRITABLE);
	fake.preempt_every = 1 + (choice >> 3 & 3);
	pin->cmd = MMUEXT_PIN_L1_TABLE + level - 1;
	pin->arg1.mfn = number;
	guest_calls(__HYPERVISOR_mmuext_op, address_of(pin), 1, 0, DOMID_SELF);
}

/* ---- memory ---- */

static void reservation(void)
{
	static const uint32_t command[] = { XENMEM_populate_physmap, XENMEM_increase_reservation, XENMEM_decrease_reservation };
	uint32_t count = 1 + take_below(SOME), which = take_below(ARRAY_SIZE(command));
	xen_pfn_t *list = guest_argument(count * sizeof(*list));
	struct xen_memory_reservation *request = guest_argument(sizeof(*request));

	for (uint32_t i = 0; i < count; i++)
		list[i] = which < 2 ? take8() : take8() & 1 ? pick_frame() : pick_frame_unused(current_vcpu()->domain);
	request->nr_extents = count;
	request->extent_order = take8() & 0x18 ? 0 : take_below(4);
	request->domid = pick_domain();
	request->mem_flags = take8() & 7 ? 0 : XENMEMF_address_bits(take_below(40));
	request->extent_start.p = take8() & 7 ? list : NULL;
	guest_calls(__HYPERVISOR_memory_op, command[which], address_of(request), 0, 0);
}

static void exchange(void)
{
	struct xen_memory_exchange *x = guest_argument(sizeof(*x));
	uint8_t shape = take8();
	uint32_t in_order = shape & 3, out_order = shape >> 2 & 3, frames = 1U << MAX(in_order, out_order);
	xen_pfn_t *in, *out;

	frames <<= shape >> 4 & 1;
	in = guest_argument((frames >> in_order) * sizeof(*in));
	out = guest_argument((frames >> out_order) * sizeof(*out));
	for (uint32_t i = 0; i < frames >> in_order; i++)
		in[i] = shape & 0x20 ? pick_frame() : pick_frame_unused(current_vcpu()->domain);
	x->in = (struct xen_memory_reservation){ .nr_extents = frames >> in_order, .extent_order = in_order,
						 .domid = pick_domain() };
	x->out = (struct xen_memory_reservation){ .nr_extents = frames >> out_order, .extent_order = out_order,
						  .domid = x->in.domid };
	x->in.extent_start.p = in;
	x->out.extent_start.p = out;
	if (shape & 0x80)
		x->nr_exchanged = take8();
	guest_calls(__HYPERVISOR_memory_op, XENMEM_exchange, address_of(x), 0, 0);
}

/* ---- grants ---- */

/* The lender writes its table, as it may at any time. */
static void grant_write(void)
{
	static const uint16_t flags[] = { GTF_permit_access, GTF_permit_access, GTF_permit_access | GTF_readonly,
					  GTF_accept_transfer, GTF_invalid, GTF_permit_access | GTF_reading, 0xffff };
	struct grant_entry_v1 *entry = grant_entry(current_vcpu()->domain->grants, take_below(GREFS));

	entry->frame = (uint32_t)pick_frame();
	entry->domid = take_below(GUESTS);
	entry->flags = flags[take_below(ARRAY_SIZE(flags))];
}

/* The lender is willing; the entry is not in use, or stays as it is. */
static void arrange_loan(domid_t lender, grant_ref_t gref, domid_t user)
{
	struct grant_entry_v1 *entry;
	uint8_t choice = take8();

	if (!guest[lender] || (choice & 3) == 0)
		return;
	entry = grant_entry(guest[lender]->grants, gref);
	if (entry->flags & (GTF_reading | GTF_writing))
		return;
	entry->frame = (uint32_t)(choice & 4 ? pick_frame_unused(guest[lender]) : pick_frame_used_as(guest[lender], FRAME_WRITABLE));
	if ((choice & 0x38) == 0x38)
		entry->frame = (uint32_t)virt_to_mfn(guest[lender]->shared_info).raw;
	entry->domid = user;
	entry->flags = GTF_permit_access;
}

/* What was mapped last, so that it can be unmapped. */
#define REMEMBERED 8
static struct { uint64_t place; grant_handle_t handle; } mapped[GUESTS][REMEMBERED];

static void remember(const struct gnttab_map_grant_ref *map)
{
	static uint32_t next;

	if (map->status == GNTST_okay) {
		mapped[current_vcpu()->domain->id][next % REMEMBERED].place = map->host_addr;
		mapped[current_vcpu()->domain->id][next++ % REMEMBERED].handle = map->handle;
	}
}

/* Where a grant is to be mapped: an address, or the entry of a table. */
static uint64_t grant_place(uint32_t flags)
{
	if (flags & GNTMAP_contains_pte)
		return (take8() & 3 ? pick_frame_of_type(FRAME_L1) : pick_frame()) << PAGE_SHIFT | pick_index() * 8;
	return pick_address();
}

static void grant_map_op(void)
{
	uint32_t count = 1 + take_below(2);
	struct gnttab_map_grant_ref *map = guest_argument(count * sizeof(*map));

	for (uint32_t i = 0; i < count; i++) {
		uint8_t choice = take8();

		map[i].flags = GNTMAP_host_map | (choice & 1 ? GNTMAP_readonly : 0) | (choice & 2 ? GNTMAP_contains_pte : 0) |
			       (choice & 4 ? GNTMAP_application_map : 0) | (choice == 0xff ? GNTMAP_device_map : 0);
		map[i].host_addr = grant_place(map[i].flags);
		map[i].ref = take_below(GREFS);
		map[i].dom = choice & 0x80 ? take_below(GUESTS) : (current_vcpu()->domain->id + 1) % GUESTS;
		arrange_loan(map[i].dom, map[i].ref, current_vcpu()->domain->id);
	}
	guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, address_of(map), count, 0);
	for (uint32_t i = 0; i < count; i++) {
		remember(&map[i]);
		if (map[i].status == GNTST_okay && !(map[i].flags & GNTMAP_contains_pte))
			(void)fake_guest_touch(map[i].host_addr, !(map[i].flags & GNTMAP_readonly));
	}
}

static void grant_unmap_op(void)
{
	uint32_t count = 1 + take_below(SOME);
	struct gnttab_unmap_grant_ref *unmap = guest_argument(count * sizeof(*unmap));

	for (uint32_t i = 0; i < count; i++) {
		uint32_t which = take_below(REMEMBERED * 2);

		if (which < REMEMBERED) {
			unmap[i].host_addr = mapped[current_vcpu()->domain->id][which].place;
			unmap[i].handle = mapped[current_vcpu()->domain->id][which].handle;
			continue;
		}
		unmap[i].host_addr = grant_place(take8() & 1 ? GNTMAP_contains_pte : 0);
		unmap[i].handle = take_below(8);
	}
	guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, address_of(unmap), count, 0);
}

static void copy_side(struct gnttab_copy_ptr *side, bool is_gref)
{
	side->offset = take8();
	if (!is_gref) {
		side->domid = DOMID_SELF;
		side->u.gmfn = pick_frame();
		return;
	}
	side->domid = take_below(GUESTS);
	side->u.ref = take_below(GREFS);
}

static void grant_copy_op(void)
{
	uint32_t count = 1 + take_below(SOME);
	struct gnttab_copy *copy = guest_argument(count * sizeof(*copy));

	for (uint32_t i = 0; i < count; i++) {
		copy[i].flags = take_below(4);
		copy[i].len = take16() & 0xfff;
		copy_side(&copy[i].source, copy[i].flags & GNTCOPY_source_gref);
		copy_side(&copy[i].dest, copy[i].flags & GNTCOPY_dest_gref);
	}
	guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_copy, address_of(copy), count, 0);
}

static void grant_transfer_op(void)
{
	struct gnttab_transfer *transfer = guest_argument(sizeof(*transfer));
	struct grant_entry_v1 *entry;

	transfer->mfn = pick_frame();
	transfer->domid = take_below(GUESTS);
	transfer->ref = take_below(GREFS);
	/* Often the receiver is willing, or nothing would ever be given. */
	if ((take8() & 3) && guest[transfer->domid]) {
		entry = grant_entry(guest[transfer->domid]->grants, transfer->ref);
		if (!(entry->flags & (GTF_reading | GTF_writing)))
			*entry = (struct grant_entry_v1){ .flags = GTF_accept_transfer, .domid = current_vcpu()->domain->id };
	}
	guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_transfer, address_of(transfer), 1, 0);
}

static void grant_setup_op(void)
{
	struct gnttab_setup_table *setup = guest_argument(sizeof(*setup));

	setup->dom = pick_domain();
	setup->nr_frames = take_below(4);
	setup->frame_list.p = guest_argument(4 * sizeof(xen_pfn_t));
	guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, address_of(setup), 1, 0);
}

/* ---- what TLBs remember ---- */

static void update_one(uint64_t table, uint32_t index, pte_t entry)
{
	struct mmu_update *request = guest_argument(sizeof(*request));

	request->ptr = table << PAGE_SHIFT | index * 8;
	request->val = entry;
	guest_calls(__HYPERVISOR_mmu_update, address_of(request), 1, 0, DOMID_SELF);
}

/* The page at `va` is used, by all addresses at which its L1 may stand; then it goes, and at once is wanted otherwise. */
static void use_and_drop(void)
{
	uint8_t choice = take8();
	uint32_t which = take_below(REMEMBERED);
	grant_handle_t handle = mapped[current_vcpu()->domain->id][which].handle;
	uint64_t va = choice & 3 ? mapped[current_vcpu()->domain->id][which].place : pick_address();
	struct gnttab_unmap_grant_ref *unmap = guest_argument(sizeof(*unmap));
	struct mmuext_op *pin = guest_argument(sizeof(*pin));
	struct domain_locked owner;
	pte_t *at, entry;

	if (choice & 4)
		update_one(pick_frame_of_type(FRAME_L2), 2, pick_frame_of_type(FRAME_L1) << PAGE_SHIFT | 7);
	owner = domain_lock(current_vcpu()->domain);
	at = entry_for(owner, current_vcpu(), va);
	entry = at ? *at : 0;
	domain_unlock(owner);
	for (uint64_t alias = 0; alias < 3; alias++)
		(void)fake_guest_touch((va & ~0xe00000UL) + (alias << 21), choice & 8);
	*unmap = (struct gnttab_unmap_grant_ref){ .host_addr = va, .handle = handle };
	if ((choice & 0x30) == 0)
		guest_calls(__HYPERVISOR_update_va_mapping, va, 0, UVMF_NONE, 0);
	else if ((choice & 0x30) == 0x10)
		update_one(pick_frame_of_type(FRAME_L2), va >> 21 & 511, 0);
	else
		guest_calls(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, address_of(unmap), 1, 0);
	pin->cmd = MMUEXT_PIN_L1_TABLE + take_below(4);
	pin->arg1.mfn = pte_frame(entry).raw;
	if (choice & 0x40)
		guest_calls(__HYPERVISOR_mmuext_op, address_of(pin), 1, 0, DOMID_SELF);
}

/* ---- event channels ---- */

/* A port that the peer has offered to the caller. */
static port_t port_for_us(domid_t peer)
{
	const struct domain *domain = peer < GUESTS ? guest[peer] : current_vcpu()->domain;
	const struct channel *channel;

	for (port_t port = 1; domain && (channel = channel_find(domain, port)) != NULL; port++)
		if (channel->state == CHANNEL_UNBOUND && channel->for_id == current_vcpu()->domain->id)
			return port;
	return 1;
}

static void event_op(void)
{
	static const uint8_t command[] = {
		EVTCHNOP_bind_interdomain, EVTCHNOP_bind_virq, EVTCHNOP_bind_pirq, EVTCHNOP_close, EVTCHNOP_send,
		EVTCHNOP_status, EVTCHNOP_alloc_unbound, EVTCHNOP_bind_ipi, EVTCHNOP_bind_vcpu, EVTCHNOP_unmask,
		EVTCHNOP_reset, EVTCHNOP_bind_interdomain, EVTCHNOP_alloc_unbound,
	};
	uint8_t number = command[take_below(sizeof(command))];
	uint32_t *word = guest_argument(64);

	for (uint32_t i = 0; i < 4; i++)
		word[i] = take_below(12);
	if (number == EVTCHNOP_alloc_unbound || number == EVTCHNOP_bind_interdomain || number == EVTCHNOP_reset ||
	    number == EVTCHNOP_status)
		*(domid_t *)word = take8() & 3 ? take_below(GUESTS) : DOMID_SELF;
	if (number == EVTCHNOP_bind_pirq)
		word[0] += 16;			/* the first that the fake machine has */
	if (number == EVTCHNOP_alloc_unbound)
		((domid_t *)word)[1] = take_below(GUESTS);
	if (number == EVTCHNOP_bind_interdomain && take8() & 3)
		((uint32_t *)word)[1] = port_for_us(*(domid_t *)word);
	guest_calls(__HYPERVISOR_event_channel_op, number, address_of(word), 0, 0);
}

static void event_from_core(void)
{
	struct domain *domain = current_vcpu()->domain;

	if (take8() & 1)
		event_send_vcpu_virq(domain->vcpu[take_below(domain->vcpu_max)], take_below(24));
	else
		event_send_vcpu_virq(domain->vcpu[0], take_below(24));
}

/* ---- devices ---- */

static uint32_t pick_function(void)
{
	static const uint32_t sbdf[] = { SBDF_MSIX, SBDF_MSIX, SBDF_MSI, SBDF_MSI, SBDF_NEIGHBOUR, 0 };
	uint8_t choice = take8();

	return choice < 0xf0 ? sbdf[choice % ARRAY_SIZE(sbdf)] : take16();
}

static void configuration_space(void)
{
	struct domain *domain = current_vcpu()->domain;
	uint32_t value = 1u << 31 | pick_function() << 8 | (take8() & 0xfc);
	uint8_t choice = take8();

	(void)!pci_port(domain, 0xcf8, 4, true, &value);
	value = choice & 0x20 ? UINT32_MAX : choice & 0x40 ? 6 : (uint32_t)take64();
	(void)!pci_port(domain, (uint16_t)(0xcf8 + (choice & 7)), 1U << (choice >> 3 & 3) % 3, choice & 0x80, &value);
}

static struct skink_domctl_dma_pool pick_pool(const struct domain *domain)
{
	return (struct skink_domctl_dma_pool){
		.first_mfn = take8() & 1 ? pick_frame() : pick_frame_used_as(domain, FRAME_WRITABLE), .count = 1 + take_below(2),
		.flags = SKINK_DMA_POOL_UNPROTECTED };
}

/* As if Domain-0 had given it to the caller, or taken it away; the caller maps a page of it, and uses that. */
static void device(void)
{
	struct domain *domain = current_vcpu()->domain;
	struct skink_domctl_dma_pool pool;
	uint8_t choice = take8();
	uint64_t va = pick_address();

	fake.now_ns += NSEC_PER_SEC;		/* each reset is over */
	switch (choice & 7) {
	case 0: case 1:
		while (pci_assign(domain, pick_function()) == -ERESTART)
			fake.now_ns += NSEC_PER_SEC;
		return;
	case 2:
		(void)!pci_deassign(domain, pick_function());
		return;
	case 3:
		pool = pick_pool(domain);
		(void)!dma_pool_declare(domain, &pool);
		return;
	default:
		guest_calls(__HYPERVISOR_update_va_mapping, va, pick_device_page() << PAGE_SHIFT | PTE_PRESENT | PTE_USER |
			    (choice & 8 ? PTE_WRITABLE : 0) | (choice & 16 ? PTE_CACHE_OFF : 0), 0, 0);
		(void)fake_guest_touch(va, choice & 32);
		if (choice & 64)
			guest_calls(__HYPERVISOR_update_va_mapping, va, 0, 0, 0);
	}
}

/* What was mapped last may be bound, and one more time mapped, and comes. */
static void interrupt(void)
{
	uint32_t sbdf = pick_function();
	uint8_t choice = take8();
	struct physdev_map_pirq *map = guest_argument(sizeof(*map));
	struct physdev_unmap_pirq *unmap = guest_argument(sizeof(*unmap));

	*map = (struct physdev_map_pirq){ .domid = choice & 1 ? DOMID_SELF : pick_domain(), .type = choice & 2 ? take_below(5) : 0,
					  .bus = (int)(sbdf >> 8), .devfn = (int)(sbdf & 0xff), .entry_nr = (int)take_below(10),
					  .table_base = sbdf == SBDF_MSIX || choice & 4 };
	*unmap = (struct physdev_unmap_pirq){ .domid = DOMID_SELF, .pirq = 16 + (int)take_below(12) };
	if (sbdf == SBDF_MSI && choice & 8)
		map->entry_nr = 0;
	if ((choice & 0x30) == 0x30)
		for (uint32_t i = 0; i < 4002; i++)
			pci_msi_arrived(16 + choice % 4);
	else if (choice & 0x10)
		guest_calls(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, address_of(unmap), 0, 0);
	else
		guest_calls(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, address_of(map), 0, 0);
	fake_pci_timers(choice & 0x80 ? 10 * NSEC_PER_MSEC : 0);
}

/* ---- descriptor tables, vcpus ---- */

static void segments(void)
{
	uint32_t entries = take16() & 0x1fff, frames = (entries + 511) / 512;
	uint64_t *list = guest_argument(16 * sizeof(*list));

	if (take8() & 1) {
		guest_calls(__HYPERVISOR_update_descriptor, (take8() & 1 ? pick_frame_of_type(FRAME_SEGMENT) : pick_frame()) <<
			    PAGE_SHIFT | pick_index() * 8, take8() & 1 ? take64() : 0x00cffa000000ffff, 0, 0);
		return;
	}
	for (uint32_t i = 0; i < MIN(frames, 16U); i++)
		list[i] = i && take8() & 1 ? list[0] : pick_frame();
	guest_calls(__HYPERVISOR_set_gdt, address_of(list), entries, 0, 0);
}

static struct vcpu_guest_context *pick_context(const struct domain *domain)
{
	struct vcpu_guest_context *context = guest_argument(sizeof(*context));
	uint8_t choice = take8();

	context->flags = choice & 1 ? VGCF_in_kernel : 0;
	context->ctrlreg[3] = xen_pfn_to_cr3(choice & 2 ? pick_frame_used_as(domain, FRAME_L4) : pick_frame());
	context->ctrlreg[1] = choice & 4 ? xen_pfn_to_cr3(pick_frame_used_as(domain, FRAME_L4)) : 0;
	if (choice & 8) {
		context->gdt_ents = 1 + take_below(3) * 512;
		for (uint32_t i = 0; i < 3; i++)
			context->gdt_frames[i] = pick_frame();
	}
	if (choice & 16) {
		context->ldt_base = pick_address();
		context->ldt_ents = take16() & 0xfff;
	}
	return context;
}

static void vcpu_initialise(void)
{
	const struct vcpu_guest_context *context = pick_context(current_vcpu()->domain);

	guest_calls(__HYPERVISOR_vcpu_op, VCPUOP_initialise, take_below(GUEST_VCPUS), address_of(context), 0);
}

static void vcpu_op(void)
{
	struct vcpu_register_vcpu_info *info = guest_argument(sizeof(*info));

	switch (take8() & 3) {
	case 0:
		vcpu_initialise();
		return;
	case 1:
		info->mfn = pick_frame();
		info->offset = take16() & 0xff8;
		guest_calls(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, take_below(GUEST_VCPUS), address_of(info), 0);
		return;
	case 2:
		guest_calls(__HYPERVISOR_vcpu_op, VCPUOP_up, take_below(GUEST_VCPUS), 0, 0);
		return;
	default:	/* the machine ends with the first domain */
		if (current_vcpu()->domain->id)
			guest_calls(__HYPERVISOR_vcpu_op, VCPUOP_down, take_below(GUEST_VCPUS), 0, 0);
		return;
	}
}

/* ---- what the first domain does with the others ---- */

static void fill_domctl(struct xen_domctl *op)
{
	const struct domain *target = op->domain < GUESTS && guest[op->domain] ? guest[op->domain] : guest[0];

	switch (op->cmd) {
	case XEN_DOMCTL_createdomain:
		op->u.createdomain.max_vcpus = GUEST_VCPUS;
		return;
	case XEN_DOMCTL_max_mem:
		op->u.max_mem.max_memkb = take16();
		return;
	case XEN_DOMCTL_setvcpucontext:
	case XEN_DOMCTL_getvcpucontext:
		set_xen_guest_handle(op->u.vcpucontext.ctxt, pick_context(target));
		op->u.vcpucontext.vcpu = take_below(GUEST_VCPUS + 1);
		op->u.vcpucontext.ctxt.p->flags |= take8() & 1 ? VGCF_online : 0;
		return;
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_deassign_device:
		op->u.assign_device.u.pci.machine_sbdf = pick_function();
		fake.now_ns += NSEC_PER_SEC;		/* each reset is over */
		return;
	case SKINK_DOMCTL_dma_pool:
		*(struct skink_domctl_dma_pool *)op->u.pad = pick_pool(target);
		return;
	default:
		for (uint32_t i = 0; i < 8; i++)
			op->u.pad[i] = take8();
	}
}

/* Also the commands that are not there. A domain that was made is a guest of ours: it never runs, and is destroyed. */
static void control(void)
{
	static const uint32_t commands[] = {
		XEN_DOMCTL_createdomain, XEN_DOMCTL_destroydomain, XEN_DOMCTL_pausedomain, XEN_DOMCTL_unpausedomain,
		XEN_DOMCTL_getdomaininfo, XEN_DOMCTL_max_mem, XEN_DOMCTL_setvcpucontext, XEN_DOMCTL_setvcpucontext,
		XEN_DOMCTL_getvcpucontext, XEN_DOMCTL_getvcpuinfo, XEN_DOMCTL_resumedomain, XEN_DOMCTL_setvcpuaffinity,
		XEN_DOMCTL_assign_device, XEN_DOMCTL_assign_device, XEN_DOMCTL_deassign_device, SKINK_DOMCTL_dma_pool,
		SKINK_DOMCTL_pci_function, XEN_DOMCTL_test_assign_device,
	};
	struct xen_domctl *op = guest_argument(sizeof(*op));
	uint32_t choice = take8();

	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->cmd = choice < 240 ? commands[choice % ARRAY_SIZE(commands)] : choice - 240 + 16;
	op->domain = take8() & 7 ? (domid_t)take_below(GUESTS) : pick_domain();
	fill_domctl(op);
	if (op->cmd == XEN_DOMCTL_createdomain && (op->domain == 0 || op->domain >= GUESTS || guest[op->domain]))
		return;
	(void)guest_calls(__HYPERVISOR_domctl, address_of(op), 0, 0, 0);
	if (op->cmd == XEN_DOMCTL_createdomain && op->domain < GUESTS)
		guest[op->domain] = domain_get(op->domain);
}

static void acquire(void)
{
	struct xen_mem_acquire_resource *op = guest_argument(sizeof(*op));
	uint64_t *list = guest_argument(SOME * sizeof(*list));

	op->domid = pick_domain();
	op->type = XENMEM_resource_grant_table;
	op->frame = take_below(3);
	op->nr_frames = take_below(SOME + 1 - (uint32_t)op->frame);	/* the oracle has room for four */
	if (take8() & 7)
		set_xen_guest_handle(op->frame_list, list);
	if (guest_calls(__HYPERVISOR_memory_op, XENMEM_acquire_resource, address_of(op), 0, 0) == 0)
		guest_calls(__HYPERVISOR_update_va_mapping_otherdomain, pick_address(),
			    list[0] << PAGE_SHIFT | PTE_PRESENT | PTE_USER | (take8() & 1 ? PTE_WRITABLE : 0), 0,
			    op->domid);
}

/* ---- driver domains ---- */

static void pick_regions(struct driver_frames *region, uint32_t count, uint32_t classes)
{
	for (uint32_t i = 0; i < count; i++)
		region[i] = (struct driver_frames){ take8() & 63, 1 + take_below(4), take_below(classes) };
}

static void say_ready(uint8_t choice)
{
	struct driver_ready *ready = guest_argument(sizeof(*ready));

	ready->version = DRIVER_VERSION;
	ready->region_count = choice >> 3 & 3;
	pick_regions(ready->region, ready->region_count, DRIVER_CLASSES);
	current_vcpu()->info->evtchn_upcall_mask = (choice & 0xe0) != 0;
	guest_calls(DRIVER_HYPERCALL, address_of(ready), 0, 0, 0);
}

static void reset_now(struct domain *domain)
{
	uint32_t tries = 0;
	int error;

	while ((error = reset_by_host(domain)) == -ERESTART)
		if (++tries > 10000)
			fuzz_fails("a reset by Domain-0 makes no progress");
	if (!error)
		guest_check_reset(domain);
}

/* As if Domain-0 asked for it; and the driver says ready, and dies. */
static void driver(void)
{
	struct skink_domctl_driver wanted = { .clean_max = take8(), .region_count = take_below(3) };
	struct domain *domain = guest[GUEST_DRIVER];
	uint8_t choice = take8();

	pick_regions(wanted.region, wanted.region_count, DRIVER_CLASSES);
	if (!domain || domain->is_dying)
		return;
	switch (choice & 7) {
	case 0:
		domain->pause_count++;
		(void)!reset_declare(domain, &wanted);
		domain->pause_count--;
		return;
	case 1: case 2:
		say_ready(choice);
		return;
	case 3: case 4:
		if (current_vcpu()->domain != domain)
			reset_now(domain);
		return;
	case 5:
		(void)!reset_arm(domain, choice & 0xf8);
		return;
	default:
		if (domain->is_frozen && (domain->reset->is_armed || choice > 0xe0))
			domain_crash(domain, "at random");
		if (current_vcpu()->domain == domain)
			guest_finish_reset(domain);
	}
}

/* ---- the machine around them ---- */

static void trouble(void)
{
	uint8_t choice = take8();

	if (choice & 0x80)
		fake.guest_fault_access = 1 + (choice & 15);
	else
		fake.preempt_every = choice & 7;
}

/* Any of those that only call, one after the other in one hypercall, which may be continued in the middle of it. */
static void multicall(void)
{
	static void (*const call[])(void) = { mmu_update, update_va_mapping, mmuext_op, reservation, exchange, grant_map_op, grant_unmap_op,
					      grant_copy_op, event_op, segments, vcpu_op };

	guest_gathers_calls();
	for (uint32_t left = 1 + take_below(4); left; left--)
		call[take_below(ARRAY_SIZE(call))]();
	guest_calls_gathered();
}

static const struct { const char *name; void (*run)(void); } steps[] = {
	{ "mmu_update", mmu_update }, { "mmu_update", mmu_update }, { "update_va_mapping", update_va_mapping },
	{ "mmuext_op", mmuext_op }, { "mmuext_op", mmuext_op }, { "direct write", direct_write },
	{ "touch", touch }, { "touch", touch }, { "reservation", reservation }, { "exchange", exchange },
	{ "grant write", grant_write }, { "grant write", grant_write }, { "map", grant_map_op }, { "map", grant_map_op },
	{ "full table", pin_full_table }, { "use and drop", use_and_drop }, { "use and drop", use_and_drop }, { "use and drop", use_and_drop },
	{ "unmap", grant_unmap_op }, { "copy", grant_copy_op }, { "transfer", grant_transfer_op },
	{ "grant table", grant_setup_op }, { "event", event_op }, { "event", event_op }, { "virq", event_from_core },
	{ "segments", segments }, { "vcpu", vcpu_op }, { "trouble", trouble },
	{ "control", control }, { "control", control }, { "acquire", acquire }, { "multicall", multicall }, { "multicall", multicall },
	{ "driver", driver }, { "driver", driver }, { "driver", driver }, { "driver", driver },
	{ "device", device }, { "device", device }, { "configuration space", configuration_space }, { "interrupt", interrupt },
};

/* A guest that cannot run any more, or has lived long enough, ends; then there is a new one in its place. */
static void end_or_begin(domid_t id)
{
	if (!guest[id])
		guest_create(id);
	else if (id)
		(void)guest_destroy_step(id);
}

static void step(bool is_traced)
{
	uint8_t choice = take8();
	domid_t id = take8() & (GUESTS - 1);
	uint32_t which = choice % ARRAY_SIZE(steps);

	if (choice >= 250 || !guest_enter(id)) {
		if (is_traced)
			fprintf(stderr, "guest %u: ends or begins\n", id);
		end_or_begin(id);
		return;
	}
	if (is_traced)
		fprintf(stderr, "guest %u, vcpu %u, CPU %u: %s\n", id, current_vcpu()->id, cpu_id(), steps[which].name);
	steps[which].run();
	if (take8() & 3)
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_traced = getenv("SKINK_FUZZ_TRACE") != NULL;

	input = (struct input){ data, data + size };
	memset(mapped, 0, sizeof(mapped));
	guests_start();
	fuzz_check();
	for (uint32_t i = 0; i < STEPS_MAX && !input_is_empty(); i++) {
		step(is_traced);
		guest_arguments_clear();
		fuzz_check();
		fuzz_check_events();
	}
	guests_end();
	return 0;
}

/* Long lives from the start: there is no seed corpus, and a short one finds nothing. Options that are given still win. */
int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	static char *with_ours[64] = { NULL, (char *)"-max_len=3000", (char *)"-len_control=0", (char *)"-reload=0" };

	with_ours[0] = (*arguments)[0];
	for (int i = 1; i < *count && i < 60; i++)
		with_ours[i + 3] = (*arguments)[i];
	*count = MIN(*count, 60) + 3;
	*arguments = with_ours;
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	uint64_t state = seed | 1ULL << 40;

	if (size >= 100 && seed % 64)
		return LLVMFuzzerMutate(data, size, room);
	size = MIN(room, 200 + seed % 1800);
	for (size_t i = 0; i < size; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		data[i] = (uint8_t)(state >> 56);
	}
	return size;
}
