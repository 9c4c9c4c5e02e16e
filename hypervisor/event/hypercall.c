/* SPDX-License-Identifier: MIT */
/*
 * EVTCHNOP_*: what a guest asks of its event channels. `operations` says how each is called: its argument is
 * copied once, the domain that it names is found, and a port that it opened is told to the guest or closed again.
 */
#include "cpu/irq.h"
#include "domain/hypercall.h"
#include "event/channel.h"
#include "event/event.h"

union event_operation {
	domid_t domain;				/* the first field of those that name one */
	struct evtchn_alloc_unbound alloc_unbound;
	struct evtchn_bind_interdomain bind_interdomain;
	struct evtchn_bind_virq bind_virq;
	struct evtchn_bind_ipi bind_ipi;
	struct evtchn_bind_pirq bind_pirq;
	struct evtchn_close close;
	struct evtchn_send send;
	struct evtchn_status status;
	struct evtchn_bind_vcpu bind_vcpu;
	struct evtchn_unmask unmask;
	struct evtchn_reset reset;
};

static struct domain *caller(void) { return current_vcpu()->domain; }

static int send(struct domain *sender, port_t port)
{
	struct channel *channel = channel_find(sender, port);
	int error = 0;

	account_charge(sender, ACCOUNT_EVENTS_SENT, 1);
	if (!channel)
		return -EINVAL;
	spin_lock(&sender->event_lock);
	if (likely(channel->state == CHANNEL_INTERDOMAIN))
		channel_make_pending(channel->peer, channel->peer_port, channel_find(channel->peer, channel->peer_port));
	else if (channel->state == CHANNEL_IPI)
		channel_make_pending(sender, port, channel);
	else if (channel->state != CHANNEL_UNBOUND)
		error = -EINVAL;
	spin_unlock(&sender->event_lock);
	return error;
}

static int alloc_unbound(struct domain *domain, union event_operation *op, port_t *port)
{
	domid_t peer = op->alloc_unbound.remote_dom;
	struct channel content = { .state = CHANNEL_UNBOUND, .for_id = peer == DOMID_SELF ? caller()->id : peer };

	return channel_open(domain, content, port);
}

static int bind_interdomain(struct domain *domain, union event_operation *op, port_t *port)
{
	struct domain *peer = domain_get(op->bind_interdomain.remote_dom);
	int error;

	if (!peer)
		return -ESRCH;
	error = channel_connect(domain, peer, op->bind_interdomain.remote_port, port);
	domain_put(peer);
	return error;
}

/* VIRQs of a domain are bound on its first vcpu and can then be moved; they are news for Dom0 alone. */
static int bind_virq(struct domain *domain, union event_operation *op, port_t *port)
{
	uint32_t virq = op->bind_virq.virq, id = op->bind_virq.vcpu;

	if (virq >= NR_VIRQS || (!virq_is_per_vcpu(virq) && id != 0))
		return -EINVAL;
	if (id >= domain->vcpu_max)
		return -ENOENT;
	if (!virq_is_per_vcpu(virq) && !domain->is_privileged)
		return -EPERM;
	return channel_open(domain, (struct channel){ .state = CHANNEL_VIRQ, .vcpu = (uint16_t)id, .virq = virq }, port);
}

static int bind_ipi(struct domain *domain, union event_operation *op, port_t *port)
{
	struct channel content = { .state = CHANNEL_IPI, .vcpu = (uint16_t)op->bind_ipi.vcpu };

	return op->bind_ipi.vcpu < domain->vcpu_max ? channel_open(domain, content, port) : -ENOENT;
}

static int bind_pirq(struct domain *domain, union event_operation *op, port_t *port)
{
	return op->bind_pirq.pirq < PIRQ_COUNT ? channel_bind_pirq(domain, op->bind_pirq.pirq, port) : -EINVAL;
}

static int close(struct domain *domain, union event_operation *op, port_t *port)
{
	const struct channel *channel = channel_find(domain, op->close.port);

	return channel && read_once(&channel->is_kept) ? -EPERM : channel_close(domain, op->close.port);
}

static int status(struct domain *domain, union event_operation *op, port_t *port)
{
	struct channel *channel = channel_find(domain, op->status.port);
	struct evtchn_status *answer = &op->status;

	if (!channel)
		return -EINVAL;
	spin_lock(&domain->event_lock);
	answer->status = channel->state;
	answer->vcpu = channel->vcpu;
	if (channel->state == CHANNEL_UNBOUND)
		answer->u.unbound.dom = channel->for_id;
	if (channel->state == CHANNEL_INTERDOMAIN) {
		answer->u.interdomain.dom = channel->peer->id;
		answer->u.interdomain.port = channel->peer_port;
	}
	if (channel->state == CHANNEL_VIRQ)
		answer->u.virq = channel->virq;
	if (channel->state == CHANNEL_PIRQ)
		answer->u.pirq = channel->pirq;
	spin_unlock(&domain->event_lock);
	return 0;
}

