/* SPDX-License-Identifier: MIT */
/*
 * News on its way to a guest. The order is the ABI's, so that none is lost while the guest masks, unmasks and
 * moves its vcpu_info: the pending bit first, then the selector, then the upcall, then whoever polls.
 */
#include "event/channel.h"

#include "event/event.h"

void event_upcall(struct vcpu *vcpu)
{
	vcpu_info_t *info = read_once(&vcpu->info);

	if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
		sched_vcpu_kick(vcpu);
}

static void select_word(struct vcpu *vcpu, port_t port)
{
	vcpu_info_t *info = read_once(&vcpu->info);

	if (!bit_test_and_set(&info->evtchn_pending_sel, port / 64))
		event_upcall(vcpu);
}

/* S4: one that is not blocked looks at its ports itself, before it sleeps. */
static void wake_pollers(struct domain *domain, port_t port)
{
	for (uint32_t id = 0; id < domain->vcpu_max; id++) {
		struct vcpu *vcpu = domain->vcpu[id];
		uint32_t polled = read_once(&vcpu->poll_port);

		if (unlikely(polled != 0) && (polled == port || polled == POLL_SEVERAL) && read_once(&vcpu->sched.is_blocked))
			sched_vcpu_kick(vcpu);
	}
}

void channel_make_pending(struct domain *domain, port_t port, const struct channel *channel)
{
	shared_info_t *shared = domain->shared_info;

	ASSERT(channel->state != CHANNEL_FREE && channel->state != CHANNEL_UNBOUND, "E2");
	if (bit_test_and_set(shared->evtchn_pending, port))
		return;
	if (!bit_test(shared->evtchn_mask, port))
		select_word(domain->vcpu[read_once(&channel->vcpu)], port);
	wake_pollers(domain, port);
}

void channel_unmask(struct domain *domain, port_t port, const struct channel *channel)
{
	shared_info_t *shared = domain->shared_info;

	if (bit_test_and_clear(shared->evtchn_mask, port) && bit_test(shared->evtchn_pending, port))
		select_word(domain->vcpu[read_once(&channel->vcpu)], port);
}

/* A VIRQ that nobody has bound is no news to anybody. */
void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq)
{
	struct domain *domain = vcpu->domain;
	port_t port;

	spin_lock(&domain->event_lock);
	port = vcpu->virq_port[virq];
	if (port != PORT_NONE)
		channel_make_pending(domain, port, channel_find(domain, port));
	spin_unlock(&domain->event_lock);
}

bool event_port_is_valid(struct domain *domain, port_t port) { return channel_find(domain, port) != NULL; }

bool event_is_pending(struct domain *domain, port_t port)
{
	return event_port_is_valid(domain, port) && bit_test(domain->shared_info->evtchn_pending, port);
}

/*
 * In this order: of what a sender sets meanwhile no bit is pending of which the guest is not told. What is pending and masked stays: the guest is told
 * when it unmasks it, and who sent it does not do so again.
 */
void event_forget(struct domain *domain, const uint64_t *masked)
{
	shared_info_t *shared = domain->shared_info;

	for (uint32_t id = 0; id < domain->vcpu_max; id++) {
		vcpu_info_t *info = read_once(&domain->vcpu[id]->info);

		write_once(&info->evtchn_upcall_mask, 1);
		__atomic_store_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(shared->evtchn_mask); i++) {
		write_once(&shared->evtchn_mask[i], masked[i]);
		__atomic_fetch_and(&shared->evtchn_pending[i], masked[i], __ATOMIC_SEQ_CST);
	}
}

/*
 * A sender may still be about to write to the old info, but its pending bit was set before this: so the guest is
 * made to look at every word of them once.
 */
void event_info_moved(struct vcpu *vcpu)
{
	vcpu_info_t *info = read_once(&vcpu->info);

	barrier_full();
	__atomic_store_n(&info->evtchn_pending_sel, UINT64_MAX, __ATOMIC_SEQ_CST);
	event_upcall(vcpu);
}
