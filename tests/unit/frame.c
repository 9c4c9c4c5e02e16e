/* SPDX-License-Identifier: MIT */
/* References to frames, general and by type: F1 to F6 of mem/frame.h. What must be refused first. */
#include "unit.h"

#include "cpu/directmap.h"
#include "cpu/tlb.h"
#include "driver.h"
#include "include/errno.h"
#include "lib/string.h"
#include "mem/alloc.h"
#include "mem/deferred.h"
#include "mem/frame.h"
#include "mem/pagelist.h"
#include "memory_guest.h"
#include "memory_oracle.h"
#include "tables.h"

#define FREE_VA(i)	(0x200000UL + (i) * PAGE_SIZE)	/* nothing is mapped there */

static void all_is_counted(void)
{
	const char *wrong = memory_oracle_complaint();

	if (wrong)
		fprintf(stderr, "  %s\n", wrong);
	CU_ASSERT_PTR_NULL(wrong);
}

/* A page of zeroes, without a mapping: it can become anything. */
static struct frame *given_plain(struct domain *domain)
{
	mfn_t number;

	CU_ASSERT_EQUAL_FATAL(frame_alloc_for(domain, 0, 0, &number), 0);
	return frame_at(number);
}

static int take(struct frame *frame, enum frame_type type)
{
	struct domain *domain = domain_find(frame->owner);
	struct domain_locked owner = domain_lock(domain);
	struct frame *taken;
	int error = frame_get_as(frame_number(frame), domain, type, &taken);

	domain_unlock(owner);
	return error;
}

static void drop(struct frame *frame)
{
	struct domain_locked owner = domain_lock(domain_find(frame->owner));

	frame_put_as(frame, frame_type_of(frame->type));
	domain_unlock(owner);
}

static uint64_t references(const struct frame *frame) { return frame->count & FRAME_COUNT_MASK; }
static uint64_t type_references(const struct frame *frame) { return frame->type & FRAME_TYPE_COUNT_MASK; }

static const enum frame_type all_types[] = { FRAME_L1, FRAME_L2, FRAME_L3, FRAME_L4, FRAME_SEGMENT, FRAME_WRITABLE };

/* ---- who gets a reference ---- */

static void frames_that_are_not_ones_own_cannot_be_referred_to(void)
{
	struct memory_guest a = given_guest(1), b = given_guest(2);
	mfn_t core = frame_alloc(0);

	CU_ASSERT_PTR_NULL(frame_get(mfn(a.page[DATA]), b.domain));
	CU_ASSERT_PTR_NULL(frame_get(core, b.domain));
	CU_ASSERT_PTR_NULL(frame_get(mfn(0), b.domain));
	CU_ASSERT_PTR_NULL(frame_get(mfn(FAKE_FRAME_LIMIT - 1), b.domain));
	CU_ASSERT_PTR_NULL(frame_get(mfn(UINT64_MAX), b.domain));
	CU_ASSERT_PTR_NULL(frame_get(mfn(1UL << 40), b.domain));
	frame_free(core, 0);
	all_is_counted();
}

static void references_cannot_be_made_to_overflow(void)		/* F3 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *frame = given_plain(guest.domain), before = *frame;

	frame->count = FRAME_ALLOCATED | FRAME_COUNT_MASK;
	CU_ASSERT_PTR_NULL(frame_get(frame_number(frame), guest.domain));
	frame->count = FRAME_ALLOCATED | 2;
	frame->type = (uint64_t)FRAME_WRITABLE << FRAME_TYPE_SHIFT | FRAME_VALIDATED | FRAME_TYPE_COUNT_MASK;
	CU_ASSERT_EQUAL(take(frame, FRAME_WRITABLE), -EBUSY);
	*frame = before;
	all_is_counted();
}

/* ---- one use at a time ---- */

