/* SPDX-License-Identifier: MIT */
/* What stands in tables: T1 to T6 of mem/table.h, F1 and F2 of mem/frame.h. What must be refused first. */
#include "unit.h"

#include <string.h>

#include <xen/grant_table.h>

#include "cpu/directmap.h"
#include "cpu/speculation.h"
#include "cpu/tlb.h"
#include "grant/table.h"
#include "include/errno.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/table.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "tables.h"

#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)	/* nothing is mapped there; L1_SECOND's */
#define ALIAS_VA(i)	(0x400000UL + (i) * PAGE_SIZE)	/* where a test maps L1_SECOND once more */

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (!wrong)
		wrong = grant_oracle_complaint();
	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

/* A page of zeroes, without a mapping. */
static uint64_t given_page(struct domain *domain)
{
	mfn_t number;

	CU_ASSERT_EQUAL_FATAL(frame_alloc_for(domain, 0, 0, &number), 0);
	return number.raw;
}

/* A page that the guest has mapped writable, without the mapping. */
static uint64_t unmapped(struct memory_guest *guest, uint32_t i)
{
	CU_ASSERT_EQUAL_FATAL(guest_maps(i * PAGE_SIZE, 0), 0);
	return guest->page[i];
}

static uint64_t type_references(uint64_t number) { return frame_at(mfn(number))->type & FRAME_TYPE_COUNT_MASK; }

/* ---- entries of an L1 ---- */

static void entry_for_a_frame_of_another_or_of_nobody_is_refused(void)		/* F2 */
{
	struct memory_guest other = given_guest(2), guest = given_guest(1);
	uint64_t core = frame_alloc(0).raw;
	const uint64_t number[] = { other.page[DATA], other.page[L1], core, 0, 20, FAKE_FRAME_LIMIT - 1, 0x3fff, 1UL << 32 };

	for (uint32_t i = 0; i < ARRAY_SIZE(number); i++) {
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(number[i], READ_ONLY)), -EINVAL);
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(number[i], WRITABLE)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L1_SECOND], 0, pte(number[i], READ_ONLY)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L2], 7, pte(number[i], WRITABLE)), -EINVAL);
	}
	CU_ASSERT_EQUAL(words_of(guest.page[L1_SECOND])[0], 0);
	frame_free(mfn(core), 0);
	all_is_counted();
}

/* By an instruction, and nobody else has written meanwhile. */
static int guest_writes(uint64_t va, uint64_t value, unsigned int bytes)
{
	const uint64_t *word = fake_guest_touch(va, false);

	return mmu_emulate_write(current_vcpu(), va, value, bytes, word ? *word : 0);
}

static void table_is_never_mapped_writable(void)				/* F1, T2: each table, each way */
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t i = L4_KERNEL; i <= L1_SECOND; i++) {
		uint64_t address = i * PAGE_SIZE;

		CU_ASSERT_EQUAL(guest_maps(address, pte(guest.page[i], WRITABLE)), -EBUSY);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L1], i, pte(guest.page[i], WRITABLE)), -EBUSY);
		CU_ASSERT_EQUAL(guest_writes(L1 * PAGE_SIZE + i * 8, pte(guest.page[i], WRITABLE), 8),
				-EPERM);
		/* One byte is enough to set the bit. */
		CU_ASSERT_EQUAL(guest_writes(L1 * PAGE_SIZE + i * 8, WRITABLE, 1), -EPERM);
		CU_ASSERT_PTR_NULL(fake_guest_touch(address, true));
		CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(address, false));
		all_is_counted();
	}
}

static void bits_that_are_not_the_guests_are_refused(void)
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t bit = 59; bit < 63; bit++) {
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], READ_ONLY | 1UL << bit)), -EINVAL);
		/* Nor as the only change of an entry that is there. */
		CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, pte(guest.page[DATA], WRITABLE | 1UL << bit)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L2], 1, pte(guest.page[L1_SECOND], WRITABLE | 1UL << bit)), -EINVAL);
	}
	CU_ASSERT_EQUAL(guest_updates(guest.page[L2], 7, pte(guest.page[DATA], WRITABLE | PTE_LARGE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_updates(guest.page[L2], 7, pte(guest.page[L1_SECOND], WRITABLE | PTE_GLOBAL)), -EINVAL);
	all_is_counted();
}

/* Linux 6.12 keeps a dirty bit in bit 58. */
static void bits_that_no_cpu_looks_at_are_the_guests(void)
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t bit = 52; bit < 59; bit++) {
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], READ_ONLY | 1UL << bit)), 0);
		CU_ASSERT_EQUAL(words_of(guest.page[L1_SECOND])[0], pte(guest.page[DATA], READ_ONLY | 1UL << bit));
		all_is_counted();
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	}
	all_is_counted();
}

