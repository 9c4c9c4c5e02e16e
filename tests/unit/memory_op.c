/* SPDX-License-Identifier: MIT */
/* memory_op: what guests get, give back and exchange. What must be refused first. */
#include "unit.h"

#include <string.h>

#include <xen/memory.h>

#include "cpu/directmap.h"
#include "cpu/tlb.h"
#include "include/errno.h"
#include "mem/alloc.h"
#include "mem/frame.h"
#include "mem/pagelist.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "tables.h"

#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)
#define NOWHERE		((xen_pfn_t *)0x10)

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

static long memory_op(uint32_t command, void *argument)
{
	return guest_call(__HYPERVISOR_memory_op, command, guest_address(argument), 0, 0);
}

static struct xen_memory_reservation *reservation(xen_pfn_t *list, uint64_t count, uint32_t order, domid_t domain)
{
	struct xen_memory_reservation *request = GUEST_COPY(struct xen_memory_reservation, .nr_extents = count,
							    .extent_order = order, .domid = domain);

	request->extent_start.p = list;
	return request;
}

/* A list that the guest can see. */
static xen_pfn_t *list_of(const uint64_t *numbers, uint32_t count)
{
	xen_pfn_t *list = fake_guest_memory(count * sizeof(*list));

	for (uint32_t i = 0; i < count; i++)
		list[i] = numbers ? numbers[i] : 100 + i;
	return list;
}

static long populate(xen_pfn_t *list, uint64_t count, uint32_t order)
{
	return memory_op(XENMEM_populate_physmap, reservation(list, count, order, DOMID_SELF));
}

static long decrease(xen_pfn_t *list, uint64_t count, uint32_t order)
{
	return memory_op(XENMEM_decrease_reservation, reservation(list, count, order, DOMID_SELF));
}

/* ---- more and less ---- */

static void requests_that_make_no_sense_give_nothing(void)
{
	struct memory_guest guest = given_guest(1);
	uint64_t before = guest.domain->frame_count;

	CU_ASSERT_EQUAL(populate(list_of(NULL, 4), 4, 10), 0);
	CU_ASSERT_EQUAL(populate(list_of(NULL, 4), 4, UINT32_MAX), 0);
	CU_ASSERT_EQUAL(populate(list_of(NULL, 4), UINT64_MAX, 0), 0);
	CU_ASSERT_EQUAL(populate(NOWHERE, 4, 0), 0);
	CU_ASSERT_EQUAL(decrease(NOWHERE, 4, 0), 0);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, 0x10, 0, 0), -EFAULT);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, 63, 0, 0, 0), -ENOSYS);
	CU_ASSERT_EQUAL(guest.domain->frame_count, before);
	/* A continuation that the guest made up. */
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_populate_physmap | 5 << 6,
				   guest_address(reservation(list_of(NULL, 4), 4, 0, DOMID_SELF)), 0, 0), 5);
	CU_ASSERT_EQUAL(guest.domain->frame_count, before);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_memory_op, XENMEM_maximum_ram_page | 5 << 6, 0, 0, 0), -ENOSYS);
	all_is_counted();
}

static void memory_of_another_is_the_privileged_domains_business(void)
{
	struct memory_guest zero = given_guest(0), other = given_guest(2), guest = given_guest(1);
	uint64_t before = other.domain->frame_count;
	xen_pfn_t *list = list_of(NULL, 2);

	CU_ASSERT_EQUAL(memory_op(XENMEM_populate_physmap, reservation(list, 2, 0, 2)), -EPERM);
	CU_ASSERT_EQUAL(memory_op(XENMEM_decrease_reservation, reservation(list_of(&other.page[DATA], 1), 1, 0, 2)), -EPERM);
	CU_ASSERT_EQUAL(memory_op(XENMEM_populate_physmap, reservation(list, 2, 0, 9)), -ESRCH);
	CU_ASSERT_EQUAL(decrease(list_of(&other.page[DATA], 1), 1, 0), 0);
	CU_ASSERT_EQUAL(other.domain->frame_count, before);
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(memory_op(XENMEM_populate_physmap, reservation(list, 2, 0, 2)), 2);
	CU_ASSERT_EQUAL(other.domain->frame_count, before + 2);
	CU_ASSERT_EQUAL(memory_op(XENMEM_current_reservation, GUEST_COPY(domid_t, 2)), (long)before + 2);
	fake_switch_to(guest.domain->vcpu[0]);
	CU_ASSERT_EQUAL(memory_op(XENMEM_current_reservation, GUEST_COPY(domid_t, 2)), -EPERM);
	CU_ASSERT_EQUAL(memory_op(XENMEM_maximum_reservation, GUEST_COPY(domid_t, DOMID_SELF)), 512);
	all_is_counted();
}