static void frame_in_use_gets_no_other_type(void)		/* F1, F3: each pair */
{
	struct memory_guest guest = given_guest(1);

	for (uint32_t i = 0; i < ARRAY_SIZE(all_types); i++) {
		for (uint32_t j = 0; j < ARRAY_SIZE(all_types); j++) {
			struct frame *frame = given_plain(guest.domain);

			CU_ASSERT_EQUAL(take(frame, all_types[i]), 0);
			CU_ASSERT_EQUAL(take(frame, all_types[j]), i == j ? 0 : all_types[j] == FRAME_WRITABLE ? -EBUSY : -EINVAL);
			CU_ASSERT_EQUAL(references(frame), i == j ? 3 : 2);
			CU_ASSERT_EQUAL(type_references(frame), i == j ? 2 : 1);
			for (uint64_t left = type_references(frame); left; left--)
				drop(frame);
			fake_deferred_steps(current_vcpu(), UINT32_MAX);
			page_clear(words_of(frame_number(frame).raw));	/* of the core's slots, if it was an L4 */
			CU_ASSERT_EQUAL_FATAL(take(frame, all_types[j]), 0);
			drop(frame);
			fake_deferred_steps(current_vcpu(), UINT32_MAX);
			all_is_counted();
			frame_give_up(frame);
		}
	}
	all_is_counted();
}

static struct frame *watched;
static bool was_usable, was_flushed, was_noted;

uint32_t tlb_clock(void)
{
	if (watched) {
		was_noted = true;
		was_usable |= watched->type & FRAME_VALIDATED;
	}
	return fake_tlb_clock();
}

static void watch_flush(cpumask_t cpus, uint64_t address)
{
	was_flushed = true;
	was_usable |= watched->type & FRAME_VALIDATED;
}

/* Another vcpu could write a table to it, which a CPU still walks. */
static void nobody_else_may_write_to_what_was_a_table_until_it_is_flushed(void)	/* F1 */
{
	struct memory_guest guest = given_guest(1);
	void (*model)(cpumask_t cpus, uint64_t address) = fake.tlb_watcher;

	watched = given_plain(guest.domain);
	CU_ASSERT_EQUAL(take(watched, FRAME_L1), 0);
	drop(watched);
	fake_deferred_steps(current_vcpu(), UINT32_MAX);
	was_usable = was_flushed = was_noted = false;
	fake.tlb_watcher = watch_flush;
	CU_ASSERT_EQUAL(take(watched, FRAME_WRITABLE), 0);
	fake.tlb_watcher = model;
	CU_ASSERT_TRUE(was_flushed);
	CU_ASSERT_FALSE(was_usable);
	CU_ASSERT_EQUAL(take(watched, FRAME_WRITABLE), 0);
	drop(watched);
	CU_ASSERT_FALSE(was_noted);
	drop(watched);		/* or another could map it, write and be gone between the time that is noted and the end */
	CU_ASSERT_TRUE(was_noted);
	CU_ASSERT_FALSE(was_usable);
	watched = NULL;
	all_is_counted();
}

static void table_that_is_to_be_taken_apart_is_waited_for(void)	/* F2 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *frame = given_plain(guest.domain);

	for (uint32_t i = 0; i < ARRAY_SIZE(all_types); i++) {
		page_clear(words_of(frame_number(frame).raw));
		CU_ASSERT_EQUAL_FATAL(take(frame, FRAME_L2), 0);
		drop(frame);
		all_is_counted();
		CU_ASSERT_EQUAL(take(frame, all_types[i]), -ERESTART);
		CU_ASSERT_EQUAL(references(frame), 2);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		CU_ASSERT_EQUAL_FATAL(take(frame, all_types[i]), 0);
		drop(frame);
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		all_is_counted();
	}
}

static void table_of_another_that_is_taken_apart_is_busy(void)
{
	struct memory_guest zero = given_guest(0), guest = given_guest(1);
	struct frame *frame = given_plain(guest.domain);

	CU_ASSERT_EQUAL(take(frame, FRAME_L1), 0);
	drop(frame);
	fake_switch_to(zero.domain->vcpu[0]);
	CU_ASSERT_EQUAL(take(frame, FRAME_WRITABLE), -EBUSY);
	all_is_counted();
}

/* ---- stale translations ---- */

static void stale_translation_ends_before_the_frame_becomes_a_table(void)	/* F1 */
{
	for (uint32_t i = 0; i < 5; i++) {
		struct memory_guest guest = given_guest(10 + i);
		uint64_t va = DATA * PAGE_SIZE;

		CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(va, true));
		CU_ASSERT_EQUAL(guest_maps(va, 0), 0);
		CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(va, true));	/* the guest asked for no flush */
		all_is_counted();
		CU_ASSERT_EQUAL(take(frame_at(mfn(guest.page[DATA])), all_types[i]), 0);
		CU_ASSERT_PTR_NULL(fake_guest_touch(va, true));
		drop(frame_at(mfn(guest.page[DATA])));
		fake_deferred_steps(current_vcpu(), UINT32_MAX);
		all_is_counted();
	}
}