static void a_bios_area_is_one_page_for_domain_zero_and_nothing_for_others(void)	/* T6 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t page = given_page(guest.domain), area[] = { 0x80, 0xb8, 0xff };

	table_bios_page = mfn(page);
	for (uint32_t i = 0; i < ARRAY_SIZE(area); i++)
		CU_ASSERT_NOT_EQUAL(guest_maps(FREE_VA(0), pte(area[i], READ_ONLY)), 0);
	guest.domain->is_privileged = true;
	for (uint32_t i = 0; i < ARRAY_SIZE(area); i++) {
		CU_ASSERT_EQUAL(guest_maps(FREE_VA(i), pte(area[i], WRITABLE)), 0);
		CU_ASSERT_EQUAL(words_of(guest.page[L1_SECOND])[i], pte(page, WRITABLE));
	}
	CU_ASSERT_EQUAL(type_references(page), ARRAY_SIZE(area));
	CU_ASSERT_NOT_EQUAL(guest_maps(FREE_VA(3), pte(0x7f, READ_ONLY)), 0);
	CU_ASSERT_NOT_EQUAL(guest_maps(FREE_VA(3), pte(0x100, READ_ONLY)), 0);
	all_is_counted();
	guest.domain->is_privileged = false;
	table_bios_page = mfn(0);
}

static void entry_that_is_not_present_and_names_memory_is_refused_where_the_cpu_leaks(void)
{
	struct memory_guest guest = given_guest(1);

	speculation_l1tf_limit = FAKE_RAM_BYTES;
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], PTE_WRITABLE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	speculation_l1tf_limit = 0;
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], PTE_WRITABLE)), 0);
	all_is_counted();
}

static void cache_and_global_bits_are_taken_away(void)
{
	struct memory_guest guest = given_guest(1);

	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], PTE_PRESENT | PTE_WRITE_THROUGH | PTE_CACHE_OFF | PTE_LARGE |
						   PTE_GLOBAL | PTE_AVAIL)), 0);
	CU_ASSERT_EQUAL(words_of(guest.page[L1_SECOND])[0], pte(guest.page[DATA], READ_ONLY | PTE_AVAIL));
	/* On an entry that is there too. */
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(guest.page[DATA], READ_ONLY | PTE_CACHE_OFF)), 0);
	CU_ASSERT_EQUAL(words_of(guest.page[L1_SECOND])[0], pte(guest.page[DATA], READ_ONLY));
	all_is_counted();
}

static void change_of_flags_alone_keeps_the_references(void)			/* F2 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t before = type_references(guest.page[DATA]);

	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, pte(guest.page[DATA], WRITABLE | PTE_NO_EXECUTE | PTE_DIRTY)), 0);
	CU_ASSERT_EQUAL(type_references(guest.page[DATA]), before);
	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, pte(guest.page[DATA], READ_ONLY)), 0);
	CU_ASSERT_EQUAL(type_references(guest.page[DATA]), before - 1);
	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, pte(guest.page[DATA + 1], WRITABLE)), 0);
	all_is_counted();
}

/* ---- upper levels ---- */

static void table_names_only_tables_one_level_below(void)			/* T4: each level, each table */
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t table = L4_KERNEL; table <= L2; table++) {
		uint32_t right = table <= L4_USER ? L3 : table + 1;

		for (uint32_t i = L4_KERNEL; i <= L1_SECOND; i++) {
			bool is_right = i == right || (right == L1 && i == L1_SECOND);

			CU_ASSERT_EQUAL(guest_updates(guest.page[table], 9, pte(guest.page[i], WRITABLE)), is_right ? 0 : -EINVAL);
		}
		CU_ASSERT_EQUAL(guest_updates(guest.page[table], 9, pte(guest.page[DATA], WRITABLE)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[table], 9, 0), 0);
		all_is_counted();
	}
}

