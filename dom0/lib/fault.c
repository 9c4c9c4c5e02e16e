/* SPDX-License-Identifier: MIT */
#include "lib/fault.h"

#include <string.h>

const struct fault_class fault_classes[] = {
	{ "crash", FAULT_STOP, "jumps to an address that is not mapped", "crash" },
	{ "null", FAULT_STOP, "reads through a null pointer", "crash" },
	{ "assertion", FAULT_STOP, "panics, as a failed assertion does", "crash" },
	{ "hang", FAULT_STOP, "loops for ever at one instruction, upcalls let in", "hang" },
	{ "hang-masked", FAULT_STOP, "loops for ever at one instruction, upcalls masked", "hang" },

	{ "text", FAULT_VALUE, "one bit of an instruction, before it is executed", "crash, hang" },
	{ "data", FAULT_VALUE, "one bit of an initialised or zeroed variable", "crash, hang" },
	{ "heap", FAULT_VALUE, "one bit of a page that the allocator has given out", "crash, hang" },
	{ "stack", FAULT_VALUE, "one bit of the stack in use", "crash, hang" },
	{ "register", FAULT_VALUE, "one bit of a general register, rip or rflags", "crash, hang" },
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