static void stale_translation_on_another_cpu_ends_too(void)		/* F1 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t va = DATA * PAGE_SIZE;

	guest.domain->vcpu[1]->table_kernel = mfn(guest.page[L4_KERNEL]);
	CU_ASSERT_EQUAL(take(frame_at(mfn(guest.page[L4_KERNEL])), FRAME_L4), 0);
	fake_on_cpu(1);
	fake_switch_to(guest.domain->vcpu[1]);
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(va, true));
	fake_on_cpu(0);
	CU_ASSERT_EQUAL(guest_maps(va, 0), 0);
	CU_ASSERT_EQUAL(guest_pins(guest.page[DATA], FRAME_L1), 0);
	fake_on_cpu(1);
	CU_ASSERT_PTR_NULL(fake_guest_touch(va, true));
	fake_on_cpu(0);
	all_is_counted();
}

static void frame_that_nobody_could_have_cached_costs_no_flush(void)
{
	struct memory_guest guest = given_guest(1);
	uint32_t before;

	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, 0), 0);
	tlb_flush(guest.domain->dirty_cpus, TLB_ALL_PAGES);
	before = fake.tlb_flushes;
	CU_ASSERT_EQUAL(guest_pins(guest.page[DATA], FRAME_L1), 0);
	CU_ASSERT_EQUAL(fake.tlb_flushes, before);
}

static void freed_frame_is_flushed_before_somebody_else_gets_it(void)
{
	struct memory_guest guest = given_guest(1), other = given_guest(2);
	uint64_t va = DATA * PAGE_SIZE;
	mfn_t number;

	fake_switch_to(guest.domain->vcpu[0]);
	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(va, true));
	CU_ASSERT_EQUAL(guest_maps(va, 0), 0);
	frame_give_up(frame_at(mfn(guest.page[DATA])));
	CU_ASSERT_EQUAL(frame_at(mfn(guest.page[DATA]))->count, 0);
	while (frame_at(mfn(guest.page[DATA]))->count == 0)
		CU_ASSERT_EQUAL_FATAL(frame_alloc_for(other.domain, 0, 0, &number), 0);
	CU_ASSERT_PTR_NULL(fake_guest_touch(va, false));
	all_is_counted();
}

/* ---- the end of frames ---- */