/* One level down the core's slots would be pages, which a hypercall that reads its argument there can see. */
static void l4_maps_no_l4_and_not_itself(void)					/* T4 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t fresh = unmapped(&guest, DATA);

	for (uint32_t flags = READ_ONLY; flags <= (READ_ONLY | PTE_WRITABLE); flags += PTE_WRITABLE) {
		CU_ASSERT_EQUAL(guest_updates(guest.page[L4_KERNEL], 9, pte(guest.page[L4_KERNEL], flags)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L4_KERNEL], 9, pte(guest.page[L4_USER], flags)), -EINVAL);
		words_of(fresh)[9] = pte(fresh, flags);
		CU_ASSERT_EQUAL(guest_pins(fresh, FRAME_L4), -EINVAL);
		all_is_counted();
	}
}

static void slots_of_the_core_are_not_the_guests(void)				/* T3 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t fresh = unmapped(&guest, DATA);

	for (uint32_t i = L4_CORE_FIRST; i < L4_CORE_END; i++) {
		CU_ASSERT_EQUAL(guest_updates(guest.page[L4_KERNEL], i, pte(guest.page[L3], WRITABLE)), -EINVAL);
		CU_ASSERT_EQUAL(guest_updates(guest.page[L4_KERNEL], i, 0), -EINVAL);
		CU_ASSERT_EQUAL(guest_writes(L4_KERNEL * PAGE_SIZE + i * 8, 0, 8), -EPERM);
		words_of(fresh)[i] = pte(guest.page[L3], WRITABLE);
	}
	words_of(fresh)[L4_CORE_FIRST - 1] = words_of(fresh)[L4_CORE_END] = pte(guest.page[L3], WRITABLE);
	CU_ASSERT_EQUAL(guest_pins(fresh, FRAME_L4), 0);
	CU_ASSERT_EQUAL(type_references(guest.page[L3]), 4);
	CU_ASSERT_EQUAL(memcmp(&words_of(fresh)[L4_CORE_FIRST], &core_l4[L4_CORE_FIRST], 16 * 8), 0);
	CU_ASSERT_EQUAL(guest_maps(0xffff800000000000, 0), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(0xffff87fffffff000, 0), -EINVAL);
	CU_ASSERT_EQUAL(guest_unpins(fresh), 0);
	fake_deferred_steps(current_vcpu(), UINT32_MAX);
	CU_ASSERT_EQUAL(type_references(guest.page[L3]), 2);
	all_is_counted();
}

/* ---- validation ---- */

static void table_that_is_refused_keeps_no_reference(void)			/* F2: the bad entry at each place */
{
	struct memory_guest other = given_guest(2), guest = given_guest(1);
	uint64_t table = unmapped(&guest, DATA), page = guest.page[DATA + 1];

	for (uint32_t bad = 0; bad < 512; bad += 73) {
		for (uint32_t i = 0; i < 512; i++)
			words_of(table)[i] = pte(i == bad ? other.page[DATA] : page, WRITABLE);
		CU_ASSERT_EQUAL(guest_pins(table, FRAME_L1), -EINVAL);
		CU_ASSERT_EQUAL(type_references(page), 1);
		CU_ASSERT_EQUAL(frame_at(mfn(table))->count, FRAME_ALLOCATED | 1);
		all_is_counted();
	}
}

static void table_whose_children_are_refused_keeps_none(void)			/* F2, preempted at each point */
{
	struct memory_guest guest = given_guest(1);
	uint64_t l2 = unmapped(&guest, DATA), good = unmapped(&guest, DATA + 1), bad = unmapped(&guest, DATA + 2);

	words_of(bad)[511] = pte(guest.page[L4_KERNEL], WRITABLE);
	for (uint32_t every = 0; every < 20; every++) {
		for (uint32_t i = 0; i < 512; i++)
			words_of(l2)[i] = pte(i == 300 ? bad : good, WRITABLE);
		fake.preempt_every = every == 1 ? 0 : every;
		CU_ASSERT_EQUAL(guest_pins(l2, FRAME_L2), -EBUSY);
		fake.preempt_every = 0;
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		CU_ASSERT_EQUAL(type_references(good), 0);
		CU_ASSERT_EQUAL(type_references(guest.page[L4_KERNEL]), 2);
		all_is_counted();
	}
}

/* L2s, each with its L1s, below a full L3. */
static uint64_t given_deep_tree(struct memory_guest *guest, uint64_t *page)
{
	uint64_t l3 = given_page(guest->domain);

	*page = unmapped(guest, DATA);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t l2 = given_page(guest->domain), l1 = given_page(guest->domain);

		for (uint32_t j = 0; j < 512; j++) {
			words_of(l1)[j] = pte(*page, j & 1 ? WRITABLE : READ_ONLY);
			words_of(l2)[j] = j % 3 ? pte(l1, WRITABLE) : 0;
		}
		for (uint32_t j = i; j < 512; j += 3)
			words_of(l3)[j] = pte(l2, WRITABLE);
	}
	return l3;
}

