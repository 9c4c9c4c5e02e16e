/* SPDX-License-Identifier: MIT */
/*
 * A domain: an address-space owner with vcpus, frames, event channels and grants.
 * Lock order, in every function that takes more than one: grant_lock, lock, event_connect_lock, event_lock,
 * page_list_lock, the scheduler's; two of one kind by spin_lock_two(). Frames have no lock: their counts are atomic.
 *
 *   building --domain_unpause--> running --shutdown, crash--> shut down --destroy--> dying --last reference--> freed
 *
 * D1  A domain that somebody holds a reference to is not freed. While one of its frames is mapped it keeps its id.
 * D2  A dying domain gets no new frame, channel or grant mapping.
 */
#pragma once

#include <xen/xen.h>

#define EVENT_PORTS_MAX	4096u		/* the 2-level ABI's: 64 words of 64 bits */
#define EVENT_PART	256u		/* so many channels fill a page */

struct channel;			/* event/channel.h */
struct grant_table;		/* grant/grant.h */
struct sched_domain;		/* sched/sched.h */
struct reset;			/* reset/reset.h */

#define VM_ASSIST_BIT(name)	(1ULL << VMASST_TYPE_##name)

/*
 * Those that a 64-bit guest may switch on. 4gb_segments and pae_extended_cr3 mean nothing to one; Linux asks for
 * them all the same.
 */
#define VM_ASSIST_VALID (VM_ASSIST_BIT(4gb_segments) | VM_ASSIST_BIT(4gb_segments_notify) |	\
			 VM_ASSIST_BIT(writable_pagetables) | VM_ASSIST_BIT(pae_extended_cr3) |	\
			 VM_ASSIST_BIT(architectural_iopl) | VM_ASSIST_BIT(m2p_strict) |	\
			 VM_ASSIST_BIT(runstate_update_flag))

/*
 * What each domain has used, counted from its first instruction, and what it may use. CPU time is counted by
 * the scheduler. A limit is per ACCOUNT_PERIOD_NS of wall time: a domain past it is not scheduled until the
 * next period begins; nothing it asked for fails.
 */
#define ACCOUNT_PERIOD_NS (10 * NSEC_PER_MSEC)

enum account_kind {
	ACCOUNT_HYPERCALLS,
	ACCOUNT_EVENTS_SENT,
	ACCOUNT_GRANT_MAPS,
	ACCOUNT_GRANT_COPIES,
	ACCOUNT_PAGE_TABLE_UPDATES,
	ACCOUNT_KINDS
};

struct account {
	uint64_t used[ACCOUNT_KINDS];		/* since creation; atomic, relaxed */
	uint64_t limit[ACCOUNT_KINDS];		/* for each period; 0: none */
	uint64_t at_period_start[ACCOUNT_KINDS];/* `used` when the period began; the scheduler's lock */
};

#define SHUTDOWN_NONE 0xffff		/* the reason of a domain that is not shut down: a guest gives 8 bits */

struct domain {
	/* Set at creation, never changed. */
	domid_t id;
	bool is_privileged;		/* Domain-0: may call domctl, sysctl, platform_op */
	uint8_t handle[16];		/* the UUID that the toolstack gave it */
	uint32_t vcpu_max;
	struct vcpu *vcpu[MAX_VCPUS];
	shared_info_t *shared_info;	/* one page, mapped by the guest too */

	/* Atomic. */
	uint32_t references;
	bool is_dying;			/* D2: set once, under all the locks below but the scheduler's */
	bool is_taken_apart;		/* dying, and nothing keeps it but what others map */
	bool is_frozen;			/* a driver that is ready (reset/reset.h: R2) */
	bool is_shut_down;		/* SCHEDOP_shutdown or a crash: no vcpu runs */
	uint16_t shutdown_reason;	/* SHUTDOWN_*: set once, before is_shut_down */
	uint32_t pause_count;		/* no vcpu runs while it is above 0 */
	cpumask_t dirty_cpus;		/* CPUs whose TLB may hold entries of this domain */
	uint64_t vm_assist;		/* bits of VMASST_TYPE_* */
	struct account account;

	/* lock: page tables, the memory map, descriptor tables of this domain. */
	struct spinlock lock;
	uint64_t frame_limit;		/* at most so many frames (max_pages) */

	/* page_list_lock, a leaf. */
	struct spinlock page_list_lock;
	uint32_t page_list;		/* first of its frames: struct frame links; FRAME_LINK_NONE ends */
	uint32_t page_list_kept;	/* of a dying domain: those that others may hold still */
	uint64_t frame_count;		/* on it, or on their way to it */