static void frame_that_is_given_up_lives_as_long_as_a_reference(void)	/* F3 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *frame = frame_at(mfn(guest.page[DATA]));
	uint64_t before = frames_free();

	CU_ASSERT_TRUE(frame_give_up(frame));
	CU_ASSERT_FALSE(frame_give_up(frame));
	CU_ASSERT_EQUAL(frames_free(), before);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, 0), 0);
	CU_ASSERT_EQUAL(frames_free(), before + 1);
	all_is_counted();
}

static void pinned_or_half_validated_frame_does_not_outlive_its_domain(void)	/* F3 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *pinned = given_plain(guest.domain), *partial = given_plain(guest.domain), *inner = given_plain(guest.domain);

	CU_ASSERT_EQUAL(guest_pins(frame_number(pinned).raw, FRAME_L1), 0);
	for (uint32_t i = 0; i < 512; i++)
		words_of(frame_number(partial).raw)[i] = pte(frame_number(inner).raw, WRITABLE);
	fake.preempt_every = 1;
	guest_call_tries = 0;
	CU_ASSERT_EQUAL(guest_pins(frame_number(partial).raw, FRAME_L2), -ERESTART);
	fake.preempt_every = 0;
	guest_call_tries = UINT32_MAX;
	CU_ASSERT_NOT_EQUAL(partial->type & FRAME_PARTIAL, 0);
	all_is_counted();
	CU_ASSERT_TRUE(frame_give_up(pinned));
	CU_ASSERT_TRUE(frame_give_up(partial));
	CU_ASSERT_TRUE(frame_give_up(inner));
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

static void tables_that_wait_on_a_vcpu_do_not_outlive_its_domain(void)	/* F2, F3 */
{
	struct memory_guest guest = given_guest(1);

	CU_ASSERT_EQUAL(guest_pins(guest.page[L1], FRAME_L1), 0);
	CU_ASSERT_EQUAL(take(given_plain(guest.domain), FRAME_L3), 0);
	drop(frame_at(mfn(guest.domain->page_list)));
	CU_ASSERT_NOT_EQUAL(current_vcpu()->deferred_tables, 0);
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

/* However many they are, and with domctl_lock held. */
static void tables_that_wait_on_a_dead_vcpu_are_adopted_in_one_step(void)
{
	struct memory_guest guest = given_guest(1), other = given_guest(2);
	struct frame *table[3];
	uint32_t first;

	fake_switch_to(guest.domain->vcpu[0]);
	for (uint32_t i = 0; i < ARRAY_SIZE(table); i++) {
		table[i] = given_plain(guest.domain);
		CU_ASSERT_EQUAL(take(table[i], FRAME_L3), 0);
		drop(table[i]);
	}
	first = current_vcpu()->deferred_tables;
	fake_switch_to(other.domain->vcpu[0]);
	deferred_adopt(guest.domain->vcpu[0]);
	CU_ASSERT_EQUAL(current_vcpu()->deferred_tables, first);
	CU_ASSERT_EQUAL(guest.domain->vcpu[0]->deferred_tables, 0);
	all_is_counted();
	/* Who has some has enough to do, and asks again. */
	fake_switch_to(guest.domain->vcpu[0]);
	table[0] = given_plain(guest.domain);
	CU_ASSERT_EQUAL(take(table[0], FRAME_L3), 0);
	drop(table[0]);
	fake_switch_to(other.domain->vcpu[0]);
	deferred_adopt(guest.domain->vcpu[0]);
	CU_ASSERT_EQUAL(current_vcpu()->deferred_tables, first);
	CU_ASSERT_EQUAL(guest.domain->vcpu[0]->deferred_tables, frame_number(table[0]).raw);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

/* Another CPU has dropped the last one, and waits for the list's lock. */
static void a_frame_without_references_is_not_found_on_its_list(void)	/* F3 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *frame = given_plain(guest.domain), *next;

	CU_ASSERT_EQUAL_FATAL(guest.domain->page_list, frame_number(frame).raw);
	frame->count = FRAME_ALLOCATED;		/* as it was read; the references as they are */
	CU_ASSERT_TRUE(page_list_keep_next(guest.domain, &next));
	CU_ASSERT_PTR_NULL(next);
	CU_ASSERT_TRUE_FATAL(page_list_keep_next(guest.domain, &next));
	CU_ASSERT_PTR_NOT_NULL_FATAL(next);
	CU_ASSERT_PTR_NOT_EQUAL(next, frame);
	CU_ASSERT_TRUE(frame_give_up(next));
	frame_put(next);
	page_list_release(frame);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_ends(guest.domain), 0);
	all_is_counted();
}

/* In all other cases a reference is needed, which says what is wrong. */
static void frame_stays_if_its_owner_is_frozen_and_it_is_of_that_use(void)	/* F6 */
{
	struct memory_guest guest = given_guest(1), other = given_guest(2);
	struct frame *plain = given_plain(guest.domain), *written = given_plain(guest.domain), *freed = given_plain(guest.domain);
	struct frame *theirs = given_plain(other.domain), *given_up = given_plain(guest.domain);
	mfn_t gone = frame_number(freed);

	CU_ASSERT_EQUAL(take(written, FRAME_WRITABLE), 0);
	CU_ASSERT_EQUAL(take(given_up, FRAME_WRITABLE), 0);
	frame_give_up(given_up);
	frame_give_up(freed);
	CU_ASSERT_FALSE(frame_stays(frame_number(plain), guest.domain, FRAME_PLAIN));
	guest.domain->is_frozen = true;
	CU_ASSERT_TRUE(frame_stays(frame_number(plain), guest.domain, FRAME_PLAIN));
	CU_ASSERT_TRUE(frame_stays(mfn(guest.page[L1]), guest.domain, FRAME_PLAIN));
	CU_ASSERT_TRUE(frame_stays(frame_number(written), guest.domain, FRAME_WRITABLE));
	CU_ASSERT_FALSE(frame_stays(frame_number(plain), guest.domain, FRAME_WRITABLE));
	CU_ASSERT_FALSE(frame_stays(mfn(guest.page[L1]), guest.domain, FRAME_WRITABLE));
	CU_ASSERT_FALSE(frame_stays(frame_number(theirs), guest.domain, FRAME_PLAIN));
	CU_ASSERT_FALSE(frame_stays(gone, guest.domain, FRAME_PLAIN));
	CU_ASSERT_FALSE(frame_stays(frame_number(given_up), guest.domain, FRAME_PLAIN));
	CU_ASSERT_FALSE(frame_stays(frame_number(given_up), guest.domain, FRAME_WRITABLE));
	CU_ASSERT_FALSE(frame_stays(mfn(UINT64_MAX), guest.domain, FRAME_PLAIN));
	CU_ASSERT_EQUAL(references(plain) + references(written), 3);
	guest.domain->is_frozen = false;
	drop(written);
	drop(given_up);
	all_is_counted();
}

