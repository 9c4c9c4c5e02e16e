/* SPDX-License-Identifier: MIT */
/* How much of the machine a domain gets: vcpus, where they run, scheduling, limits. */
#include <string.h>

#include "manifest_names.h"
#include "manifest_read.h"
#include "manifest_value.h"

#define WEIGHT_USUAL	256
#define CAP_PERCENT_MAX	(100 * MANIFEST_CPUS_MAX)
#define PERIOD_US_MIN	1000
#define WARP_US_MAX	3600000000u
#define BLK_WARP_US	10000	/* a disk's driver runs at once when a guest asks it for something */
#define BLK_WARP_LIMIT_US 2000	/* as Domain-0's: one that hangs would keep skinkd from looking at it for so long */
#define LIMIT_PERIODS	100	/* in a second: protocols/control.h */

static bool read_cpus(struct reader *reader, const xmlNode *node, uint64_t *cpus)
{
	const char *text = read_attribute(reader, node, "cpuset");
	uint64_t large = 0;

	if (!text || !*text || text[strspn(text, "0123456789-,^ ")])
		return false;
	if (value_cpus(text, cpus, &large))
		return true;
	if (large)
		read_error(reader, node, "cpuset", "cpuset='%.40s' names CPU %llu, and Skink has at most %d\nwrite numbers up to %d",
			   text, (unsigned long long)large, MANIFEST_CPUS_MAX, MANIFEST_CPUS_MAX - 1);
	else
		read_error(reader, node, "cpuset", "cpuset='%.40s' is an empty set, or a range runs backwards\n"
			   "write at least one CPU, as 0-3", text);
	return false;
}

static void read_vcpus(struct reader *reader, const xmlNode *vcpu)
{
	struct manifest *manifest = reader->manifest;
	uint64_t vcpus = 1, current, everywhere = 0;

	read_number_of(reader, vcpu, &vcpus);
	if (vcpus < 1 || vcpus > MANIFEST_VCPUS_MAX)
		vcpus = 1;
	current = vcpus;
	if (read_unsigned(reader, vcpu, "current", &current) && current > vcpus)
		read_error(reader, vcpu, "current", "current='%llu' is more than the domain may have, %llu\n"
			   "write that many or less, or raise the number in <vcpu>", (unsigned long long)current,
			   (unsigned long long)vcpus);
	if (vcpus != 1 && manifest->role != ROLE_GUEST)
		read_error(reader, vcpu, NULL, "a driver domain has one vcpu\nwrite 1, or leave it out");
	manifest->vcpus = vcpus;
	manifest->current_vcpus = current;
	if (read_cpus(reader, vcpu, &everywhere))
		for (size_t i = 0; i < vcpus; i++)
			manifest->affinity[i] = everywhere;
}

static void read_pins(struct reader *reader, const xmlNode *cputune)
{
	struct manifest *manifest = reader->manifest;
	const xmlNode *seen[MANIFEST_VCPUS_MAX] = { NULL };

	for (const xmlNode *pin = read_child(cputune, "vcpupin"); pin; pin = read_next(pin)) {
		uint64_t vcpu;

		if (!read_unsigned(reader, pin, "vcpu", &vcpu) || vcpu >= MANIFEST_VCPUS_MAX)
			continue;
		if (vcpu >= manifest->vcpus)
			read_error(reader, pin, "vcpu", "vcpu='%llu', and the domain has vcpus 0 to %u\n"
				   "write one of these, or raise the number in <vcpu>", (unsigned long long)vcpu, manifest->vcpus - 1);
		else if (seen[vcpu])
			read_error(reader, pin, "vcpu", "vcpu='%llu' is pinned a second time, the first is in line %u\n"
				   "keep one of them", (unsigned long long)vcpu, read_position(reader, seen[vcpu]).line);
		else
			read_cpus(reader, pin, &manifest->affinity[vcpu]);
		seen[vcpu] = pin;
	}
}

/* Microseconds of each period; 0: no limit. */
static uint64_t read_quota(struct reader *reader, const xmlNode *node, const xmlNode *period_node, uint64_t *period)
{
	const char *text = read_text(reader, node);
	int64_t quota = 0;

	*period = 100000;
	read_number_of(reader, period_node, period);
	if (period_node && !node)
		read_warning(reader, period_node, NULL, "is not used, there is no quota to go with it\nleave it out");
	if (!text || !value_signed(text + (*text == '+'), &quota) || quota == -1)
		return 0;
	if (quota < PERIOD_US_MIN) {
		read_error(reader, node, NULL, "'%lld' is too small\nwrite %d or more, or -1 for no limit", (long long)quota,
			   PERIOD_US_MIN);
		return 0;
	}
	return quota;
}

