/* SPDX-License-Identifier: MIT */
/*
 * What a driver may not do, seen twice a second on the loop's thread: flood its log, use up a limit and answer nothing, use up its CPU
 * and find nothing to do, have its device reach where it may not or interrupt without end. All of it is bounded by the core, or by skinkd,
 * at once: there is no hurry. And one that does not come up is told of.
 * WS1  What was counted around a reset is nobody's fault: a device that is fenced may have been writing.
 * WS2  Whom guests wake, or whom frames of the wire keep at work, is not ill, even if none of it leads to an answer: only rounds in which
 *      there was nothing at all to do count against a driver. A round that found something is followed by another before it may rest.
 */
#include <string.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/events.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/watch.h"

#define SLOW_MS		500
#define READY_LOOKS	20u
#define LOG_FLOOD	(1UL << 20)	/* bytes between two looks */
#define STORMS		2u		/* between two looks: the core has masked its interrupts so often */
#define LIMIT_LOOKS	4u		/* in a row */
#define ROUNDS_LOOKS	4u		/* the same */
#define CPU_PERCENT	50u		/* of what it may have: on a machine of one CPU those who look at it leave it three quarters */
#define REST_PERCENT	75u		/* of its rounds: WS2 */
#define PERIOD_MS	10u		/* of limits (control.h) */
#define FUNCTIONS_MAX	1024u

static uv_timer_t timer;

/* ---- what was seen before ---- */

static bool function_find(uint32_t sbdf, struct skink_domctl_pci_function *function)
{
	for (function->index = 0; function->index < FUNCTIONS_MAX; function->index++) {
		if (core_pci_function(&host.core, function))
			return false;
		if (function->sbdf == sbdf)
			return true;
	}
	return false;
}

/* Of its guests. */
static uint64_t events_taken(const struct driver *driver)
{
	uint64_t events = 0;

	for (uint32_t i = 0; i < driver->table->attachment_count; i++)
		events += ((const volatile struct driver_status *)driver->status)->attachment[i].counter[DRIVER_EVENTS_TAKEN];
	return events;
}

static uint64_t cpu_ns(const struct driver *driver)
{
	struct xen_domctl_getvcpuinfo info;

	return core_vcpu_info(&host.core, driver->domain->id, 0, &info) ? 0 : info.cpu_time;
}

static void note_rounds(struct driver *driver)
{
	const volatile struct driver_status *status = driver->status;
	struct driver_seen *seen = &driver->seen;

	seen->rounds.at_ns = uv_hrtime();
	seen->rounds.cpu_ns = cpu_ns(driver);
	seen->rounds.heartbeat = status->heartbeat;
	seen->rounds.rested = status->rested;
	seen->rounds.events = events_taken(driver);
}

static void note(struct driver *driver)
{
	struct driver_seen *seen = &driver->seen;
	struct skink_domctl_account account = { .set = 0 };

	watch_was_idle(driver->monitor);
	*seen = (struct driver_seen){ .generation = driver->monitor->generation, .is_known = true, .log_written = driver->log->written,
				      .answered = watch_answered(driver->monitor) };
	if (!core_account(&host.core, driver->domain->id, &account))
		memcpy(seen->used, account.used, sizeof(seen->used));
	note_rounds(driver);
	for (uint32_t i = 0; i < driver->table->function_count && i < DRIVER_FUNCTIONS_MAX; i++) {
		struct skink_domctl_pci_function function;

		if (function_find(driver->table->function[i], &function)) {
			seen->faults[i] = function.faults;
			seen->storms[i] = function.storms;
		}
	}
}

/* ---- what is judged ---- */

static void judge_functions(struct driver *driver)
{
	struct driver_seen *seen = &driver->seen;

	for (uint32_t i = 0; i < driver->table->function_count && i < DRIVER_FUNCTIONS_MAX; i++) {
		struct skink_domctl_pci_function function;
		uint32_t faults, storms;

		if (!function_find(driver->table->function[i], &function))
			continue;
		faults = function.faults - seen->faults[i];
		storms = function.storms - seen->storms[i];
		seen->faults[i] = function.faults;
		seen->storms[i] = function.storms;
		if (faults)
			monitor_fault(driver, FAULT_STORM, "the IOMMU has refused %u accesses of its device %02x:%02x.%x, outside of its pool", faults,
				      function.sbdf >> 8 & 0xff, function.sbdf >> 3 & 0x1f, function.sbdf & 7);
		else if (storms >= STORMS)
			monitor_fault(driver, FAULT_STORM, "the interrupts of its device %02x:%02x.%x had to be masked %u times in %u ms",
				      function.sbdf >> 8 & 0xff, function.sbdf >> 3 & 0x1f, function.sbdf & 7, storms, SLOW_MS);
	}
}

static void judge_log(struct driver *driver)
{
	uint64_t written = __atomic_load_n(&driver->log->written, __ATOMIC_ACQUIRE), bytes = written - driver->seen.log_written;

	driver->seen.log_written = written;
	if (bytes >= LOG_FLOOD)
		monitor_fault(driver, FAULT_ABUSE, "it has written %lu KiB into its log in %u ms", bytes >> 10, SLOW_MS);
}