static void what_is_given_is_listed_and_known_by_the_guests_number(void)
{
	struct memory_guest guest = given_guest(1);
	xen_pfn_t *list = list_of(NULL, 6);

	for (uint32_t every = 0; every < 4; every++) {
		for (uint32_t i = 0; i < 6; i++)
			list[i] = 200 + 4 * i;
		fake.preempt_every = every;
		CU_ASSERT_EQUAL(populate(list, 6, 2), 6);
		CU_ASSERT(every ? guest_call_continued > 0 : guest_call_continued == 0);
		fake.preempt_every = 0;
		for (uint32_t i = 0; i < 24; i++)
			CU_ASSERT_EQUAL(m2p_get(mfn(list[i / 4] + i % 4)).raw, 200 + i);
		CU_ASSERT_EQUAL(decrease(list, 6, 2), 6);
		CU_ASSERT_EQUAL(m2p_get(mfn(list[0])).raw, UINT64_MAX);
		all_is_counted();
	}
	CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES);
}

static void frame_is_given_back_once_and_only_if_it_is_ones_own(void)		/* F3 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t shared = virt_to_mfn(guest.domain->shared_info).raw;
	const uint64_t numbers[] = { guest.page[DATA], guest.page[DATA], guest.page[DATA + 1] }, nobodys = 20;

	CU_ASSERT_EQUAL(decrease(list_of(numbers, 3), 3, 0), 1);	/* stops at what it gave back already */
	CU_ASSERT_EQUAL(decrease(list_of(&shared, 1), 1, 0), 0);
	CU_ASSERT_EQUAL(decrease(list_of(&nobodys, 1), 1, 0), 0);
	all_is_counted();
	/* It is mapped still, and cannot be had by anybody else. */
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(DATA * PAGE_SIZE, true));
	CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES);
	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, 0), 0);
	CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES - 1);
	all_is_counted();
}

static void guest_that_gives_back_all_it_has_still_ends(void)			/* F3 */
{
	struct memory_guest guest = given_guest(1);

	CU_ASSERT_EQUAL(guest_pins(guest.page[L3], FRAME_L3), 0);
	CU_ASSERT_EQUAL(decrease(list_of(guest.page, GUEST_PAGES), GUEST_PAGES, 0), GUEST_PAGES);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

/* ---- exchange ---- */

static struct xen_memory_exchange *exchange_of(xen_pfn_t *in, uint64_t in_count, uint32_t in_order,
					       xen_pfn_t *out, uint64_t out_count, uint32_t out_order)
{
	struct xen_memory_exchange *x = GUEST_COPY(struct xen_memory_exchange,
		.in = { .nr_extents = in_count, .extent_order = in_order, .domid = DOMID_SELF },
		.out = { .nr_extents = out_count, .extent_order = out_order, .domid = DOMID_SELF });

	x->in.extent_start.p = in;
	x->out.extent_start.p = out;
	return x;
}

static void exchange_that_does_not_add_up_is_refused(void)
{
	struct memory_guest guest = given_guest(1);
	struct xen_memory_exchange *x;
	xen_pfn_t *list = list_of(&guest.page[DATA], 4);

	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(list, 4, 0, list, 3, 0)), -EINVAL);
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(list, 3, 0, list, 1, 2)), -EINVAL);
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(list, 1, 10, list, 1, 10)), -EINVAL);
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(list, 1UL << 63, 1, list, 0, 0)), -EINVAL);
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(list, 1, 70, list, 1, 70)), -EINVAL);
	x = exchange_of(list, 4, 0, list, 4, 0);
	x->nr_exchanged = 5;
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, x), -EINVAL);
	x = exchange_of(list, 4, 0, list, 4, 0);
	x->out.domid = 0;
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, x), -EINVAL);
	all_is_counted();
}

static void frame_that_is_mapped_is_not_exchanged_and_nothing_else_is(void)
{
	struct memory_guest guest = given_guest(1);
	xen_pfn_t *in = list_of(&guest.page[DATA], 4), *out = list_of(NULL, 1);
	struct xen_memory_exchange *x;

	for (uint32_t mapped = 0; mapped < 4; mapped++) {
		for (uint32_t i = 0; i < 4; i++)
			CU_ASSERT_EQUAL(guest_maps((DATA + i) * PAGE_SIZE, i == mapped ? pte(guest.page[DATA + i], READ_ONLY) : 0), 0);
		x = exchange_of(in, 4, 0, out, 1, 2);
		CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, x), -EBUSY);
		CU_ASSERT_EQUAL(x->nr_exchanged, 0);
		CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES);
		all_is_counted();
	}
}

