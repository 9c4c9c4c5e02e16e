/* SPDX-License-Identifier: MIT */
/*
 * EVTCHNOP_*: what a guest asks of its event channels. Arguments are copied once; an operation whose result
 * cannot be written back is undone.
 */
#include "include/types.h"

#include <xen/event_channel.h>

#include "cpu/cpu.h"
#include "cpu/irq.h"
#include "cpu/uaccess.h"
#include "domain/account.h"
#include "domain/hypercall.h"
#include "event/channel.h"
#include "event/event.h"
#include "include/errno.h"

static struct domain *caller(void)
{
	return current_vcpu()->domain;
}

/* Another domain is the toolstack's business alone. To be given back by domain_put(). */
static int find_managed(domid_t id, struct domain **domain)
{
	*domain = domain_get(id);
	if (!*domain)
		return -ESRCH;
	if (domain_may_manage(caller(), *domain))
		return 0;
	domain_put(*domain);
	return -EPERM;
}

static domid_t own_id_for_self(domid_t id)
{
	return id == DOMID_SELF ? caller()->id : id;
}

static struct vcpu *find_vcpu(uint32_t id)
{
	return id < caller()->vcpu_max ? caller()->vcpu[id] : NULL;
}

/* The result goes to the guest, or the port is given up again. */
static int answer_port(struct domain *domain, port_t port, uint64_t argument, const void *result, size_t bytes)
{
	int error = guest_write(argument, result, bytes);

	if (error)
		channel_close(domain, port);
	return error;
}

static long send(uint64_t argument)
{
	struct domain *sender = caller();
	struct channel *channel;
	struct evtchn_send op;
	long error = 0;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	account_charge(sender, ACCOUNT_EVENTS_SENT, 1);
	channel = channel_find(sender, op.port);
	if (!channel)
		return -EINVAL;
	spin_lock(&sender->event_lock);
	if (likely(channel->state == CHANNEL_INTERDOMAIN))
		channel_make_pending(channel->peer, channel->peer_port, channel_find(channel->peer, channel->peer_port));
	else if (channel->state == CHANNEL_IPI)
		channel_make_pending(sender, op.port, channel);
	else if (channel->state != CHANNEL_UNBOUND)
		error = -EINVAL;
	spin_unlock(&sender->event_lock);
	return error;
}

static long alloc_unbound(uint64_t argument)
{
	struct evtchn_alloc_unbound op;
	struct domain *domain;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	error = find_managed(op.dom, &domain);
	if (error)
		return error;
	error = event_alloc_unbound(domain, own_id_for_self(op.remote_dom), &op.port);
	if (!error)
		error = answer_port(domain, op.port, argument, &op, sizeof(op));
	domain_put(domain);
	return error;
}

static long bind_interdomain(uint64_t argument)
{
	struct evtchn_bind_interdomain op;
	struct domain *peer;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	peer = domain_get(op.remote_dom);
	if (!peer)
		return -ESRCH;
	error = channel_connect(caller(), peer, op.remote_port, &op.local_port);
	if (!error)
		error = answer_port(caller(), op.local_port, argument, &op, sizeof(op));
	domain_put(peer);
	return error;
}

/* VIRQs of a domain are bound on its first vcpu and can then be moved; they are news for Dom0 alone. */
static long bind_virq(uint64_t argument)
{
	struct evtchn_bind_virq op;
	struct vcpu *vcpu;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (op.virq >= NR_VIRQS || (!virq_is_per_vcpu(op.virq) && op.vcpu != 0))
		return -EINVAL;
	vcpu = find_vcpu(op.vcpu);
	if (!vcpu)
		return -ENOENT;
	if (!virq_is_per_vcpu(op.virq) && !caller()->is_privileged)
		return -EPERM;
	error = channel_bind_virq(vcpu, op.virq, &op.port);
	return error ? error : answer_port(caller(), op.port, argument, &op, sizeof(op));
}

static long bind_ipi(uint64_t argument)
{
	struct evtchn_bind_ipi op;
	struct vcpu *vcpu;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	vcpu = find_vcpu(op.vcpu);
	if (!vcpu)
		return -ENOENT;
	error = channel_bind_ipi(vcpu, &op.port);
	return error ? error : answer_port(caller(), op.port, argument, &op, sizeof(op));
}

static long bind_pirq(uint64_t argument)
{
	struct evtchn_bind_pirq op;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (op.pirq >= PIRQ_COUNT)
		return -EINVAL;
	error = channel_bind_pirq(caller(), op.pirq, &op.port);
	return error ? error : answer_port(caller(), op.port, argument, &op, sizeof(op));
}