static void validation_that_is_stopped_anywhere_comes_to_the_same_end(void)	/* F2 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t page, l3 = given_deep_tree(&guest, &page);
	uint32_t continued = 0;

	for (uint32_t every = 2; every < 40; every++) {
		fake.preempt_every = every;
		CU_ASSERT_EQUAL(guest_pins(l3, FRAME_L3), 0);
		continued += guest_call_continued;
		fake.preempt_every = 0;
		CU_ASSERT_EQUAL(type_references(page), 3 * 256);
		all_is_counted();
		fake.preempt_every = every;
		CU_ASSERT_EQUAL(guest_unpins(l3), 0);
		fake.preempt_every = 0;
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		CU_ASSERT_EQUAL(type_references(page), 0);
		all_is_counted();
	}
	CU_ASSERT(continued > 38);
}

static void half_a_table_is_counted_and_cannot_be_written(void)			/* F1, F2: stopped after each number of stops */
{
	struct memory_guest guest = given_guest(1);
	uint64_t page, l3 = given_deep_tree(&guest, &page);

	fake.preempt_every = 2;
	for (guest_call_tries = 0; guest_call_tries < 40; guest_call_tries++) {
		if (guest_pins(l3, FRAME_L3) == 0)
			break;
		all_is_counted();
		for (struct frame *frame = frame_at(mfn(guest.domain->page_list)); frame_number(frame).raw;
		     frame = frame_at(mfn(frame->next))) {
			if (!(frame->type & FRAME_PARTIAL))
				continue;
			CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(frame_number(frame).raw, WRITABLE)), -EBUSY);
			CU_ASSERT_EQUAL(guest_updates(frame_number(frame).raw, 500, 0), -EINVAL);
		}
		all_is_counted();
	}
	CU_ASSERT(guest_call_tries > 5);
	guest_call_tries = UINT32_MAX;
	fake.preempt_every = 0;
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

/* As on Xen: a kernel writes to a page that was a table as soon as it has taken out what led to it. */
static void what_a_table_alone_held_can_be_mapped_writable_at_once(void)	/* F1 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t l2 = given_page(guest.domain), l1 = given_page(guest.domain);
	struct mmu_update *updates = fake_guest_memory(2 * sizeof(*updates));

	words_of(l2)[0] = pte(l1, WRITABLE);
	CU_ASSERT_EQUAL(guest_updates(guest.page[L3], 1, pte(l2, WRITABLE)), 0);
	CU_ASSERT_EQUAL(type_references(l1), 1);
	updates[0] = (struct mmu_update){ .ptr = guest.page[L3] << PAGE_SHIFT | 8, .val = 0 };
	updates[1] = (struct mmu_update){ .ptr = guest.page[L1_SECOND] << PAGE_SHIFT, .val = pte(l1, WRITABLE) };
	guest_call_tries = 3;
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(updates), 2, 0, DOMID_SELF), 0);
	CU_ASSERT_EQUAL(guest_call_continued, 1);
	all_is_counted();
	/* What others hold, too, is refused, when nothing is left to wait for. */
	CU_ASSERT_EQUAL(guest_updates(guest.page[L3], 1, pte(l2, WRITABLE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_updates(guest.page[L1_SECOND], 0, 0), 0);
	CU_ASSERT_EQUAL(guest_updates(guest.page[L3], 1, pte(l2, WRITABLE)), 0);
	updates[1].val = pte(guest.page[L1], WRITABLE);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(updates), 2, 0, DOMID_SELF), -EBUSY);
	CU_ASSERT_EQUAL(guest_call_continued, 1);
	guest_call_tries = UINT32_MAX;
	all_is_counted();
}

static void half_a_table_that_is_wanted_as_another_is_taken_apart_first(void)	/* F1 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t l2 = given_page(guest.domain), l1 = given_page(guest.domain);

	for (uint32_t i = 0; i < 512; i++)
		words_of(l2)[i] = i % 8 ? pte(l1, WRITABLE) : 0;	/* none where a stop could be counted on */
	fake.preempt_every = 1;
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(guest_pins(l2, FRAME_L2), -ERESTART);
	guest_call_tries = UINT32_MAX;
	fake.preempt_every = 0;
	CU_ASSERT_NOT_EQUAL(frame_at(mfn(l2))->type & FRAME_PARTIAL, 0);
	CU_ASSERT_EQUAL(type_references(l1), 0);
	CU_ASSERT_EQUAL(guest_pins(l2, FRAME_L1), 0);	/* and what was an L1 is now mapped writable */
	CU_ASSERT_EQUAL(type_references(l1), 448);
	all_is_counted();
}

