/* SPDX-License-Identifier: MIT */
#include "skinkd/functions.h"

#include <stdio.h>

#include "skinkd/domain.h"
#include "skinkd/events.h"
#include "skinkd/host.h"

#define FUNCTIONS_MAX	1024		/* more than that, and the rest is not looked at */

/* What was told of each, by its index: the core's order never changes. */
static struct {
	uint32_t faults, storms;
} told[FUNCTIONS_MAX];

/* PCI Code and ID Assignment Specification: what driver domains are for, and else the class's own word. */
static const char *kind_of(uint32_t class_code)
{
	static const char *const names[] = { "old", "storage", "network", "display", "multimedia", "memory", "bridge", "serial port",
					     "system", "input", "docking", "processor", "serial bus", "wireless" };

	switch (class_code >> 8) {
	case 0x0108:
		return "NVMe";
	case 0x0106:
		return "SATA";
	case 0x0200:
		return "Ethernet";
	}
	return class_code >> 16 < sizeof(names) / sizeof(names[0]) ? names[class_code >> 16] : "other";
}

static void place(uint32_t sbdf, char text[24])
{
	snprintf(text, 24, "%04x:%02x:%02x.%x", sbdf >> 16, sbdf >> 8 & 0xff, sbdf >> 3 & 0x1f, sbdf & 7);
}

static json_t *owner_of(const struct skink_domctl_pci_function *function)
{
	const struct domain *domain = domain_by_id(function->owner);

	if (domain)
		return json_string(domain->manifest->name);
	return function->owner == DOMID_INVALID ? json_null() : json_sprintf("%u", function->owner);
}

json_t *functions_json(void)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < FUNCTIONS_MAX; i++) {
		struct skink_domctl_pci_function function = { .index = i };
		char at[24];

		if (core_pci_function(&host.core, &function))
			break;
		place(function.sbdf, at);
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i, s:i, s:b, s:b, s:o, s:I, s:I}", "at", at, "kind",
				      kind_of(function.class_code), "vendor", function.vendor, "device", function.device, "class",
				      function.class_code, "assignable", (function.flags & SKINK_PCI_ASSIGNABLE) != 0, "protected",
				      (function.flags & SKINK_PCI_PROTECTED) != 0, "owner", owner_of(&function), "faults",
				      (json_int_t)function.faults, "storms", (json_int_t)function.storms));
	}
	return list;
}

static void tell(const struct skink_domctl_pci_function *function, uint32_t before, uint32_t now, const char *what)
{
	const struct domain *domain = domain_by_id(function->owner);
	char at[24];

	if (now == before)
		return;
	place(function->sbdf, at);
	event("fault", domain ? domain->manifest->name : NULL, domain ? domain->id : 0, "PCI device %s: %u %s", at, now - before, what);
}

void functions_look(void)
{
	for (uint32_t i = 0; i < FUNCTIONS_MAX; i++) {
		struct skink_domctl_pci_function function = { .index = i };

		if (core_pci_function(&host.core, &function))
			return;
		tell(&function, told[i].faults, function.faults, "accesses that the IOMMU refused");
		tell(&function, told[i].storms, function.storms, "storms of interrupts, masked for a while");
		told[i].faults = function.faults;
		told[i].storms = function.storms;
	}
}
