/* SPDX-License-Identifier: MIT */
/*
 * What a domain may use in each period: CPU time (its cap) and counts (its limits). Past one of them it is
 * throttled, that is, none of its vcpus runs until the timer at the end of the period.
 *
 * A1  A domain is throttled only while its period timer is set.
 */
#include "sched/queue.h"

static uint64_t budget_ns(const struct domain *domain) { return read_once(&domain->sched->params.cap_percent) * (ACCOUNT_PERIOD_NS / 100); }

static bool count_is_exceeded(const struct account *account)
{
	for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++) {
		uint64_t limit = read_once(&account->limit[kind]);

		if (limit && read_once(&account->used[kind]) - account->at_period_start[kind] > limit)
			return true;
	}
	return false;
}

/* A new period may have begun. CPU time used too much is carried over, so that a cap is exact in the long run. */
static void roll(struct domain *domain, uint64_t now_ns)
{
	struct sched_domain *sched = domain->sched;
	uint64_t periods = elapsed_ns(sched->period_start_ns, now_ns) / ACCOUNT_PERIOD_NS;

	if (periods == 0)
		return;
	sched->period_start_ns += periods * ACCOUNT_PERIOD_NS;
	sched->cpu_time_ns -= MIN(sched->cpu_time_ns, periods * budget_ns(domain));
	for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++)
		domain->account.at_period_start[kind] = read_once(&domain->account.used[kind]);
}

/* Decides; true if this changed. */
static bool judge(struct domain *domain)
{
	struct sched_domain *sched = domain->sched;
	uint64_t budget = budget_ns(domain);
	bool was = sched->throttled, is = count_is_exceeded(&domain->account);

	is |= budget && sched->cpu_time_ns >= budget;
	write_once(&sched->throttled, is);
	if (is)			/* A1 */
		timer_set(&sched->period, sched->period_start_ns + ACCOUNT_PERIOD_NS);
	return was != is;
}

void account_refresh(void *data)
{
	struct domain *domain = data;
	bool has_changed;

	spin_lock(&domain->sched->lock);
	roll(domain, time_now_ns());
	has_changed = judge(domain);
	spin_unlock(&domain->sched->lock);
	for (uint32_t i = 0; has_changed && i < domain->vcpu_max; i++)
		sched_vcpu_update(domain->vcpu[i]);
}

NOINLINE void account_check_limit(struct domain *domain, enum account_kind kind)
{
	if (!read_once(&domain->sched->throttled))
		account_refresh(domain);
}

static NOINLINE void charge_capped(struct domain *domain, uint64_t run_ns, uint64_t now_ns)
{
	struct sched_domain *sched = domain->sched;

	spin_lock(&sched->lock);
	sched->cpu_time_ns += run_ns;	/* first: it was run before now */
	roll(domain, now_ns);
	if (!sched->throttled)
		judge(domain);
	spin_unlock(&sched->lock);
}

/* The CPU that charges chooses again, at the latest when its slice ends: it was cut to what was left. */
void account_charge_cpu_time(struct domain *domain, uint64_t run_ns, uint64_t now_ns)
{
	if (unlikely(budget_ns(domain)))
		charge_capped(domain, run_ns, now_ns);
}

uint64_t account_cpu_time_left_ns(const struct domain *domain)
{
	uint64_t budget = budget_ns(domain);

	/* Its other vcpus may be running too. */
	return budget ? elapsed_ns(read_once(&domain->sched->cpu_time_ns), budget) / domain->vcpu_max : UINT64_MAX;
}