static void every_level_comes_apart_a_table_at_a_step(void)			/* F2, while each step waits */
{
	struct memory_guest guest = given_guest(1);
	uint64_t page, l3 = given_deep_tree(&guest, &page);
	uint32_t steps = 0;

	CU_ASSERT_EQUAL(guest_pins(l3, FRAME_L3), 0);
	CU_ASSERT_EQUAL(guest_unpins(l3), 0);
	while (current_vcpu()->deferred_tables) {
		all_is_counted();
		fake_deferred_steps(current_vcpu(), 1);
		steps++;
	}
	CU_ASSERT_EQUAL(steps, 7);
	all_is_counted();
}

/* ---- what another domain lends ---- */

struct loan { struct memory_guest lender, user; uint64_t number; grant_handle_t handle; };

static long grant_op(uint32_t command, void *operation)
{
	return guest_call(__HYPERVISOR_grant_table_op, command, guest_address(operation), 1, 0);
}

static struct loan given_loan(uint64_t va, uint32_t flags)
{
	struct loan loan = { .lender = given_guest(1), .user = given_guest(2) };
	struct gnttab_map_grant_ref *map = GUEST_COPY(struct gnttab_map_grant_ref, .host_addr = va, .dom = 1, .ref = 5,
						      .flags = GNTMAP_host_map | flags);

	loan.number = loan.lender.page[DATA];
	*grant_entry(loan.lender.domain->grants, 5) =
		(struct grant_entry_v1){ .flags = GTF_permit_access, .domid = 2, .frame = (uint32_t)loan.number };
	fake_on_cpu(1);			/* each on a CPU of its own, as back-ends are */
	fake_switch_to(loan.lender.domain->vcpu[0]);
	fake_on_cpu(0);
	fake_switch_to(loan.user.domain->vcpu[0]);
	CU_ASSERT_EQUAL(grant_op(GNTTABOP_map_grant_ref, map), 0);
	CU_ASSERT_EQUAL(map->status, GNTST_okay);
	loan.handle = map->handle;
	all_is_counted();
	return loan;
}

static int unmap(const struct loan *loan, uint64_t va)
{
	struct gnttab_unmap_grant_ref *op = GUEST_COPY(struct gnttab_unmap_grant_ref, .host_addr = va, .handle = loan->handle);

	CU_ASSERT_EQUAL(grant_op(GNTTABOP_unmap_grant_ref, op), 0);
	return op->status;
}

static void what_is_not_lent_any_more_is_reached_by_no_other_address(void)	/* T5, G1 */
{
	struct loan loan = given_loan(FREE_VA(0), 0);

	/* The same L1 once more: one entry, two addresses, and both in the TLB. */
	CU_ASSERT_EQUAL(guest_updates(loan.user.page[L2], 2, pte(loan.user.page[L1_SECOND], WRITABLE)), 0);
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(FREE_VA(0), true));
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(ALIAS_VA(0), true));
	CU_ASSERT_EQUAL(unmap(&loan, FREE_VA(0)), GNTST_okay);
	CU_ASSERT_PTR_NULL(fake_guest_touch(FREE_VA(0), true));
	CU_ASSERT_PTR_NULL(fake_guest_touch(ALIAS_VA(0), true));
	all_is_counted();
}

static void lent_frame_whose_entry_goes_is_flushed_first(void)			/* T5: each way an entry can go */
{
	for (uint32_t way = 0; way < 4; way++) {
		struct loan loan;

		fake_reset();
		loan = given_loan(FREE_VA(0), 0);
		CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(FREE_VA(0), true));
		if (way == 0)
			CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
		if (way == 1)
			CU_ASSERT_EQUAL(guest_updates(loan.user.page[L1_SECOND], 0, pte(loan.user.page[DATA], WRITABLE)), 0);
		if (way == 2)
			CU_ASSERT_EQUAL(guest_updates(loan.user.page[L2], 1, 0), 0);
		if (way == 3)
			CU_ASSERT_EQUAL(guest_writes(L1_SECOND * PAGE_SIZE, 0, 8), 0);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		all_is_counted();
		CU_ASSERT_EQUAL(guest_updates(loan.user.page[L2], 1, 0), 0);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		CU_ASSERT_PTR_NULL(fake_guest_touch(FREE_VA(0), true));
		all_is_counted();
		CU_ASSERT_EQUAL(type_references(loan.number), 1);
	}
}

static void lent_frame_is_not_made_writable_by_its_user(void)			/* G3 */
{
	struct loan loan = given_loan(FREE_VA(0), GNTMAP_readonly);

	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(loan.number, WRITABLE)), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(1), pte(loan.number, READ_ONLY)), -EINVAL);
	CU_ASSERT_EQUAL(guest_writes(L1_SECOND * PAGE_SIZE, WRITABLE, 1), -EPERM);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(loan.number, READ_ONLY | PTE_NO_EXECUTE)), 0);
	CU_ASSERT_PTR_NULL(fake_guest_touch(FREE_VA(0), true));
	all_is_counted();
}