/* What its guest could still reach by a TLB entry is not made a table under it. */
static void frame_that_came_back_is_as_stale_as_before(void)			/* F1 */
{
	struct memory_guest guest = given_guest(1);
	xen_pfn_t *in = list_of(&guest.page[DATA], 2), *out = list_of(NULL, 2);

	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(DATA * PAGE_SIZE, true));
	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, 0), 0);
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(in, 2, 0, out, 1, 1)), -EBUSY);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_pins(guest.page[DATA], FRAME_L1), 0);
	CU_ASSERT_PTR_NULL(fake_guest_touch(DATA * PAGE_SIZE, true));
	all_is_counted();
}

static void frames_are_exchanged_whole_chunks_at_a_time(void)
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t every = 0; every < 5; every++) {
		struct xen_memory_exchange *x;
		xen_pfn_t *in = list_of(NULL, 8), *out = list_of(NULL, 2);

		CU_ASSERT_EQUAL(populate(in, 8, 0), 8);
		out[0] = 300;
		out[1] = 400;
		x = exchange_of(in, 8, 0, out, 2, 2);
		fake.preempt_every = every;
		guest_call_tries = 10;
		CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, x), 0);
		CU_ASSERT_TRUE(guest_call_continued == 1 || every != 1);
		guest_call_tries = UINT32_MAX;
		fake.preempt_every = 0;
		CU_ASSERT_EQUAL(x->nr_exchanged, 8);
		CU_ASSERT_EQUAL(m2p_get(mfn(out[1] + 3)).raw, 403);
		CU_ASSERT_EQUAL(out[0] % 4, 0);
		CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES + 8 * (every + 1));
		all_is_counted();
	}
}

/* Other vcpus may send one as fast as it is taken. */
static void a_long_call_stops_for_an_event_after_each_step(void)
{
	struct memory_guest guest = given_guest(1);
	vcpu_info_t *info = guest.domain->vcpu[0]->info;
	struct mmu_update *updates = fake_guest_memory(96 * sizeof(*updates));
	xen_pfn_t *in = list_of(NULL, 8), *out = list_of(NULL, 2);

	for (uint32_t i = 0; i < 96; i++)
		updates[i] = (struct mmu_update){ .ptr = guest.page[DATA] << PAGE_SHIFT | i * 8, .val = i };
	info->evtchn_upcall_pending = 1;
	for (uint8_t masked = 0; masked < 2; masked++) {
		info->evtchn_upcall_mask = masked;
		guest_call_tries = 100;
		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(updates), 96, 0, DOMID_SELF), 0);
		CU_ASSERT_EQUAL(guest_call_continued, masked ? 0 : 2);
		CU_ASSERT_EQUAL(populate(in, 8, 0), 8);
		CU_ASSERT_EQUAL(guest_call_continued, masked ? 0 : 7);
		CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(in, 8, 0, out, 2, 2)), 0);
		CU_ASSERT_EQUAL(guest_call_continued, masked ? 0 : 1);
		CU_ASSERT_EQUAL(decrease(out, 2, 2), 2);
		CU_ASSERT_EQUAL(guest_call_continued, masked ? 0 : 1);
		guest_call_tries = UINT32_MAX;
		all_is_counted();
	}
}

static void exchange_without_memory_changes_nothing(void)
{
	struct memory_guest guest = given_guest(1);
	xen_pfn_t *in = list_of(&guest.page[DATA], 8), *out = list_of(NULL, 1);

	for (uint32_t i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(guest_maps((DATA + i) * PAGE_SIZE, 0), 0);
	while (!mfn_is(frame_alloc(3), MFN_NONE))
		;
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(in, 8, 0, out, 1, 3)), -ENOMEM);
	CU_ASSERT_EQUAL(guest.domain->frame_count, GUEST_PAGES);
	all_is_counted();
}

static struct { struct domain *owner; mfn_t frame; } promised;

/* Another vcpu of the guest's tries to give up what the exchange has only just found for it. */
static void give_up_early(cpumask_t cpus, uint64_t address)
{
	fake.tlb_watcher = NULL;
	CU_ASSERT_FALSE(frame_give_back(promised.frame, promised.owner));
}