static void frame_of_dom0_s_does_not_stay_writable(void)			/* F6, R5 */
{
	struct memory_guest guest = given_guest(1);
	struct frame *frame = given_plain(guest.domain);

	CU_ASSERT_EQUAL(take(frame, FRAME_WRITABLE), 0);
	guest.domain->is_frozen = true;
	CU_ASSERT_TRUE(frame_stays(frame_number(frame), guest.domain, FRAME_WRITABLE));
	frame->count |= (uint64_t)DRIVER_HOST << FRAME_CLASS_SHIFT;
	CU_ASSERT_FALSE(frame_stays(frame_number(frame), guest.domain, FRAME_WRITABLE));
	CU_ASSERT_TRUE(frame_stays(frame_number(frame), guest.domain, FRAME_PLAIN));
	guest.domain->is_frozen = false;
	frame->count &= ~FRAME_CLASS_MASK;
	drop(frame);
	all_is_counted();
}

static void frame_in_use_cannot_be_stolen(void)
{
	struct memory_guest guest = given_guest(1);
	struct domain_locked owner = domain_lock(guest.domain);
	struct frame *frame;

	CU_ASSERT_EQUAL(frame_steal(owner, mfn(guest.page[DATA]), &frame), -EBUSY);
	CU_ASSERT_EQUAL(frame_steal(owner, virt_to_mfn(guest.domain->shared_info), &frame), -EBUSY);
	CU_ASSERT_EQUAL(frame_steal(owner, mfn(guest.page[L4_KERNEL]), &frame), -EBUSY);
	CU_ASSERT_EQUAL(frame_steal(owner, MFN_NONE, &frame), -EINVAL);
	domain_unlock(owner);
	all_is_counted();
}

/* Whoever finds the owner that it is to have finds it before page_list_add() has said all. */
static void frame_on_its_way_to_an_owner_cannot_be_had(void)	/* F3 */
{
	struct memory_guest guest = given_guest(1);
	void *page = heap_alloc(PAGE_SIZE);
	struct domain_locked owner;
	struct frame *frame;

	CU_ASSERT_EQUAL(guest_maps(DATA * PAGE_SIZE, 0), 0);
	owner = domain_lock(guest.domain);
	CU_ASSERT_EQUAL(frame_steal(owner, mfn(guest.page[DATA]), &frame), 0);
	domain_unlock(owner);
	frame->owner = guest.domain->id;
	CU_ASSERT_PTR_NULL(frame_get(frame_number(frame), guest.domain));
	page_list_add(guest.domain, frame);
	frame_of(virt_to_mfn(page))->owner = guest.domain->id;
	CU_ASSERT_PTR_NULL(frame_get(virt_to_mfn(page), guest.domain));
	frame_share(page, guest.domain);
	CU_ASSERT_TRUE(frame_unshare(page));
	heap_free(page);
	all_is_counted();
}

/* Its guest may still have it in a TLB. */
static void stolen_frame_that_comes_back_is_flushed_before_it_is_a_table(void)	/* F1 */
{
	struct memory_guest guest = given_guest(1);
	uint64_t va = DATA * PAGE_SIZE;
	struct domain_locked owner;
	struct frame *frame;

	CU_ASSERT_PTR_NOT_NULL(fake_guest_touch(va, true));
	CU_ASSERT_EQUAL(guest_maps(va, 0), 0);
	owner = domain_lock(guest.domain);
	CU_ASSERT_EQUAL(frame_steal(owner, mfn(guest.page[DATA]), &frame), 0);
	domain_unlock(owner);
	page_list_add(guest.domain, frame);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_pins(guest.page[DATA], FRAME_L1), 0);
	CU_ASSERT_PTR_NULL(fake_guest_touch(va, true));
	all_is_counted();
}