static void lender_that_is_gone_leaves_its_frame_to_its_user(void)		/* G1, D1 */
{
	struct loan loan = given_loan(FREE_VA(0), 0);

	fake_on_cpu(1);
	fake_switch_to(NULL);
	fake_on_cpu(0);
	CU_ASSERT_EQUAL(guest_ends(loan.lender.domain), 0);
	CU_ASSERT_PTR_EQUAL(domain_find(loan.lender.domain->id), loan.lender.domain);
	fake_switch_to(loan.user.domain->vcpu[0]);
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(FREE_VA(0), true));
	all_is_counted();
	CU_ASSERT_EQUAL(unmap(&loan, FREE_VA(0)), GNTST_okay);
	all_is_counted();
	CU_ASSERT_NOT_EQUAL(this_cpu()->softirqs & 1ULL << SOFTIRQ_DOMAIN, 0);
	domain_end_dead();
	CU_ASSERT_PTR_NULL(domain_find(1));
	all_is_counted();
}

/* ---- the privileged domain ---- */

static void only_the_privileged_domain_maps_and_changes_what_is_anothers(void)
{
	struct memory_guest zero = given_guest(0), other = given_guest(2), guest = given_guest(1);
	struct mmu_update *request = GUEST_COPY(struct mmu_update, .ptr = other.page[L1_SECOND] << PAGE_SHIFT,
						.val = pte(other.page[DATA], WRITABLE));

	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0), pte(other.page[DATA], READ_ONLY), 0, 2),
			-EPERM);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, 2 | 3UL << 16), -EPERM);
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(0), pte(other.page[DATA], WRITABLE), 0, 2), 0);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(1), pte(other.page[L1], WRITABLE), 0, 2), -EBUSY);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping_otherdomain, FREE_VA(1), pte(guest.page[DATA], WRITABLE), 0, 2), -EINVAL);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, 2 | 3UL << 16), 0);
	/* In another's table only the owner's own frames. */
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, DOMID_SELF | 3UL << 16), -EPERM);
	all_is_counted();
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(FREE_VA(0), true));
	CU_ASSERT_EQUAL(guest_ends(other.domain), 0);
	CU_ASSERT_PTR_EQUAL(domain_find(2), other.domain);
	all_is_counted();
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	CU_ASSERT_PTR_NULL(fake_guest_touch(FREE_VA(0), true));
	domain_end_dead();
	CU_ASSERT_PTR_NULL(domain_find(2));
	all_is_counted();
}

/* ---- what is no update, and flushes ---- */

static void updates_of_no_kind_change_nothing(void)
{
	struct memory_guest guest = given_guest(1);
	uint64_t page = unmapped(&guest, DATA), then = words_of(guest.page[L1])[0];

	for (uint64_t command = MMU_PT_UPDATE_NO_TRANSLATE + 1; command < 8; command++) {
		struct mmu_update *request = GUEST_COPY(struct mmu_update, .ptr = page << PAGE_SHIFT | command, .val = 7);

		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmu_update, guest_address(request), 1, 0, DOMID_SELF), -EINVAL);
	}
	CU_ASSERT_EQUAL(words_of(page)[0], 0);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping, FREE_VA(0), 0, 3, 0), -ENOSYS);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_va_mapping, FREE_VA(0), 0, UVMF_TLB_FLUSH | 0x1000, 0), -EFAULT);
	CU_ASSERT_EQUAL(words_of(guest.page[L1])[0], then);
	all_is_counted();
}

static long flush_of_vcpus(uint32_t command, uint64_t va, uint64_t mask)
{
	struct mmuext_op *op = GUEST_COPY(struct mmuext_op, .cmd = command, .arg1.linear_addr = va);

	op->arg2.vcpumask.p = GUEST_COPY(uint64_t, mask);
	fake.tlb_flushes = fake.tlb_page_flushes = 0;
	fake.tlb_flushed_cpus = 0;
	return guest_call(__HYPERVISOR_mmuext_op, guest_address(op), 1, 0, DOMID_SELF);
}

static void what_guests_have_no_use_for_is_refused(void)
{
	given_guest(1);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_FLUSH_CACHE, 0), -EACCES);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0), -EACCES);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_CLEAR_PAGE, 0), -ENOSYS);
}