static bool may_be_moved(const struct channel *channel)
{
	return channel->state != CHANNEL_FREE && channel->state != CHANNEL_IPI &&
	       !(channel->state == CHANNEL_VIRQ && virq_is_per_vcpu(channel->virq));
}

static int bind_vcpu(struct domain *domain, union event_operation *op, port_t *port)
{
	struct channel *channel = channel_find(domain, op->bind_vcpu.port);
	bool moved;

	if (op->bind_vcpu.vcpu >= domain->vcpu_max)
		return -ENOENT;
	if (!channel)
		return -EINVAL;
	spin_lock(&domain->event_lock);
	moved = may_be_moved(channel);
	if (moved)
		write_once(&channel->vcpu, (uint16_t)op->bind_vcpu.vcpu);
	spin_unlock(&domain->event_lock);
	return moved ? 0 : -EINVAL;
}

static int unmask(struct domain *domain, union event_operation *op, port_t *port)
{
	struct channel *channel = channel_find(domain, op->unmask.port);

	if (!channel)
		return -EINVAL;
	channel_unmask(domain, op->unmask.port, channel);
	return 0;
}

/* Another domain's only while it is paused: it would not understand. And no driver's: those of a former life are not its to close. */
static int reset(struct domain *domain, union event_operation *op, port_t *port)
{
	if (domain != caller() && read_once(&domain->pause_count) == 0)
		return -EINVAL;
	return domain->reset ? -EPERM : event_close_all(domain);
}

/* `name` as EVTCHNOP_ and struct evtchn_ have it; `port` is the field for a port that was opened. */
#define PLAIN(name, is_for) [EVTCHNOP_##name] = { name, sizeof(struct evtchn_##name), 0, false, is_for }
#define OPENS(name, port, is_for) \
	[EVTCHNOP_##name] = { name, sizeof(struct evtchn_##name), offsetof(struct evtchn_##name, port), true, is_for }
#define FOR_ITSELF	false
#define FOR_DOMAIN	true	/* that the first field names; another's channels are the toolstack's business alone */

static const struct operation {
	int (*run)(struct domain *domain, union event_operation *op, port_t *port);
	uint8_t bytes;
	uint8_t port_at;
	bool is_answered;		/* its argument is written back */
	bool is_for_domain;
} operations[] = {			/* without send, which is quicker */
	OPENS(alloc_unbound, port, FOR_DOMAIN),
	OPENS(bind_interdomain, local_port, FOR_ITSELF),
	OPENS(bind_virq, port, FOR_ITSELF),
	OPENS(bind_ipi, port, FOR_ITSELF),
	OPENS(bind_pirq, port, FOR_ITSELF),
	PLAIN(close, FOR_ITSELF),
	PLAIN(bind_vcpu, FOR_ITSELF),
	PLAIN(unmask, FOR_ITSELF),
	PLAIN(reset, FOR_DOMAIN),
	[EVTCHNOP_status] = { status, sizeof(struct evtchn_status), 0, true, FOR_DOMAIN },
};

static int run(const struct operation *operation, struct domain *domain, union event_operation *op, uint64_t argument)
{
	port_t port = PORT_NONE;
	int error = operation->run(domain, op, &port);

	if (error || !operation->is_answered)
		return error;
	if (operation->port_at)
		memcpy((char *)op + operation->port_at, &port, sizeof(port));
	error = guest_write(argument, op, operation->bytes);
	if (error && operation->port_at)
		channel_close(domain, port);
	return error;
}

long do_event_channel_op(uint64_t command, uint64_t argument)
{
	uint32_t number = (uint32_t)command;
	union event_operation op;
	struct domain *domain;
	int error;

	if (likely(number == EVTCHNOP_send))
		return guest_read(&op.send, argument, sizeof(op.send)) ? -EFAULT : send(caller(), op.send.port);
	if (number >= ARRAY_SIZE(operations))
		return -ENOSYS;		/* init_control, expand_array, set_priority: the FIFO ABI's */
	if (guest_read(&op, argument, operations[number].bytes))
		return -EFAULT;
	error = domain_get_managed(operations[number].is_for_domain ? op.domain : DOMID_SELF, &domain);
	if (error)
		return error;
	error = run(&operations[number], domain, &op, argument);
	domain_put(domain);
	if (error == -ERESTART)
		return hypercall_continue(__HYPERVISOR_event_channel_op, 2, (uint64_t)number, argument);
	return error;
}
