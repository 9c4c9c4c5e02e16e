/* SPDX-License-Identifier: MIT */
/*
 * sched_op, set_timer_op and vcpu_op: a guest gives up its CPU, ends, or has itself watched; its vcpus are given
 * registers, brought up and down, and tell it where time goes.
 */
#include "sched/queue.h"

#include <xen/sched.h>

#include "domain/hypercall.h"
#include "event/event.h"

#define POLL_PORTS_MAX	128

/* ---- sched_op ---- */

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

static long shutdown_self(uint64_t argument)
{
	struct sched_shutdown operation;

	if (guest_read(&operation, argument, sizeof(operation)))
		return -EFAULT;
	domain_shutdown(current_vcpu()->domain, (uint8_t)operation.reason);
	return 0;
}

void watchdog_barks(void *domain) { domain_shutdown(domain, SHUTDOWN_watchdog); }

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

long do_sched_op(uint64_t command, uint64_t argument)
{
	switch ((uint32_t)command) {
	case SCHEDOP_yield:
		sched_yield_current();
		return 0;
	case SCHEDOP_block:
		write_once(&current_vcpu()->info->evtchn_upcall_mask, 0);
		write_once(&current_vcpu()->poll_port, 0);
		sched_block_current();
		return 0;
	case SCHEDOP_shutdown:		return shutdown_self(argument);
	case SCHEDOP_poll:		return poll(argument);
	case SCHEDOP_watchdog:		return watchdog(argument);
	case SCHEDOP_pin_override:	return current_vcpu()->domain->is_privileged ? -ENOSYS : -EPERM;
	default:			return -ENOSYS;
	}
}

long do_set_timer_op(uint64_t deadline_ns)
{
	timer_set(&current_vcpu()->singleshot, deadline_ns ? deadline_ns : TIMER_NEVER);
	return 0;
}

/* ---- vcpu_op: timers ---- */

static void singleshot_fires(void *data) { event_send_vcpu_virq(data, VIRQ_TIMER); }

static void poll_ends(void *data)
{
	struct vcpu *vcpu = data;

	if (read_once(&vcpu->poll_port))
		sched_vcpu_kick(vcpu);
}

void vcpu_timers_init(struct vcpu *vcpu)
{
	timer_init(&vcpu->singleshot, singleshot_fires, vcpu);
	timer_init(&vcpu->poll_timer, poll_ends, vcpu);
}

/* Ours alone: another vcpu's is its own business. */
static long set_singleshot(struct vcpu *vcpu, uint64_t argument)
{
	struct vcpu_set_singleshot_timer timer;

	if (vcpu != current_vcpu())
		return -EINVAL;
	if (guest_read(&timer, argument, sizeof(timer)))
		return -EFAULT;
	if ((timer.flags & VCPU_SSHOTTMR_future) && timer.timeout_abs_ns < time_now_ns())
		return -ETIME;
	timer_set(&vcpu->singleshot, timer.timeout_abs_ns);
	return 0;
}

/* ---- vcpu_op: up and down ---- */

static long initialise(struct vcpu *vcpu, uint64_t argument)
{
	struct vcpu_guest_context *context = heap_alloc(sizeof(*context));	/* too large for the stack */
	long result;

	if (!context)
		return -ENOMEM;
	result = guest_read(context, argument, sizeof(*context)) ? -EFAULT : vcpu_set_context(vcpu, context);
	heap_free(context);
	return result == -ERESTART ? hypercall_continue(__HYPERVISOR_vcpu_op, 0) : result;
}

static long bring_up(struct vcpu *vcpu)
{
	struct domain_locked locked = domain_lock(vcpu->domain);
	bool can = vcpu->is_initialised;

	if (can)
		write_once(&vcpu->is_up, true);
	domain_unlock(locked);
	sched_vcpu_update(vcpu);
	return can ? 0 : -EINVAL;
}

static long bring_down(struct vcpu *vcpu)
{
	struct domain *domain = vcpu->domain;
	struct domain_locked locked = domain_lock(domain);
	bool is_last = true;

	for (uint32_t i = 0; i < domain->vcpu_max; i++)
		is_last &= domain->vcpu[i] == vcpu || !domain->vcpu[i]->is_up;
	if (!is_last)
		write_once(&vcpu->is_up, false);
	domain_unlock(locked);
	if (is_last)
		domain_shutdown(domain, SHUTDOWN_poweroff);
	sched_vcpu_update(vcpu);
	return 0;
}

/* ---- vcpu_op: shared memory ---- */

