/* SPDX-License-Identifier: MIT */
/* What a hook is told of a death, in its environment. */
#include <stdio.h>

#include "skinkd/domain.h"
#include "skinkd/driver.h"
#include "skinkd/hook.h"
#include "skinkd/monitor.h"

static void has_died(struct driver *driver, const struct monitor_death *death)
{
	const struct manifest *manifest = driver->domain->manifest;
	struct hook_facts facts = { .count = 0 };

	if (!manifest->driver.hook.command || death->kind == FAULT_BY_HAND)
		return;
	hook_fact(&facts, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	hook_fact(&facts, "SKINK_DOMAIN=%s", manifest->name);
	hook_fact(&facts, "SKINK_ID=%u", driver->domain->id);
	hook_fact(&facts, "SKINK_ROLE=%s", manifest_role_name(manifest->role));
	hook_fact(&facts, "SKINK_CAUSE=%s", fault_name(death->kind));
	hook_fact(&facts, "SKINK_TEXT=%s", death->text);
	hook_fact(&facts, "SKINK_THEN=%s", monitor_state_name(death->then));
	hook_fact(&facts, "SKINK_BY_CORE=%s", death->is_by_core ? "yes" : "no");
	hook_fact(&facts, "SKINK_TIME=%.3f", death->time);
	hook_fact(&facts, "SKINK_RESTARTS=%u", driver->monitor->restarts);
	hook_run(manifest->name, driver->domain->id, &manifest->driver.hook, &facts);
}

void hook_open(void)
{
	monitor_died(has_died);
}