static void exchange_that_fails_has_given_nothing(void)		/* F3 */
{
	struct memory_guest other = given_guest(2), guest = given_guest(1);
	xen_pfn_t *in = list_of(NULL, 1), *out = list_of(NULL, 4);
	void (*model)(cpumask_t cpus, uint64_t address) = fake.tlb_watcher;
	mfn_t last, first;

	CU_ASSERT_EQUAL(populate(in, 1, 2), 1);
	heap_free(heap_alloc(64));			/* the heap needs none of the frames that are left */
	last = frame_alloc(1);
	first = frame_alloc(1);
	while (!mfn_is(frame_alloc(0), MFN_NONE))
		;
	frame_free(last, 0);
	frame_free(first, 0);
	frame_at(last)->flushed = tlb_clock();		/* there is a flush when it is taken */
	frame_at(first)->flushed = 0;
	promised.owner = guest.domain;
	promised.frame = first;
	fake.tlb_watcher = give_up_early;
	CU_ASSERT_EQUAL(memory_op(XENMEM_exchange, exchange_of(in, 1, 2, out, 4, 0)), -ENOMEM);
	CU_ASSERT_PTR_NULL(fake.tlb_watcher);
	fake.tlb_watcher = model;
	CU_ASSERT_EQUAL(frame_at(first)->count, 0);
	CU_ASSERT_EQUAL(frame_at(last)->count, 0);
	all_is_counted();

	/* Nor does an exchange, or who populates, name what is another's by now. */
	m2p_set(mfn(other.page[DATA]), gfn(7));
	frame_name(mfn(other.page[DATA]), guest.domain, gfn(8));
	CU_ASSERT_EQUAL(m2p_get(mfn(other.page[DATA])).raw, 7);
	all_is_counted();
}

static void exchange_at_each_fault_of_the_guests_memory_is_counted(void)	/* F3 */
{
	for (uint32_t fault = 1; fault < 30; fault++) {
		struct memory_guest guest;
		xen_pfn_t *in, *out;

		fake_reset();
		guest = given_guest(1);
		in = list_of(NULL, 8);
		out = list_of(NULL, 2);
		CU_ASSERT_EQUAL(populate(in, 8, 0), 8);
		fake.guest_fault_access = fault;
		(void)memory_op(XENMEM_exchange, exchange_of(in, 8, 0, out, 2, 2));
		fake.guest_fault_access = 0;
		all_is_counted();
		CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
		all_is_counted();
	}
}

/* ---- questions ---- */

static void guest_learns_what_memory_there_is(void)
{
	struct memory_guest zero = given_guest(0);
	struct xen_machphys_mapping *mapping = fake_guest_memory(sizeof(*mapping));
	struct xen_memory_map *map = GUEST_COPY(struct xen_memory_map, .nr_entries = 1);
	uint64_t *entry = fake_guest_memory(20);

	CU_ASSERT_EQUAL(memory_op(XENMEM_maximum_ram_page, NULL), FAKE_FRAME_LIMIT);
	CU_ASSERT_EQUAL(memory_op(XENMEM_machphys_mapping, mapping), 0);
	CU_ASSERT_EQUAL(mapping->v_start, 0xffff800000000000);
	map->buffer.p = entry;
	CU_ASSERT_EQUAL(memory_op(XENMEM_machine_memory_map, map), 0);
	CU_ASSERT_EQUAL(entry[1], zero.domain->frame_limit << PAGE_SHIFT);
	map->nr_entries = 0;
	CU_ASSERT_EQUAL(memory_op(XENMEM_machine_memory_map, map), -EINVAL);
	given_guest(1);
	CU_ASSERT_EQUAL(memory_op(XENMEM_machine_memory_map, map), -EPERM);
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(requests_that_make_no_sense_give_nothing),
	UNIT_CASE(memory_of_another_is_the_privileged_domains_business),
	UNIT_CASE(what_is_given_is_listed_and_known_by_the_guests_number),
	UNIT_CASE(frame_is_given_back_once_and_only_if_it_is_ones_own),
	UNIT_CASE(guest_that_gives_back_all_it_has_still_ends),
	UNIT_CASE(exchange_that_does_not_add_up_is_refused),
	UNIT_CASE(frame_that_is_mapped_is_not_exchanged_and_nothing_else_is),
	UNIT_CASE(frame_that_came_back_is_as_stale_as_before),
	UNIT_CASE(frames_are_exchanged_whole_chunks_at_a_time),
	UNIT_CASE(a_long_call_stops_for_an_event_after_each_step),
	UNIT_CASE(exchange_without_memory_changes_nothing),
	UNIT_CASE(exchange_that_fails_has_given_nothing),
	UNIT_CASE(exchange_at_each_fault_of_the_guests_memory_is_counted),
	UNIT_CASE(guest_learns_what_memory_there_is),
};

int main(void)
{
	return unit_run("memory_op", cases, ARRAY_SIZE(cases));
}