	/* event_lock */
	struct spinlock event_lock;
	struct channel *events[EVENT_PORTS_MAX / EVENT_PART];	/* by port; a part is there once a port of it was opened */
	port_t event_free_from;		/* no port below it is free */

	/* grant_lock */
	struct spinlock grant_lock;
	struct grant_table *grants;

	/* pci/pci.h */
	uint32_t pci_functions;		/* that it owns; pci_lock */
	uint32_t pci_address;		/* what it wrote to port 0xcf8 last */

	struct dma_pool dma_pool;	/* domctl_lock */
	struct reset *reset;		/* NULL: it is no driver domain. Set before it runs, under domctl_lock */

	struct sched_domain *sched;	/* the scheduler's, under its own lock */

	/* Wall-clock offset in seconds, for settimeofday of a guest. */
	int64_t time_offset_s;
};

/* sched/account.c: called when a limit is set; decides whether the domain must wait. */
void account_check_limit(struct domain *domain, enum account_kind kind);

static inline void account_charge(struct domain *domain, enum account_kind kind, uint64_t n)
{
	__atomic_fetch_add(&domain->account.used[kind], n, __ATOMIC_RELAXED);
	if (unlikely(read_once(&domain->account.limit[kind]) != 0))
		account_check_limit(domain, kind);
}

/* Whoever holds one, holds domain->lock. */
struct domain_locked { struct domain *domain; };

static inline struct domain_locked domain_lock(struct domain *domain)
{
	spin_lock(&domain->lock);
	return (struct domain_locked){ domain };
}

static inline void domain_unlock(struct domain_locked locked) { spin_unlock(&locked.domain->lock); }

extern struct domain *domain_zero;
extern struct domain domain_idle;	/* DOMID_IDLE: its vcpus run where nothing else does; never found by domain_get() */

/* Makes a domain with `vcpu_max` vcpus, none of them up, no frames. -EEXIST, -ENOMEM, -EINVAL. */
MUST_CHECK int domain_create(domid_t id, uint32_t vcpu_max, bool is_privileged, struct domain **domain);

/*
 * Finds a domain and takes a reference; DOMID_SELF is the caller's own. NULL if there is none or it is dying.
 * Give it back by domain_put(), from any CPU, with no lock held.
 */
struct domain *domain_get(domid_t id);
void domain_put_many(struct domain *domain, uint32_t count);
static inline void domain_put(struct domain *domain) { domain_put_many(domain, 1); }

/* Also a dying one, and without a reference: for who holds something that keeps it, as a frame of it. */
struct domain *domain_find(domid_t id);
/* The first domain with this id or a higher one, dying or not, with a reference; NULL if there is none. */
struct domain *domain_get_from(uint32_t id);

/* May `caller` act on `target`'s memory: on its own always, on others' if privileged. */
static inline bool domain_may_manage(const struct domain *caller, const struct domain *target)
{
	return caller == target || caller->is_privileged;
}

/* domain_get() for a caller that wants to act on it: -ESRCH; -EPERM unless it is its own or the caller is privileged. */
MUST_CHECK int domain_get_managed(domid_t id, struct domain **domain);

/*
 * The domain broke its contract: it stops, alone, and Dom0 decides. Says the reason and the registers of the
 * current vcpu if it is the domain's. Its vcpus leave their CPUs at the next exit path: callers go on
 * and return any value.
 */
void domain_crash(struct domain *domain, const char *format, ...) PRINTF(2, 3);

/* All vcpus stop; VIRQ_DOM_EXC goes to Dom0. For Domain-0 the machine powers off, reboots or halts. */
void domain_shutdown(struct domain *domain, uint8_t reason);

/* After SCHEDOP_shutdown, as if it had never been. -EINVAL: it is not shut down, or has crashed. */
MUST_CHECK int domain_resume(struct domain *domain);

/*
 * Takes a domain apart, a bounded piece at a time: -ERESTART while there is more. At 0 nothing is left but frames that
 * others map: with the last of them it goes, and its id is free. The caller holds a reference, and is the only
 * one (domctl_lock). -EINVAL: Domain-0, or the caller's own.
 */
MUST_CHECK int domain_destroy(struct domain *domain);

/* What may have kept the domain with this id, if there is one, has gone: a dying one is ended by SOFTIRQ_DOMAIN, domain_end_dead(). */
void domain_may_end(domid_t id);
void domain_end_dead(void);

void domain_pause(struct domain *domain);	/* returns when no vcpu of it runs; counts */
void domain_unpause(struct domain *domain);
