/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes, here and on other CPUs. One round of interrupts for a set of CPUs; returns when all are done.
 * The flush clock: every whole flush moves it on. A frame that loses its last writable mapping notes the time;
 * a CPU that has flushed since holds no stale entry for it.
 */
#pragma once

#define TLB_ALL_PAGES	UINT64_MAX	/* as address: everything that is not global */

/* Loads a base pointer, which flushes all that is not global. */
void tlb_load_base(paddr_t table);

/* `address` is one page's or TLB_ALL_PAGES. CPUs that are not online are left out. */
void tlb_flush(cpumask_t cpus, uint64_t address);

/* The clock now: what a frame notes. */
uint32_t tlb_clock(void);
/* Those of `cpus` that have not flushed since `stamp`. */
cpumask_t tlb_not_flushed_since(cpumask_t cpus, uint32_t stamp);

/* Called where other CPUs wait for us: does what they ask. */
void tlb_serve_requests(void);
