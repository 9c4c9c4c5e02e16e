/* SPDX-License-Identifier: MIT */
/*
 * What a driver may not do, seen twice a second on the loop's thread: flood its log, use up a limit and answer nothing, have its device
 * reach where it may not or interrupt without end. All of it is bounded by the core, or by skinkd, at once: there is no hurry.
 * WS1  What was counted around a reset is nobody's fault: a device that is fenced may have been writing.
 */
#include <string.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/host.h"
#include "skinkd/monitor.h"
#include "skinkd/watch.h"

#define SLOW_MS		500
#define LOG_FLOOD	(1UL << 20)	/* bytes between two looks */
#define STORMS		2u		/* between two looks: the core has masked its interrupts so often */
#define LIMIT_LOOKS	4u		/* in a row */
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

static void note(struct driver *driver)
{
	struct driver_seen *seen = &driver->seen;
	struct skink_domctl_account account = { .set = 0 };

	*seen = (struct driver_seen){ .generation = driver->monitor->generation, .is_known = true, .log_written = driver->log->written,
				      .answered = watch_answered(driver->monitor) };
	if (!core_account(&host.core, driver->domain->id, &account))
		memcpy(seen->used, account.used, sizeof(seen->used));
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

/* Busy at its limit is not ill: it answers. Half of it is enough: of the time that a machine below this one takes away nothing is used. */
static void judge_limits(struct driver *driver)
{
	struct skink_domctl_account account = { .set = 0 };
	struct driver_seen *seen = &driver->seen;
	uint64_t answered = watch_answered(driver->monitor);
	bool has_answered = answered != seen->answered;

	seen->answered = answered;
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

static void look(uv_timer_t *handle)
{
	for (struct domain *domain = host.domains; domain; domain = domain->next) {
		struct driver *driver = domain->driver;

		if (!driver || driver->state != DRIVER_SERVING || driver->monitor->state != MONITOR_SERVING)
			continue;
		if (!driver->seen.is_known || driver->seen.generation != driver->monitor->generation) {
			note(driver);				/* WS1 */
			continue;
		}
		judge_functions(driver);
		judge_log(driver);
		judge_limits(driver);
	}
}

void watch_slow_open(void)
{
	uv_timer_init(host.loop, &timer);
	uv_timer_start(&timer, look, SLOW_MS, SLOW_MS);
}