/* Who does not run has flushed when he last left his CPU, or does before he comes back. */
static void flush_of_many_is_one_and_not_for_who_does_not_run(void)
{
	struct domain *domain = given_domain_with(1, 4, false);
	struct memory_guest guest = { .domain = domain };

	domain->frame_limit = 512;
	CU_ASSERT_FATAL(memory_guest_build(&guest));
	fake_switch_to(domain->vcpu[0]);
	for (uint32_t i = 1; i < 4; i++) {
		domain->vcpu[i]->cpu = cpu_by_id[i];
		domain->vcpu[i]->is_running = i != 2;
	}
	domain->dirty_cpus = 0xf;
	CU_ASSERT_EQUAL(flush_of_vcpus(MMUEXT_TLB_FLUSH_MULTI, 0, UINT64_MAX), 0);
	CU_ASSERT_EQUAL(fake.tlb_flushes, 1);
	CU_ASSERT_EQUAL(fake.tlb_flushed_cpus, 0xb);
	CU_ASSERT_EQUAL(flush_of_vcpus(MMUEXT_INVLPG_MULTI, FREE_VA(0), 1 << 3 | 1 << 2), 0);
	CU_ASSERT_EQUAL(fake.tlb_page_flushes, 1);
	CU_ASSERT_EQUAL(fake.tlb_flushed_cpus, 0x8);
	CU_ASSERT_EQUAL(flush_of_vcpus(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
	CU_ASSERT_EQUAL(fake.tlb_flushed_cpus, 0xf);
	CU_ASSERT_EQUAL(flush_of_vcpus(MMUEXT_INVLPG_LOCAL, 0xffff800000000000, 0), 0);	/* the core's */
	CU_ASSERT_EQUAL(fake.tlb_page_flushes, 0);
	for (uint32_t i = 1; i < 4; i++)
		domain->vcpu[i]->is_running = false;
}

/* ---- base pointers, descriptor tables ---- */

static void base_pointer_keeps_its_tables(void)					/* F2 */
{
	struct memory_guest guest = given_guest(1);
	__typeof__(fake.base_loads) loads;

	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, guest.page[L3]), -EINVAL);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, guest.page[DATA]), -EINVAL);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, 0), -EINVAL);
	CU_ASSERT_EQUAL(guest_unpins(guest.page[L4_KERNEL]), 0);
	CU_ASSERT_EQUAL(type_references(guest.page[L4_KERNEL]), 1);
	loads = fake.base_loads;
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, guest.page[L4_KERNEL]), 0);	/* no other, and yet a flush, as of a CPU's cr3 */
	CU_ASSERT_EQUAL(fake.base_loads, loads + 1);
	CU_ASSERT_EQUAL(type_references(guest.page[L4_KERNEL]), 1);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_BASEPTR, guest.page[L4_USER]), 0);
	CU_ASSERT_EQUAL(guest_ext(MMUEXT_NEW_USER_BASEPTR, 0), 0);
	fake_deferred_steps(current_vcpu(), UINT32_MAX);
	CU_ASSERT_EQUAL(type_references(guest.page[L4_KERNEL]), 0);
	CU_ASSERT_EQUAL(type_references(guest.page[L3]), 1);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_maps(0, pte(guest.page[L4_KERNEL], WRITABLE)), 0);
	all_is_counted();
}

static long set_gdt(const uint64_t *list, uint32_t entries)
{
	uint64_t *copy = fake_guest_memory(14 * sizeof(uint64_t));

	memcpy(copy, list, (entries + 511) / 512 * sizeof(uint64_t));
	return guest_call(__HYPERVISOR_set_gdt, guest_address(copy), entries, 0, 0);
}

static void descriptor_that_could_enter_the_core_is_refused(void)
{
	static const uint64_t gates[] = { 0x0000ee000008ffff, 0x00008e0000080000, 0x00008900000000ff, 0x0000820000000000,
					  0x00008c0000080000, 0x000085000008ffff };
	struct memory_guest guest = given_guest(1);
	uint64_t page = unmapped(&guest, DATA);

	for (uint32_t i = 0; i < ARRAY_SIZE(gates); i++) {
		words_of(page)[511] = gates[i];
		CU_ASSERT_EQUAL(set_gdt(&page, 1), -EINVAL);
	}
	words_of(page)[511] = 0x00cf9a000000ffff;	/* ring 0 becomes ring 3 */
	CU_ASSERT_EQUAL(set_gdt(&page, 1), 0);
	CU_ASSERT_EQUAL(words_of(page)[511], 0x00cffa000000ffff);
	for (uint32_t i = 0; i < ARRAY_SIZE(gates); i++)
		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_update_descriptor, page << PAGE_SHIFT | 8, gates[i], 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(page, WRITABLE)), -EBUSY);
	CU_ASSERT_EQUAL(guest_updates(page, 3, gates[0]), -EINVAL);
	all_is_counted();
	CU_ASSERT_EQUAL(set_gdt(&page, 0), 0);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(page, WRITABLE)), 0);
	all_is_counted();
}