static long close(uint64_t argument)
{
	struct evtchn_close op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	return channel_close(caller(), op.port);
}

static void status_fill(const struct channel *channel, struct evtchn_status *op)
{
	static const uint8_t abi_state[] = {
		[CHANNEL_FREE] = EVTCHNSTAT_closed, [CHANNEL_UNBOUND] = EVTCHNSTAT_unbound,
		[CHANNEL_INTERDOMAIN] = EVTCHNSTAT_interdomain, [CHANNEL_VIRQ] = EVTCHNSTAT_virq,
		[CHANNEL_IPI] = EVTCHNSTAT_ipi, [CHANNEL_PIRQ] = EVTCHNSTAT_pirq,
	};

	op->status = abi_state[channel->state];
	op->vcpu = channel->vcpu;
	if (channel->state == CHANNEL_UNBOUND)
		op->u.unbound.dom = channel->for_id;
	if (channel->state == CHANNEL_INTERDOMAIN) {
		op->u.interdomain.dom = channel->peer->id;
		op->u.interdomain.port = channel->peer_port;
	}
	if (channel->state == CHANNEL_VIRQ)
		op->u.virq = channel->virq;
	if (channel->state == CHANNEL_PIRQ)
		op->u.pirq = channel->pirq;
}

static long status(uint64_t argument)
{
	struct channel *channel;
	struct evtchn_status op;
	struct domain *domain;
	int error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	error = find_managed(op.dom, &domain);
	if (error)
		return error;
	channel = channel_find(domain, op.port);
	if (channel) {
		spin_lock(&domain->event_lock);
		status_fill(channel, &op);
		spin_unlock(&domain->event_lock);
	}
	domain_put(domain);
	return channel ? guest_write(argument, &op, sizeof(op)) : -EINVAL;
}

static bool may_be_moved(const struct channel *channel)
{
	if (channel->state == CHANNEL_VIRQ)
		return !virq_is_per_vcpu(channel->virq);
	return channel->state != CHANNEL_FREE && channel->state != CHANNEL_IPI;
}

static long bind_vcpu(uint64_t argument)
{
	struct channel *channel;
	struct evtchn_bind_vcpu op;
	long error = -EINVAL;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	if (!find_vcpu(op.vcpu))
		return -ENOENT;
	channel = channel_find(caller(), op.port);
	if (!channel)
		return -EINVAL;
	spin_lock(&caller()->event_lock);
	if (may_be_moved(channel)) {
		write_once(&channel->vcpu, (uint16_t)op.vcpu);
		error = 0;
	}
	spin_unlock(&caller()->event_lock);
	return error;
}

static long unmask(uint64_t argument)
{
	struct channel *channel;
	struct evtchn_unmask op;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	channel = channel_find(caller(), op.port);
	if (!channel)
		return -EINVAL;
	channel_unmask(caller(), op.port, channel);
	return 0;
}

/* Another domain's only while it is paused: it would not understand. */
static long reset(uint64_t argument)
{
	struct evtchn_reset op;
	struct domain *domain;
	long error;

	if (guest_read(&op, argument, sizeof(op)))
		return -EFAULT;
	error = find_managed(op.dom, &domain);
	if (error)
		return error;
	if (domain != caller() && read_once(&domain->pause_count) == 0)
		error = -EINVAL;
	else
		error = channel_close_all(domain);
	domain_put(domain);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_event_channel_op, 2, (uint64_t)EVTCHNOP_reset, argument);
	return error;
}

long do_event_channel_op(uint64_t command, uint64_t argument)
{
	switch ((uint32_t)command) {
	case EVTCHNOP_send: return send(argument);
	case EVTCHNOP_unmask: return unmask(argument);
	case EVTCHNOP_alloc_unbound: return alloc_unbound(argument);
	case EVTCHNOP_bind_interdomain: return bind_interdomain(argument);
	case EVTCHNOP_bind_virq: return bind_virq(argument);
	case EVTCHNOP_bind_ipi: return bind_ipi(argument);
	case EVTCHNOP_bind_pirq: return bind_pirq(argument);
	case EVTCHNOP_close: return close(argument);
	case EVTCHNOP_status: return status(argument);
	case EVTCHNOP_bind_vcpu: return bind_vcpu(argument);
	case EVTCHNOP_reset: return reset(argument);
	default: return -ENOSYS;	/* the FIFO ABI's: init_control, expand_array, set_priority */
	}
}