static void read_cap(struct reader *reader, const xmlNode *cputune)
{
	const xmlNode *each = read_child(cputune, "quota"), *all = read_child(cputune, "global_quota");
	struct manifest *manifest = reader->manifest;
	uint64_t each_period, all_period, percent;
	uint64_t each_us = read_quota(reader, each, read_child(cputune, "period"), &each_period);
	uint64_t all_us = read_quota(reader, all, read_child(cputune, "global_period"), &all_period);

	if (each_us && all_us) {
		read_error(reader, all, NULL, "<quota> limits the domain already\nkeep one of them: <quota> is of one vcpu, "
			   "<global_quota> of all together");
		return;
	}
	if (each_period < PERIOD_US_MIN || all_period < PERIOD_US_MIN)
		return;
	percent = all_us ? (all_us * 100 + all_period - 1) / all_period :
		(each_us * 100 * manifest->vcpus + each_period - 1) / each_period;
	if (percent > CAP_PERCENT_MAX)
		read_error(reader, all_us ? all : each, NULL, "is %llu %% of a CPU, and Skink has at most %d CPUs\n"
			   "leave it out for no limit", (unsigned long long)percent, MANIFEST_CPUS_MAX);
	else
		manifest->sched.cap_percent = percent;
}

static void read_sched(struct reader *reader, const xmlNode *sched, const xmlNode *cputune)
{
	struct manifest_sched *result = &reader->manifest->sched;
	bool is_hasty = reader->manifest->role == ROLE_BLK;
	uint64_t weight = WEIGHT_USUAL, cap = result->cap_percent, warp = is_hasty ? BLK_WARP_US : 0, warp_limit = is_hasty ? BLK_WARP_LIMIT_US : 0;
	bool has_shares = read_number_of(reader, read_child(cputune, "shares"), &weight);

	if (read_unsigned(reader, sched, "weight", &weight) && has_shares)
		read_error(reader, sched, "weight", "'weight' and <shares> in <cputune> say the same\nkeep one of them");
	if (read_unsigned(reader, sched, "cap", &cap) && result->cap_percent)
		read_error(reader, sched, "cap", "'cap' and the quota in <cputune> say the same\nkeep one of them");
	read_duration(reader, sched, "warp", 0, WARP_US_MAX, &warp);
	if (read_duration(reader, sched, "warp-limit", 0, WARP_US_MAX, &warp_limit) && warp_limit && warp == 0)
		read_error(reader, sched, "warp-limit", "'warp-limit' limits a warp that is not there\nwrite warp= too, or leave it out");
	if (cap > 100 * reader->manifest->vcpus && cap <= CAP_PERCENT_MAX && sched)
		read_warning(reader, sched, "cap", "'cap' is more than %u vcpus can use\nwrite %u or less, or leave it out",
			     reader->manifest->vcpus, 100 * reader->manifest->vcpus);
	*result = (struct manifest_sched) { weight, cap, warp, warp ? warp_limit : 0 };
}

static void read_limit(struct reader *reader, const xmlNode *node)
{
	const char *on = read_attribute(reader, node, "on");
	uint64_t *limit = NULL, rate;

	for (size_t i = 0; on && i < SKINK_ACCOUNT_KINDS; i++)
		if (strcmp(on, manifest_limit_name(i)) == 0)
			limit = &reader->manifest->limit[i];
	if (!limit || !read_unsigned(reader, node, "per-second", &rate) || rate < LIMIT_PERIODS)
		return;
	if (*limit)
		read_error(reader, node, "on", "on='%s' is limited a second time\nkeep one of them", on);
	else if (rate % LIMIT_PERIODS)
		read_error(reader, node, "per-second", "per-second='%llu' cannot be counted: the core counts in periods of 10 ms\n"
			   "write %llu or %llu", (unsigned long long)rate, (unsigned long long)(rate - rate % LIMIT_PERIODS),
			   (unsigned long long)(rate - rate % LIMIT_PERIODS + LIMIT_PERIODS));
	else
		*limit = rate / LIMIT_PERIODS;
}

void read_tuning(struct reader *reader, const xmlNode *domain)
{
	const xmlNode *cputune = read_child(domain, "cputune");

	read_vcpus(reader, read_child(domain, "vcpu"));
	read_pins(reader, cputune);
	read_cap(reader, cputune);
	read_sched(reader, read_our_child(domain, "sched"), cputune);
	for (const xmlNode *limit = read_our_child(read_our_child(domain, "limits"), "limit"); limit; limit = read_next(limit))
		read_limit(reader, limit);
}