/* domain->lock is held: nobody brings the vcpu up meanwhile. The frame keeps the reference that is taken here. */
static int info_register(struct vcpu *vcpu, const struct vcpu_register_vcpu_info *area)
{
	struct frame *frame;
	vcpu_info_t *place;

	if (vcpu->info_frame.raw || (vcpu != current_vcpu() && vcpu->is_up))
		return -EINVAL;
	if (frame_get_as(mfn(area->mfn), vcpu->domain, FRAME_WRITABLE, &frame))
		return -EINVAL;
	place = (vcpu_info_t *)((char *)mfn_to_virt(mfn(area->mfn)) + area->offset);
	memmove(place, vcpu->info, sizeof(*place));	/* in the shared info page the two may overlap */
	vcpu->info_frame = mfn(area->mfn);
	store_release(&vcpu->info, place);
	return 0;
}

static long register_info(struct vcpu *vcpu, uint64_t argument)
{
	struct vcpu_register_vcpu_info area;
	struct domain_locked locked;
	int error;

	if (guest_read(&area, argument, sizeof(area)))
		return -EFAULT;
	if (area.offset > PAGE_SIZE - sizeof(vcpu_info_t) || area.offset % sizeof(xen_ulong_t))
		return -ENXIO;
	locked = domain_lock(vcpu->domain);
	error = info_register(vcpu, &area);
	domain_unlock(locked);
	if (!error)
		event_info_moved(vcpu);
	return error;
}

/* Of runstate and of time; address 0 ends it. `write` writes it for the first time. */
static long register_area(struct vcpu *vcpu, uint64_t *area, uint64_t argument, size_t bytes,
			  void (*write)(struct vcpu *vcpu))
{
	uint64_t address;

	_Static_assert(sizeof(struct vcpu_register_runstate_memory_area) == sizeof(address), "vcpu.h: an address");
	_Static_assert(sizeof(struct vcpu_register_time_memory_area) == sizeof(address), "vcpu.h: an address");
	if (guest_read(&address, argument, sizeof(address)) || !guest_range_ok(address, bytes))
		return -EFAULT;
	write_once(area, address);
	write(vcpu);
	return 0;
}

static long get_runstate(struct vcpu *vcpu, uint64_t argument)
{
	struct vcpu_runstate_info info;

	sched_get_runstate(vcpu, &info);
	return guest_write(argument, &info, sizeof(info));
}

static long send_nmi(struct vcpu *vcpu, uint64_t argument)
{
	if (argument)
		return -EINVAL;
	vcpu_add_work(vcpu, VCPU_WORK_NMI);
	sched_vcpu_kick(vcpu);
	return 0;
}

void sched_vcpu_forget(struct vcpu *vcpu)
{
	timer_stop(&vcpu->singleshot);
	timer_stop(&vcpu->poll_timer);
	for (uint32_t i = 0; i < WATCHDOGS; i++)
		timer_stop(&vcpu->domain->sched->watchdog[i]);
	write_once(&vcpu->poll_port, 0);
}

/* Of a frozen domain nothing changes but its timers. */
static bool is_refused(const struct domain *domain, uint32_t command)
{
	return domain->is_frozen && (command == VCPUOP_initialise || command == VCPUOP_up || command == VCPUOP_down ||
				     command == VCPUOP_register_vcpu_info ||
				     command == VCPUOP_register_runstate_memory_area ||
				     command == VCPUOP_register_vcpu_time_memory_area);
}

long do_vcpu_op(uint64_t command, uint64_t id, uint64_t argument)
{
	struct domain *domain = current_vcpu()->domain;
	struct vcpu *vcpu = (uint32_t)id < domain->vcpu_max ? domain->vcpu[(uint32_t)id] : NULL;

	if (!vcpu)
		return -ENOENT;
	if (is_refused(domain, (uint32_t)command))
		return -EPERM;
	switch ((uint32_t)command) {
	case VCPUOP_initialise:			return initialise(vcpu, argument);
	case VCPUOP_up:				return bring_up(vcpu);
	case VCPUOP_down:			return bring_down(vcpu);
	case VCPUOP_is_up:			return read_once(&vcpu->is_up);
	case VCPUOP_get_runstate_info:		return get_runstate(vcpu, argument);
	case VCPUOP_stop_periodic_timer:	return 0;	/* there is none, and none can be set */
	case VCPUOP_set_singleshot_timer:	return set_singleshot(vcpu, argument);
	case VCPUOP_stop_singleshot_timer:	return vcpu == current_vcpu() ? do_set_timer_op(0) : -EINVAL;
	case VCPUOP_register_vcpu_info:		return register_info(vcpu, argument);
	case VCPUOP_send_nmi:			return send_nmi(vcpu, argument);
	case VCPUOP_get_physid:			return -EINVAL;	/* only of a vcpu that is pinned for good: none */
	case VCPUOP_register_runstate_memory_area:
		return register_area(vcpu, &vcpu->runstate_area, argument, sizeof(struct vcpu_runstate_info),
				     runstate_write_area);
	case VCPUOP_register_vcpu_time_memory_area:
		return register_area(vcpu, &vcpu->time_area, argument, sizeof(struct vcpu_time_info),
				     time_write_area);
	default:				return -ENOSYS;
	}
}