/* ---- what the core shares ---- */

static void shared_page_is_never_a_table_and_outlives_its_mappings(void)	/* F1, F3 */
{
	struct memory_guest guest = given_guest(1);
	void *page = heap_alloc(PAGE_SIZE);
	uint64_t number = virt_to_mfn(page).raw;

	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(number, READ_ONLY)), -EINVAL);
	frame_share(page, guest.domain);
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(number, WRITABLE)), 0);
	for (enum frame_type type = FRAME_L1; type <= FRAME_L4; type++)
		CU_ASSERT_EQUAL(guest_pins(number, type), -EINVAL);
	CU_ASSERT_FALSE(frame_give_up(frame_at(mfn(number))));
	CU_ASSERT_FALSE(frame_unshare(page));
	all_is_counted();
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), 0), 0);
	CU_ASSERT_TRUE(frame_unshare(page));
	CU_ASSERT_EQUAL(guest_maps(FREE_VA(0), pte(number, READ_ONLY)), -EINVAL);
	heap_free(page);
	all_is_counted();
}

/* ---- pins ---- */

static void table_is_pinned_once_and_unpinned_once(void)
{
	struct memory_guest guest = given_guest(1);

	CU_ASSERT_EQUAL(guest_unpins(guest.page[L1]), -EINVAL);
	CU_ASSERT_EQUAL(guest_pins(guest.page[L1], FRAME_L2), -EINVAL);
	CU_ASSERT_EQUAL(guest_pins(guest.page[L1], FRAME_L1), 0);
	CU_ASSERT_EQUAL(guest_pins(guest.page[L1], FRAME_L1), -EINVAL);
	all_is_counted();
	CU_ASSERT_EQUAL(guest_unpins(guest.page[L1]), 0);
	CU_ASSERT_EQUAL(guest_unpins(guest.page[L1]), -EINVAL);
	CU_ASSERT_EQUAL(guest_pins(guest.page[DATA], FRAME_L1), -EINVAL);	/* is mapped writable */
	all_is_counted();
}

static const struct unit_case cases[] = {
	UNIT_CASE(frames_that_are_not_ones_own_cannot_be_referred_to),
	UNIT_CASE(references_cannot_be_made_to_overflow),
	UNIT_CASE(frame_in_use_gets_no_other_type),
	UNIT_CASE(nobody_else_may_write_to_what_was_a_table_until_it_is_flushed),
	UNIT_CASE(table_that_is_to_be_taken_apart_is_waited_for),
	UNIT_CASE(table_of_another_that_is_taken_apart_is_busy),
	UNIT_CASE(stale_translation_ends_before_the_frame_becomes_a_table),
	UNIT_CASE(stale_translation_on_another_cpu_ends_too),
	UNIT_CASE(frame_that_nobody_could_have_cached_costs_no_flush),
	UNIT_CASE(freed_frame_is_flushed_before_somebody_else_gets_it),
	UNIT_CASE(frame_that_is_given_up_lives_as_long_as_a_reference),
	UNIT_CASE(pinned_or_half_validated_frame_does_not_outlive_its_domain),
	UNIT_CASE(tables_that_wait_on_a_vcpu_do_not_outlive_its_domain),
	UNIT_CASE(tables_that_wait_on_a_dead_vcpu_are_adopted_in_one_step),
	UNIT_CASE(frame_in_use_cannot_be_stolen),
	UNIT_CASE(frame_on_its_way_to_an_owner_cannot_be_had),
	UNIT_CASE(a_frame_without_references_is_not_found_on_its_list),
	UNIT_CASE(frame_stays_if_its_owner_is_frozen_and_it_is_of_that_use),
	UNIT_CASE(frame_of_dom0_s_does_not_stay_writable),
	UNIT_CASE(stolen_frame_that_comes_back_is_flushed_before_it_is_a_table),
	UNIT_CASE(shared_page_is_never_a_table_and_outlives_its_mappings),
	UNIT_CASE(table_is_pinned_once_and_unpinned_once),
};

int main(void)
{
	return unit_run("frame", cases, ARRAY_SIZE(cases));
}
