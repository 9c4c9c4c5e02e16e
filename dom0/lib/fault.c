/* SPDX-License-Identifier: MIT */
#include "lib/fault.h"

#include <string.h>

const struct fault_class fault_classes[] = {
	{ "crash", FAULT_STOP, "jumps to an address that is not mapped", "crash" },
	{ "null", FAULT_STOP, "reads through a null pointer", "crash" },
	{ "assertion", FAULT_STOP, "panics, as a failed assertion does", "crash" },
	{ "hang", FAULT_STOP, "loops for ever at one instruction, upcalls let in", "hang" },
	{ "hang-masked", FAULT_STOP, "loops for ever at one instruction, upcalls masked", "hang" },

	{ "text", FAULT_VALUE, "one bit of an instruction, before it is executed", "crash, hang, protocol" },
	{ "data", FAULT_VALUE, "one bit of a variable, before it is read", "crash, hang, protocol" },
	{ "heap", FAULT_VALUE, "one bit of a page that was allocated, before it is read", "crash, hang, protocol" },
	{ "stack", FAULT_VALUE, "one bit of the stack, before it is read", "crash, hang" },
	{ "register", FAULT_VALUE, "one bit of a register, before it is read, or of rip", "crash, hang" },

	{ "pointer", FAULT_VALUE, "an instruction reaches beside what it is meant for", "crash, hang, protocol" },
	{ "off-by-one", FAULT_VALUE, "a comparison is wrong by one", "crash, hang, protocol" },
	{ "skip", FAULT_VALUE, "an instruction is left out", "crash, hang, protocol" },
	{ "branch", FAULT_VALUE, "a condition is the opposite", "crash, hang, protocol" },
	{ "unlock", FAULT_VALUE, "a flag is not cleared any more", "hang, device" },
	{ "page-table", FAULT_REFUSED, "it asks for an entry in its page tables that it may not have", "the core refuses it" },

	{ "completion-lost", FAULT_VALUE, "it does not see one completion of its device", "device" },
	{ "completion-double", FAULT_VALUE, "it sees one completion of its device twice", "crash" },
	{ "completion-reorder", FAULT_VALUE, "two completions of its device change places", "none: that is allowed" },
	{ "dma-address", FAULT_VALUE, "its device gets a wrong address", "storm (IOMMU), device" },
	{ "device-silent", FAULT_STOP, "its device does not reach memory any more", "device" },
	{ "interrupt-storm", FAULT_STOP, "interrupts of its device come without end, for 100 ms", "none: it serves on" },
	{ "interrupt-lost", FAULT_STOP, "interrupts of its device are lost, for 50 ms", "none: it looks by itself" },

	{ "ring-index", FAULT_VALUE, "one bit of rsp_prod in a front-end's ring, and it is told", "none: the front-end" },
	{ "ring-response", FAULT_VALUE, "one bit of an answer that is about to be published", "none" },
	{ "ledger", FAULT_VALUE, "one bit of a ring's ledger, and it crashes", "crash; the successor finds it" },

	{ "hog-cpu", FAULT_STOP, "it never sleeps, and serves on", "abuse" },
	{ "hog-hypercalls", FAULT_STOP, "hypercalls without end", "abuse, hang" },
	{ "hog-events", FAULT_STOP, "events to Domain-0 without end", "abuse, hang" },
	{ "hog-log", FAULT_STOP, "lines for its log without end", "abuse, hang" },
	{ .name = NULL },
};

const struct fault_class *fault_class_find(const char *name)
{
	for (const struct fault_class *one = fault_classes; one->name; one++)
		if (!strcmp(one->name, name))
			return one;
	return NULL;
}

const char *fault_group_name(enum fault_group group)
{
	static const char *const names[] = { [FAULT_STOP] = "stop", [FAULT_VALUE] = "value", [FAULT_REFUSED] = "refused" };

	return names[group];
}
