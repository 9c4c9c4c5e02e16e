/* SPDX-License-Identifier: MIT */
#include "runtime/events.h"

#include "runtime/boot.h"
#include "runtime/console.h"
#include "runtime/hypercall.h"
#include "runtime/lib.h"
#include "runtime/vcpu.h"

static event_handler *event_handlers[EVTCHN_2L_NR_CHANNELS];

static long event_op(int command, void *argument)
{
	return hypercall(__HYPERVISOR_event_channel_op, command, argument);
}

/* Every port starts masked: whoever binds one unmasks it. */
void event_init(void)
{
	for (unsigned int word = 0; word < 64; word++)
		boot_shared->evtchn_mask[word] = ~0UL;
	event_unmask_upcalls();
}

static void event_run(evtchn_port_t port)
{
	event_clear(port);
	if (event_handlers[port])
		event_handlers[port](port);
}

static void event_scan(void)
{
	struct vcpu_info *info = vcpu_self()->info;
	unsigned long words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

	while (words) {
		unsigned int word = (unsigned int)__builtin_ctzl(words);
		unsigned long bits = __atomic_load_n(&boot_shared->evtchn_pending[word], __ATOMIC_SEQ_CST) &
				     ~boot_shared->evtchn_mask[word];

		words &= words - 1;
		for (; bits; bits &= bits - 1)
			event_run(word * 64 + (unsigned int)__builtin_ctzl(bits));
	}
}

/* The pending flag goes down before the scan: what arrives during it is not lost. */
void event_take(void)
{
	volatile uint8_t *pending = &vcpu_self()->info->evtchn_upcall_pending;

	while (*pending) {
		*pending = 0;
		memory_barrier();
		event_scan();
	}
}

bool event_is_due(void)
{
	return *(volatile uint8_t *)&vcpu_self()->info->evtchn_upcall_pending;
}

bool event_upcall(struct trap_frame *frame)
{
	(void)frame;
	event_take();
	return true;
}

void event_set_handler(evtchn_port_t port, event_handler *handler)
{
	ASSERT(port < EVTCHN_2L_NR_CHANNELS);
	event_handlers[port] = handler;
}

int event_alloc(domid_t remote, evtchn_port_t *port)
{
	struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF, .remote_dom = remote };
	int error = (int)event_op(EVTCHNOP_alloc_unbound, &alloc);

	*port = alloc.port;
	return error;
}

int event_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t *port)
{
	struct evtchn_bind_interdomain bind = { .remote_dom = remote, .remote_port = remote_port };
	int error = (int)event_op(EVTCHNOP_bind_interdomain, &bind);

	*port = bind.local_port;
	return error;
}

int event_bind_virq(uint32_t virq, uint32_t vcpu, evtchn_port_t *port)
{
	struct evtchn_bind_virq bind = { .virq = virq, .vcpu = vcpu };
	int error = (int)event_op(EVTCHNOP_bind_virq, &bind);

	*port = bind.port;
	return error;
}

int event_bind_ipi(uint32_t vcpu, evtchn_port_t *port)
{
	struct evtchn_bind_ipi bind = { .vcpu = vcpu };
	int error = (int)event_op(EVTCHNOP_bind_ipi, &bind);

	*port = bind.port;
	return error;
}

int event_bind_vcpu(evtchn_port_t port, uint32_t vcpu)
{
	struct evtchn_bind_vcpu bind = { port, vcpu };

	return (int)event_op(EVTCHNOP_bind_vcpu, &bind);
}

int event_status(evtchn_port_t port, struct evtchn_status *status)
{
	memset(status, 0, sizeof(*status));
	status->dom = DOMID_SELF;
	status->port = port;
	return (int)event_op(EVTCHNOP_status, status);
}

int event_send(evtchn_port_t port)
{
	struct evtchn_send send = { port };

	return (int)event_op(EVTCHNOP_send, &send);
}

int event_close(evtchn_port_t port)
{
	struct evtchn_close close = { port };

	if (port < EVTCHN_2L_NR_CHANNELS)
		event_mask(port); /* whoever is given the number next finds it as every port begins */
	return (int)event_op(EVTCHNOP_close, &close);
}

int event_unmask(evtchn_port_t port)
{
	struct evtchn_unmask unmask = { port };

	return (int)event_op(EVTCHNOP_unmask, &unmask);
}

int event_poll(evtchn_port_t *ports, unsigned int count, uint64_t timeout)
{
	struct sched_poll poll = { .nr_ports = count, .timeout = timeout };

	set_xen_guest_handle(poll.ports, ports);
	return (int)hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
}

void event_mask(evtchn_port_t port)
{
	__atomic_fetch_or(&boot_shared->evtchn_mask[port / 64], 1UL << port % 64, __ATOMIC_SEQ_CST);
}

bool event_is_masked(evtchn_port_t port)
{
	return __atomic_load_n(&boot_shared->evtchn_mask[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

bool event_is_pending(evtchn_port_t port)
{
	return __atomic_load_n(&boot_shared->evtchn_pending[port / 64], __ATOMIC_SEQ_CST) >> port % 64 & 1;
}

void event_clear(evtchn_port_t port)
{
	__atomic_fetch_and(&boot_shared->evtchn_pending[port / 64], ~(1UL << port % 64),
			   __ATOMIC_SEQ_CST);
}

void event_mask_upcalls(void)
{
	*(volatile uint8_t *)&vcpu_self()->info->evtchn_upcall_mask = 1;
	barrier();
}

/* What came while masked gets no upcall by itself: a hypercall that does nothing lets it in. */
void event_unmask_upcalls(void)
{
	struct vcpu_info *info = vcpu_self()->info;

	barrier();
	*(volatile uint8_t *)&info->evtchn_upcall_mask = 0;
	barrier();
	if (*(volatile uint8_t *)&info->evtchn_upcall_pending)
		hypercall(__HYPERVISOR_xen_version, XENVER_version, 0);
}

void event_block(void)
{
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0); /* unmasks */
}

void event_yield(void)
{
	hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}
