/* SPDX-License-Identifier: MIT */
/* cpu/tlb.c on fake CPUs: who has to flush, when a flush counts, and what happens when its clock wraps. */
#include "fake-cpu/instructions.h"

static inline uint64_t cr3_read(void);
static inline void cr3_write(uint64_t table);
static inline void invlpg(uint64_t address) { fake_note(false, 0x1000, address); }

/* The fake CPU has these too, for all other tests. */
#define tlb_clock		real_tlb_clock
#define tlb_not_flushed_since	real_tlb_not_flushed_since
#define tlb_serve_requests	real_tlb_serve_requests
#define tlb_flush		real_tlb_flush
#include "../../hypervisor/cpu/tlb.c"

#include "unit.h"

#define ALL_CPUS ((1ULL << FAKE_CPUS) - 1)

static uint64_t table[FAKE_CPUS];
static cpumask_t flushed, interrupted, seen_as_stale;
static uint32_t watched_stamp;

static inline uint64_t cr3_read(void) { return table[cpu_id()]; }

static inline void cr3_write(uint64_t to)
{
	table[cpu_id()] = to;
	flushed |= 1ULL << cpu_id();
	/* What another CPU would be told now: this one may still be at it. */
	if (watched_stamp)
		seen_as_stale = real_tlb_not_flushed_since(ALL_CPUS, watched_stamp);
}

/* All interrupted CPUs answer at once. */
void apic_send_ipi(cpumask_t cpus, uint32_t vector)
{
	uint32_t before = cpu_id(), id;

	CU_ASSERT_EQUAL(vector, VECTOR_TLB_FLUSH);
	interrupted |= cpus;
	bits_each(id, cpus) {
		fake_on_cpu(id);
		real_tlb_serve_requests();
	}
	fake_on_cpu(before);
}

static void given(uint32_t clock)
{
	fake_instructions_reset();
	tlb_flush_clock = clock;
	flushed = interrupted = 0;
	watched_stamp = 0;
	for (uint32_t id = 0; id < FAKE_CPUS; id++) {
		cpu_by_id[id]->online = true;
		cpu_by_id[id]->flushed_at = clock - 1;
	}
}

static void all_of_the_set_flush_and_nobody_else(void)		/* T1 */
{
	given(1);
	real_tlb_flush(1 << 0 | 1 << 2 | 1ULL << 63, TLB_ALL_PAGES);
	CU_ASSERT_EQUAL(flushed, 1 << 0 | 1 << 2);
	CU_ASSERT_EQUAL(interrupted, 1 << 2);
}

static void one_page_is_one_page(void)
{
	uint64_t address = 0;

	given(1);
	real_tlb_flush(1, 0x12345);
	CU_ASSERT_EQUAL(fake_written(false, 0x1000, &address), 1);
	CU_ASSERT_EQUAL(address >> PAGE_SHIFT, 0x12);
	CU_ASSERT_EQUAL(flushed, 0);
}

static void a_cpu_that_is_not_online_is_left_out(void)
{
	given(1);
	cpu_by_id[1]->online = false;
	real_tlb_flush(1 << 1, TLB_ALL_PAGES);
	CU_ASSERT_EQUAL(interrupted, 0);
}

static void only_who_flushed_since_is_clean(void)		/* T2 */
{
	uint32_t stamp;

	given(100);
	fake_on_cpu(1);
	tlb_load_base(cr3_read());		/* before: does not count */
	stamp = real_tlb_clock();
	CU_ASSERT_EQUAL(real_tlb_not_flushed_since(ALL_CPUS, stamp), ALL_CPUS);
	fake_on_cpu(2);
	tlb_load_base(0x1000);
	CU_ASSERT_EQUAL(real_tlb_not_flushed_since(ALL_CPUS, stamp), ALL_CPUS & ~(1ULL << 2));
	CU_ASSERT_EQUAL(table[2], 0x1000);
	fake_on_cpu(0);
}

static void a_flush_that_is_not_over_does_not_count(void)	/* T2 */
{
	given(100);
	watched_stamp = real_tlb_clock();
	tlb_load_base(cr3_read());
	CU_ASSERT_TRUE(seen_as_stale & 1);
	CU_ASSERT_FALSE(real_tlb_not_flushed_since(ALL_CPUS, watched_stamp) & 1);
}

static void nobody_is_so_old_that_he_looks_new(void)		/* T2 */
{
	uint32_t stamp = 0;

	given(7);
	/* More than half of the range, in which CPU 1 itself does nothing. */
	for (uint32_t passed = 0; passed < 3; passed++) {
		tlb_flush_clock = (tlb_flush_clock / CLOCK_PERIOD + 1) * CLOCK_PERIOD - 1;
		for (uint32_t i = 0; i < 3; i++)
			stamp = real_tlb_clock();
	}
	CU_ASSERT_TRUE(flushed & 1 << 1);
	CU_ASSERT_TRUE(real_tlb_not_flushed_since(ALL_CPUS, stamp) & 1 << 1);
}

static void a_stamp_of_zero_needs_no_flush(void)
{
	given(0);
	CU_ASSERT_EQUAL(real_tlb_clock(), 0);
	CU_ASSERT_EQUAL(flushed, ALL_CPUS);
}

static const struct unit_case cases[] = {
	UNIT_CASE(all_of_the_set_flush_and_nobody_else),
	UNIT_CASE(one_page_is_one_page),
	UNIT_CASE(a_cpu_that_is_not_online_is_left_out),
	UNIT_CASE(only_who_flushed_since_is_clean),
	UNIT_CASE(a_flush_that_is_not_over_does_not_count),
	UNIT_CASE(nobody_is_so_old_that_he_looks_new),
	UNIT_CASE(a_stamp_of_zero_needs_no_flush),
};

int main(void)
{
	return unit_run("tlb", cases, ARRAY_SIZE(cases));
}
