/* SPDX-License-Identifier: MIT */
/* sched_op and set_timer_op: a guest gives up its CPU, ends, or has itself watched. */
#include "sched/queue.h"

#include <xen/sched.h>

#include "cpu/cpu.h"
#include "cpu/timer_hw.h"
#include "cpu/uaccess.h"
#include "domain/hypercall.h"
#include "event/event.h"
#include "include/errno.h"

#define POLL_PORTS_MAX	128
#define POLL_SEVERAL	UINT32_MAX		/* in vcpu->poll_port */

static long yield(void)
{
	sched_yield_current();
	return 0;
}

static long block(void)
{
	write_once(&current_vcpu()->info->evtchn_upcall_mask, 0);
	sched_block_current();
	return 0;
}

/* ---- poll ---- */

/* S4 once more: sched_block_current() looks only for events that are not masked, and a poller waits for any. */
static void poll_block(struct vcpu *vcpu, const evtchn_port_t *port, uint32_t count, uint64_t deadline_ns)
{
	write_once(&vcpu->poll_port, count == 1 ? port[0] : POLL_SEVERAL);
	timer_set(&vcpu->poll_timer, deadline_ns ? deadline_ns : TIMER_NEVER);
	sched_block_current();
	for (uint32_t i = 0; i < count; i++)
		if (event_is_pending(vcpu->domain, port[i]))
			sched_unblock_current();
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

void watchdog_barks(void *domain)
{
	domain_shutdown(domain, SHUTDOWN_watchdog);
}

/* sched->lock is held. Number 0 asks for a new one, and is told its number; a time-out of 0 ends one. */
static long watchdog_set(struct sched_domain *sched, uint32_t asked, uint32_t timeout_s)
{
	uint64_t deadline_ns = timeout_s ? time_now_ns() + timeout_s * NSEC_PER_SEC : TIMER_NEVER;
	uint32_t number = asked ? asked : 1;

	if (!asked && !timeout_s)
		return -EINVAL;
	while (!asked && number <= WATCHDOGS && timer_is_set(&sched->watchdog[number - 1]))
		number++;
	if (number > WATCHDOGS)
		return -ENOSPC;
	if (asked && !timer_is_set(&sched->watchdog[number - 1]))
		return -EINVAL;
	timer_set(&sched->watchdog[number - 1], deadline_ns);
	return asked ? 0 : number;
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
	spin_lock(&sched->lock);
	result = watchdog_set(sched, operation.id, operation.timeout);
	spin_unlock(&sched->lock);
	return result;
}

/* ---- the hypercalls ---- */

long do_sched_op(uint64_t command, uint64_t argument)
{
	switch ((uint32_t)command) {
	case SCHEDOP_yield:		return yield();
	case SCHEDOP_block:		return block();
	case SCHEDOP_shutdown:		return shutdown_self(argument, false);
	case SCHEDOP_poll:		return poll(argument);
	case SCHEDOP_remote_shutdown:	return shutdown_other(argument);
	case SCHEDOP_shutdown_code:	return shutdown_self(argument, true);
	case SCHEDOP_watchdog:		return watchdog(argument);
	case SCHEDOP_pin_override:	return current_vcpu()->domain->is_privileged ? -ENOSYS : -EPERM;
	default:			return -ENOSYS;
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
	timer_set(&current_vcpu()->singleshot, deadline_ns ? deadline_ns : TIMER_NEVER);
	return 0;
}