static void gdt_that_is_refused_leaves_the_old_one(void)			/* F2 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t list[3] = { unmapped(&guest, DATA), unmapped(&guest, DATA + 1), guest.page[L1] };

	CU_ASSERT_EQUAL(set_gdt(list, 600), 0);
	CU_ASSERT_NOT_EQUAL(set_gdt(list, 1100), 0);
	CU_ASSERT_EQUAL(guest.domain->vcpu[0]->gdt_entries, 600);
	CU_ASSERT_EQUAL(type_references(list[1]), 1);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

static void descriptor_tables_that_are_too_large_or_in_the_wrong_place_are_refused(void)
{
	struct memory_guest guest = given_guest(1);
	struct mmuext_op *op = GUEST_COPY(struct mmuext_op, .cmd = MMUEXT_SET_LDT);
	static const struct { uint64_t base; uint32_t entries; } bad[] = { { 0, 8193 }, { 8, 1 }, { 0xffff800000000000, 1 }, { 0x800000000000, 1 } };
	uint64_t page = unmapped(&guest, DATA);

	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_set_gdt, guest_address(GUEST_COPY(uint64_t, page)), 7169, 0, 0), -EINVAL);
	CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_set_gdt, guest_address(GUEST_COPY(uint64_t, page)), 1UL << 32, 0, 0), -EINVAL);
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		op->arg1.linear_addr = bad[i].base;
		op->arg2.nr_ents = bad[i].entries;
		CU_ASSERT_EQUAL(guest_call(__HYPERVISOR_mmuext_op, guest_address(op), 1, 0, DOMID_SELF), -EINVAL);
	}
	CU_ASSERT_EQUAL(guest.domain->vcpu[0]->gdt_entries, 0);
	CU_ASSERT_EQUAL(guest.domain->vcpu[0]->ldt_entries, 0);
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(entry_for_a_frame_of_another_or_of_nobody_is_refused),
	UNIT_CASE(table_is_never_mapped_writable),
	UNIT_CASE(bits_that_are_not_the_guests_are_refused),
	UNIT_CASE(bits_that_no_cpu_looks_at_are_the_guests),
	UNIT_CASE(a_bios_area_is_one_page_for_domain_zero_and_nothing_for_others),
	UNIT_CASE(entry_that_is_not_present_and_names_memory_is_refused_where_the_cpu_leaks),
	UNIT_CASE(cache_and_global_bits_are_taken_away),
	UNIT_CASE(change_of_flags_alone_keeps_the_references),
	UNIT_CASE(table_names_only_tables_one_level_below),
	UNIT_CASE(l4_maps_no_l4_and_not_itself),
	UNIT_CASE(slots_of_the_core_are_not_the_guests),
	UNIT_CASE(table_that_is_refused_keeps_no_reference),
	UNIT_CASE(table_whose_children_are_refused_keeps_none),
	UNIT_CASE(validation_that_is_stopped_anywhere_comes_to_the_same_end),
	UNIT_CASE(half_a_table_is_counted_and_cannot_be_written),
	UNIT_CASE(what_a_table_alone_held_can_be_mapped_writable_at_once),
	UNIT_CASE(half_a_table_that_is_wanted_as_another_is_taken_apart_first),
	UNIT_CASE(every_level_comes_apart_a_table_at_a_step),
	UNIT_CASE(what_is_not_lent_any_more_is_reached_by_no_other_address),
	UNIT_CASE(lent_frame_whose_entry_goes_is_flushed_first),
	UNIT_CASE(lent_frame_is_not_made_writable_by_its_user),
	UNIT_CASE(lender_that_is_gone_leaves_its_frame_to_its_user),
	UNIT_CASE(only_the_privileged_domain_maps_and_changes_what_is_anothers),
	UNIT_CASE(updates_of_no_kind_change_nothing),
	UNIT_CASE(what_guests_have_no_use_for_is_refused),
	UNIT_CASE(flush_of_many_is_one_and_not_for_who_does_not_run),
	UNIT_CASE(base_pointer_keeps_its_tables),
	UNIT_CASE(descriptor_that_could_enter_the_core_is_refused),
	UNIT_CASE(gdt_that_is_refused_leaves_the_old_one),
	UNIT_CASE(descriptor_tables_that_are_too_large_or_in_the_wrong_place_are_refused),
};

int main(void)
{
	return unit_run("table", cases, ARRAY_SIZE(cases));
}