static bool has_answered(struct driver *driver)
{
	uint64_t before = driver->seen.answered;

	driver->seen.answered = watch_answered(driver->monitor);
	return driver->seen.answered != before;
}

/* Busy at its limit is not ill: it answers. Half of it is enough: of the time that a machine below this one takes away nothing is used. */
static void judge_limits(struct driver *driver, bool has_answered)
{
	struct skink_domctl_account account = { .set = 0 };
	struct driver_seen *seen = &driver->seen;

	if (core_account(&host.core, driver->domain->id, &account))
		return;
	for (uint32_t kind = 0; kind < SKINK_ACCOUNT_KINDS; kind++) {
		uint64_t used = account.used[kind] - seen->used[kind], most = account.limit[kind] * (SLOW_MS / PERIOD_MS);

		seen->used[kind] = account.used[kind];
		seen->limit_looks[kind] = most && !has_answered && used >= most / 2 ? seen->limit_looks[kind] + 1 : 0;
		if (seen->limit_looks[kind] == LIMIT_LOOKS)
			monitor_fault(driver, FAULT_ABUSE, "it uses up its limit of %s, %lu in %u ms, and has answered nothing for %u ms",
				      manifest_limit_name(kind), account.limit[kind], PERIOD_MS, LIMIT_LOOKS * SLOW_MS);
	}
}

/* Percent of one CPU that it may have: its vcpu is one. */
static uint32_t share_of(const struct driver *driver)
{
	struct skink_domctl_sched sched = { .set = 0 };

	if (core_sched(&host.core, driver->domain->id, &sched) || !sched.cap_percent || sched.cap_percent > 100)
		return 100;
	return sched.cap_percent;
}

/* WS2: percent of the CPU time that it may have which it spent since the last look on nothing. One that does not say when it rests is not judged. */
static uint32_t wasted_percent(struct driver *driver)
{
	const struct driver_seen before = driver->seen;
	const struct driver_seen *now = &driver->seen;
	uint64_t rounds, rests, may_have_ns;

	note_rounds(driver);
	rounds = now->rounds.heartbeat - before.rounds.heartbeat;
	rests = now->rounds.rested - before.rounds.rested;
	may_have_ns = (now->rounds.at_ns - before.rounds.at_ns) * share_of(driver) / 100;
	if (now->rounds.events != before.rounds.events || rests * 100 < rounds * REST_PERCENT || !rests || !may_have_ns)
		return 0;
	return now->rounds.cpu_ns > before.rounds.cpu_ns ? (uint32_t)((now->rounds.cpu_ns - before.rounds.cpu_ns) * 100 / may_have_ns) : 0;
}

static void judge_rounds(struct driver *driver, bool has_answered)
{
	struct driver_seen *seen = &driver->seen;
	bool was_idle = watch_was_idle(driver->monitor);
	uint32_t percent = wasted_percent(driver);

	seen->rounds.looks = percent >= CPU_PERCENT && was_idle && !has_answered ? seen->rounds.looks + 1 : 0;
	if (seen->rounds.looks == ROUNDS_LOOKS)
		monitor_fault(driver, FAULT_ABUSE, "for %u ms it had nothing to do, no request and no event, and did not sleep: it uses %u %% of the CPU "
			      "time that it may have", ROUNDS_LOOKS * SLOW_MS, percent);
}

static void judge(struct driver *driver)
{
	bool answered = has_answered(driver);

	judge_functions(driver);
	judge_log(driver);
	judge_limits(driver, answered);
	if (driver->monitor->generation == driver->seen.generation)
		judge_rounds(driver, answered);
}

/* Told once. It may serve all the same, and is built anew when it ends. */
static void judge_start(struct driver *driver)
{
	const struct domain *domain = driver->domain;

	if (driver->monitor->state != MONITOR_STARTING || driver->state == DRIVER_FAILED || domain->phase != PHASE_RUNNING || domain->is_paused)
		driver->unready_looks = 0;
	else if (++driver->unready_looks == READY_LOOKS)
		event("failed", domain->manifest->name, domain->id, "it has not said ready within %u s: until then nobody watches over it, and it cannot be "
		      "restarted in place; 'skink logs' has what it says, and to begin again is to destroy it and create it", READY_LOOKS * SLOW_MS / 1000);
}

static void look(uv_timer_t *handle)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		struct driver *driver = domain->driver;

		if (driver)
			judge_start(driver);
		if (!driver || driver->state != DRIVER_SERVING || driver->monitor->state != MONITOR_SERVING)
			continue;
		if (!driver->seen.is_known || driver->seen.generation != driver->monitor->generation) {
			note(driver);				/* WS1 */
			continue;
		}
		judge(driver);
	}
}

void watch_slow_open(void)
{
	uv_timer_init(host.loop, &timer);
	uv_timer_start(&timer, look, SLOW_MS, SLOW_MS);
}
