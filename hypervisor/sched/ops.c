/* SPDX-License-Identifier: MIT */
/* sched_op and set_timer_op: a guest gives up its CPU, ends, or has itself watched. */
#include "sched/ops.h"

#include <xen/sched.h>

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "cpu/uaccess.h"
#include "domain/domain.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "event/event.h"
#include "include/errno.h"
#include "sched/sched.h"
#include "sched/sched_domain.h"

#define POLL_PORTS_MAX	128
#define POLL_SEVERAL	UINT32_MAX		/* in vcpu->poll_port */

static long block(void)
{
	write_once(&current_vcpu()->info->evtchn_upcall_mask, 0);
	sched_block_current();
	return 0;
}

/* ---- poll ---- */

static bool any_is_pending(struct domain *domain, const evtchn_port_t *port, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (event_is_pending(domain, port[i]))
			return true;
	return false;
}

/* S4 once more: sched_block_current() looks only for events that are not masked, and a poller waits for any. */
static void poll_block(struct vcpu *vcpu, const evtchn_port_t *port, uint32_t count, uint64_t deadline_ns)
{
	write_once(&vcpu->poll_port, count == 1 ? port[0] : POLL_SEVERAL);
	sched_block_current();
	if (!read_once(&vcpu->sched.is_blocked))
		return;
	if (any_is_pending(vcpu->domain, port, count)) {
		sched_unblock_current();
	} else if (deadline_ns) {
		timer_set(&vcpu->poll_timer, deadline_ns);
	} else {
		timer_stop(&vcpu->poll_timer);
	}
}

static long poll(uint64_t argument)
{
	struct vcpu *vcpu = current_vcpu();
	evtchn_port_t port[POLL_PORTS_MAX];
	struct sched_poll operation;

	if (guest_read(&operation, argument, sizeof(operation)))
		return -EFAULT;
	if (operation.nr_ports > POLL_PORTS_MAX)
		return -EINVAL;
	if (operation.nr_ports &&
	    guest_read(port, handle_address(operation.ports, 0), operation.nr_ports * sizeof(port[0])))
		return -EFAULT;
	for (uint32_t i = 0; i < operation.nr_ports; i++)
		if (!event_port_is_valid(vcpu->domain, port[i]))
			return -EINVAL;

	poll_block(vcpu, port, operation.nr_ports, operation.timeout);
	return 0;
}

/* ---- the end ---- */

static long end_domain(struct domain *domain, uint8_t reason)
{
	int32_t code = read_once(&domain->sched->shutdown_code);

	domain_shutdown(domain, code >= 0 ? (uint8_t)code : reason);
	return 0;
}

static long shutdown_self(uint64_t argument, bool only_code)
{
	struct domain *domain = current_vcpu()->domain;
	struct sched_shutdown operation;
	int32_t none = -1;

	if (guest_read(&operation, argument, sizeof(operation)))
		return -EFAULT;
	if (!only_code)
		return end_domain(domain, (uint8_t)operation.reason);
	__atomic_compare_exchange_n(&domain->sched->shutdown_code, &none, (uint8_t)operation.reason, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return 0;
}

static long shutdown_other(uint64_t argument)
{
	struct domain *caller = current_vcpu()->domain, *domain;
	struct sched_remote_shutdown operation;
	long result = -EPERM;

	if (guest_read(&operation, argument, sizeof(operation)))
		return -EFAULT;
	domain = domain_get(operation.domain_id);
	if (!domain)
		return -ESRCH;
	if (caller->is_privileged)
		result = end_domain(domain, (uint8_t)operation.reason);
	domain_put(domain);
	return result;
}

/* ---- watchdogs ---- */

static void watchdog_barks(void *data)
{
	domain_shutdown(data, SHUTDOWN_watchdog);
}

void watchdog_domain_init(struct domain *domain)
{
	for (uint32_t i = 0; i < WATCHDOGS; i++)
		timer_init(&domain->sched->watchdog[i], watchdog_barks, domain);
}

/* The number of the new one. watchdog_lock is held. */
static long watchdog_start(struct sched_domain *sched, uint64_t deadline_ns)
{
	for (uint32_t i = 0; i < WATCHDOGS; i++) {
		if (sched->watchdogs_used & 1U << i)
			continue;
		sched->watchdogs_used |= 1U << i;
		timer_set(&sched->watchdog[i], deadline_ns);
		return i + 1;
	}
	return -ENOSPC;
}

static long watchdog_locked(struct sched_domain *sched, uint32_t id, uint32_t timeout_s)
{
	uint64_t deadline_ns = time_now_ns() + timeout_s * NSEC_PER_SEC;

	if (id == 0)
		return timeout_s ? watchdog_start(sched, deadline_ns) : -EINVAL;
	if (!(sched->watchdogs_used & 1U << (id - 1)))
		return -EINVAL;
	if (timeout_s) {
		timer_set(&sched->watchdog[id - 1], deadline_ns);
	} else {
		timer_stop(&sched->watchdog[id - 1]);
		sched->watchdogs_used &= ~(1U << (id - 1));
	}
	return 0;
}

static long watchdog(uint64_t argument)
{
	struct sched_domain *sched = current_vcpu()->domain->sched;
	struct sched_watchdog operation;
	long result;

	if (guest_read(&operation, argument, sizeof(operation)))
		return -EFAULT;
	if (operation.id > WATCHDOGS)
		return -EINVAL;
	spin_lock(&sched->watchdog_lock);
	result = watchdog_locked(sched, operation.id, operation.timeout);
	spin_unlock(&sched->watchdog_lock);
	return result;
}

/* ---- the hypercalls ---- */

long do_sched_op(uint64_t command, uint64_t argument)
{
	switch ((uint32_t)command) {
	case SCHEDOP_yield:
		sched_yield_current();
		return 0;
	case SCHEDOP_block:
		return block();
	case SCHEDOP_shutdown:
		return shutdown_self(argument, false);
	case SCHEDOP_poll:
		return poll(argument);
	case SCHEDOP_remote_shutdown:
		return shutdown_other(argument);
	case SCHEDOP_shutdown_code:
		return shutdown_self(argument, true);
	case SCHEDOP_watchdog:
		return watchdog(argument);
	case SCHEDOP_pin_override:
		return current_vcpu()->domain->is_privileged ? -ENOSYS : -EPERM;
	default:
		return -ENOSYS;
	}
}

long do_sched_op_compat(uint64_t command, uint64_t argument)
{
	if (command == SCHEDOP_shutdown)
		return end_domain(current_vcpu()->domain, (uint8_t)argument);
	return command == SCHEDOP_yield || command == SCHEDOP_block ? do_sched_op(command, 0) : -ENOSYS;
}

long do_set_timer_op(uint64_t deadline_ns)
{
	struct timer *timer = &current_vcpu()->singleshot;

	if (deadline_ns)
		timer_set(timer, deadline_ns);
	else
		timer_stop(timer);
	return 0;
}
