/* SPDX-License-Identifier: MIT */
/*
 * end-machine poweroff|reboot: the core ends the machine at once, and Domain-0's kernel is not asked. For the end of runit's third stage, when
 * that kernel would wait for ever for a front-end of its own that does not let go (docs/faults.md). Nothing is written back any more.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <xencall.h>
#include <xen/xen.h>
#include <xen/sched.h>

static int end_machine(unsigned int reason)
{
	xencall_handle *call = xencall_open(NULL, 0);
	struct sched_shutdown *shutdown = call ? xencall_alloc_buffer(call, sizeof(*shutdown)) : NULL;

	if (!shutdown)
		return -1;
	shutdown->reason = reason;
	return xencall2(call, __HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)shutdown);
}

int main(int argc, char **argv)
{
	bool is_reboot = argc == 2 && !strcmp(argv[1], "reboot");

	if (argc != 2 || (!is_reboot && strcmp(argv[1], "poweroff"))) {
		fputs("usage: end-machine poweroff|reboot: at once, and nothing is written back\n", stderr);
		return 2;
	}
	end_machine(is_reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
	perror("end-machine");
	return 1;
}
