/* SPDX-License-Identifier: MIT */
/*
 * EXPECT: domain-0 has ended|domain 0 crashed|Domain 0 \(vcpu#0\) crashed
 */
/* An upcall, and no event callback. */
#include "crash.h"

#include "runtime/events.h"

static void send_to_ourselves(void)
{
	evtchn_port_t port;

	event_bind_ipi(0, &port);
	event_unmask(port);
	event_send(port);
}

CRASH("upcall without a callback ends the domain",
      hypercall(__HYPERVISOR_set_callbacks, 0, 0, 0); send_to_ourselves())
