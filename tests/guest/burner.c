/* SPDX-License-Identifier: MIT */
/* A guest that does nothing but use up all of the CPU that it gets. */
#include "runtime/lib.h"
#include "runtime/notes.h"

RUNTIME_KERNEL

void guest_main(void)
{
	for (;;)
		cpu_relax();
}
