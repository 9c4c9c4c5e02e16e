/* SPDX-License-Identifier: MIT */
/*
 * Ticket locks. Interrupts are off wherever the core runs (docs/architecture.md), so there is one kind of
 * lock. Whoever waits serves TLB flush requests meanwhile (cpu_relax_serving), or two CPUs could wait for
 * each other: one for the lock, one for the flush.
 */
#pragma once

struct spinlock {
	uint16_t next;		/* the ticket that the next comer draws */
	uint16_t serving;	/* the ticket that holds the lock */
};

#define SPINLOCK_FREE { 0, 0 }

static inline void spin_lock(struct spinlock *lock)
{
	uint16_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (load_acquire(&lock->serving) != ticket)
		cpu_relax_serving();
}

MUST_CHECK static inline bool spin_try_lock(struct spinlock *lock)
{
	uint16_t ticket = load_acquire(&lock->serving);

	return compare_and_swap(&lock->next, &ticket, (uint16_t)(ticket + 1));
}

static inline void spin_unlock(struct spinlock *lock) { store_release(&lock->serving, (uint16_t)(lock->serving + 1)); }

static inline bool spin_is_locked(const struct spinlock *lock) { return read_once(&lock->next) != read_once(&lock->serving); }

/* Two locks of one kind, perhaps the same one, in the order of their addresses, whichever is named first. */
static inline void spin_lock_two(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a < b ? a : b);
	if (a != b)
		spin_lock(a < b ? b : a);
}

static inline void spin_unlock_two(struct spinlock *a, struct spinlock *b)
{
	spin_unlock(a);
	if (a != b)
		spin_unlock(b);
}
