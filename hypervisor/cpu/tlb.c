/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes. One job at a time for the whole machine: who wants one holds job_lock, and serves others while waiting.
 * T1  tlb_flush() returns only when no CPU of the set holds a stale entry.
 * T2  A CPU has flushed after what it notes in flushed_at, and less than half of the clock's range ago: or it holds
 *     no entries of guests.
 */
#include "cpu/apic.h"
#include "cpu/irq.h"
#include "cpu/ops.h"
#include "cpu/tlb.h"

#define CLOCK_PERIOD	(1U << 30)

uint32_t tlb_flush_clock = 1;
static struct spinlock job_lock;
static uint64_t job_address;
static cpumask_t job_waits_for;		/* atomic: each CPU clears its bit when done */

uint32_t tlb_clock(void)
{
	uint32_t now = __atomic_fetch_add(&tlb_flush_clock, 1, __ATOMIC_SEQ_CST);

	if (unlikely(now % CLOCK_PERIOD == 0))
		tlb_flush(~0ULL, TLB_ALL_PAGES);	/* T2 */
	return now;
}

cpumask_t tlb_not_flushed_since(cpumask_t cpus, uint32_t stamp)
{
	cpumask_t stale = 0;
	uint32_t id;

	bits_each(id, cpus)
		if (cpu_by_id[id] && (int32_t)(load_acquire(&cpu_by_id[id]->flushed_at) - stamp) <= 0)
			stale |= 1ULL << id;
	return stale;
}

void tlb_load_base(paddr_t table)
{
	/* T2: the clock is read before the flush, and noted after it. What happens in between counts as not flushed. */
	uint32_t now = load_acquire(&tlb_flush_clock);

	cr3_write(table);
	store_release(&this_cpu()->flushed_at, now);
}

static void flush_here(uint64_t address)
{
	if (address == TLB_ALL_PAGES)
		tlb_load_base(cr3_read());
	else
		invlpg(address);
}

void tlb_serve_requests(void)
{
	cpumask_t self = 1ULL << cpu_id();

	if (!(load_acquire(&job_waits_for) & self))
		return;
	flush_here(job_address);
	__atomic_fetch_and(&job_waits_for, ~self, __ATOMIC_SEQ_CST);
}

NOINLINE void tlb_flush(cpumask_t cpus, uint64_t address)
{
	cpumask_t self = 1ULL << cpu_id(), others = 0;
	uint32_t id;

	barrier_full();		/* what the caller changed is visible before anybody flushes */
	bits_each(id, cpus & ~self)
		if (cpu_by_id[id] && read_once(&cpu_by_id[id]->online))
			others |= 1ULL << id;
	if (cpus & self)
		flush_here(address);
	if (!others)
		return;
	spin_lock(&job_lock);
	job_address = address;
	__atomic_store_n(&job_waits_for, others, __ATOMIC_SEQ_CST);
	apic_send_ipi(others, VECTOR_TLB_FLUSH);
	while (load_acquire(&job_waits_for))
		cpu_pause();
	spin_unlock(&job_lock);
}
