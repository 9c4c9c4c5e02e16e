/* SPDX-License-Identifier: MIT */
#include "manifest_names.h"

const char *manifest_action_name(enum manifest_action action)
{
	static const char *const names[] = {
		[ACTION_DESTROY] = "destroy", [ACTION_RESTART] = "restart", [ACTION_PRESERVE] = "preserve",
		[ACTION_COREDUMP_DESTROY] = "coredump-destroy", [ACTION_COREDUMP_RESTART] = "coredump-restart",
	};

	return names[action];
}

const char *manifest_role_name(enum manifest_role role)
{
	static const char *const names[] = { [ROLE_GUEST] = "guest", [ROLE_NET] = "net", [ROLE_BLK] = "blk" };

	return names[role];
}

const char *manifest_limit_name(size_t kind)
{
	static const char *const names[SKINK_ACCOUNT_KINDS] = {
		[SKINK_ACCOUNT_HYPERCALLS] = "hypercalls",
		[SKINK_ACCOUNT_EVENTS_SENT] = "events-sent",
		[SKINK_ACCOUNT_GRANT_MAPS] = "grant-maps",
		[SKINK_ACCOUNT_GRANT_COPIES] = "grant-copies",
		[SKINK_ACCOUNT_PAGE_TABLE_UPDATES] = "page-table-updates",
	};

	return names[kind];
}

const char *manifest_clock_name(enum manifest_clock clock)
{
	static const char *const names[] = {
		[CLOCK_UTC] = "utc", [CLOCK_LOCALTIME] = "localtime", [CLOCK_VARIABLE] = "variable",
	};

	return names[clock];
}

const char *manifest_exhausted_name(enum manifest_exhausted then)
{
	static const char *const names[] = {
		[EXHAUSTED_QUARANTINE_HOLD] = "hold", [EXHAUSTED_QUARANTINE_CLOSE] = "close",
		[EXHAUSTED_FALLBACK] = "fallback",
	};

	return names[then];
}

const char *manifest_extent_attribute(enum manifest_extent_kind kind)
{
	static const char *const names[] = {
		[EXTENT_VOLUME] = "volume", [EXTENT_PARTITION_LABEL] = "partition-label",
		[EXTENT_PARTITION_UUID] = "partition-uuid", [EXTENT_WHOLE] = "whole",
	};

	return names[kind];
}

const char *manifest_element_name(enum manifest_element element)
{
	static const char *const names[MANIFEST_ELEMENTS] = {
		[MANIFEST_DOMAIN] = "domain", [MANIFEST_NAME] = "name", [MANIFEST_UUID] = "uuid",
		[MANIFEST_MEMORY] = "memory", [MANIFEST_CURRENT_MEMORY] = "currentMemory", [MANIFEST_VCPU] = "vcpu",
		[MANIFEST_CPUTUNE] = "cputune", [MANIFEST_SCHED] = "skink:sched", [MANIFEST_LIMITS] = "skink:limits",
		[MANIFEST_KERNEL] = "kernel", [MANIFEST_INITRD] = "initrd", [MANIFEST_CMDLINE] = "cmdline",
		[MANIFEST_ON_CRASH] = "on_crash", [MANIFEST_CONSOLE] = "console", [MANIFEST_DRIVER] = "skink:driver",
		[MANIFEST_FALLBACK] = "skink:fallback", [MANIFEST_DMA] = "skink:dma", [MANIFEST_RESTART] = "skink:restart",
		[MANIFEST_HOOK] = "skink:hook",
	};

	return names[element];
}
