/* SPDX-License-Identifier: MIT */
/*
 * What each domain has used, counted from its first instruction, and what it may use. CPU time is counted by
 * the scheduler. A limit is per ACCOUNT_PERIOD_NS of wall time: a domain past it is not scheduled until the
 * next period begins; nothing it asked for fails.
 */
#ifndef SKINK_ACCOUNT_H
#define SKINK_ACCOUNT_H

#include "include/types.h"

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
	uint64_t period_start_ns;
};

struct domain;

/* sched/account.c: called when a limit is set; decides whether the domain must wait. */
void account_check_limit(struct domain *domain, enum account_kind kind);

#define account_charge(domain, kind, n)								\
	do {											\
		struct account *account_ = &(domain)->account;					\
		__atomic_fetch_add(&account_->used[kind], (n), __ATOMIC_RELAXED);		\
		if (unlikely(read_once(&account_->limit[kind]) != 0))				\
			account_check_limit((domain), (kind));					\
	} while (0)

#endif
